"""Transfer syntaxes: which are decoded, by what, and how the others are called.

Pixel data stay what they were: only syntaxes that lose nothing are decoded. An object in another
one is left with the syntax's name; it may come over the network all the same, to be named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pydicom.config import IGNORE
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    JPEG2000MC,
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEG2000MCLossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

PLAIN: tuple[UID, ...] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""Uncompressed, as every archive sends them; they share one presentation context."""

OURS = "mpss"

DECODERS: Mapping[UID, str] = MappingProxyType(
    {
        RLELossless: "pydicom",
        JPEGLossless: OURS,
        JPEGLosslessSV1: OURS,
        JPEGLSLossless: "pyjpegls",
        JPEG2000Lossless: "pylibjpeg",
    }
)
"""Lossless compressed syntax -> the plugin of pydicom that decodes it (``mpss``: our own).

Each wants a presentation context of its own (PS3.8 9.3.2.2): an archive that may choose among
several in one context sends what lies there in another one not at all.
"""

LOSSLESS: tuple[UID, ...] = (*DECODERS, DeflatedExplicitVRLittleEndian)
"""Syntaxes that are accepted over the network beside the plain ones; they lose nothing."""

LOSSY: tuple[UID, ...] = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000)
"""Syntaxes that lose, or may (JPEG 2000): counts are no longer those that were measured."""

LOSSY_NAMES = frozenset(syntax.name for syntax in LOSSY)

NAMED: tuple[UID, ...] = (
    *LOSSY,
    JPEG2000MCLossless,
    JPEG2000MC,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    HTJ2K,
    ExplicitVRBigEndian,
)
"""Syntaxes that are not accepted over the network; they are offered only to learn an object's."""

_PUBLIC = re.compile(r"1\.2\.840\.(10008|113619)\.[0-9.]{1,40}")
"""The standard's root, and that of the one vendor whose private syntax is met."""


def name_of(syntax: str) -> str:
    """Name of a transfer syntax as the standard has it; its UID where it has none."""
    uid = UID(syntax, validation_mode=IGNORE)
    if uid in AllTransferSyntaxes:
        return str(uid.name)
    return f"transfer syntax {syntax if _PUBLIC.fullmatch(syntax) else 'unknown'}"
