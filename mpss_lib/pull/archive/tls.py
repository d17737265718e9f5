"""DICOM over TLS, mutual, both ways: contexts, and the reason of a handshake that was refused.

TLS 1.2 at least, and of TLS 1.2 the suites with forward secrecy and AEAD (BCP 195; the profiles of
PS3.15 B.12 and B.13). One switch (``archive.tls``) holds for the association that asks and for the
receiver of what the archive moves: they are never mixed.
"""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.errors import SettingsError

SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
_REASONS = (
    (("CERTIFICATE_REQUIRED", "PEER_DID_NOT_RETURN"), "no certificate was shown"),
    (("UNKNOWN_CA",), "the peer does not know the issuer of our certificate"),
    (("ALERT_CERTIFICATE_EXPIRED",), "the peer says that our certificate has expired"),
    (("ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE"), "the peer does not accept our certificate"),
    (
        ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS", "NO_SHARED", "HANDSHAKE_FAIL"),
        "the peer has no TLS 1.2 or newer with our cipher suites",
    ),
    (
        ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_EOF", "PACKET_LENGTH", "RECORD_LAYER"),
        "the peer does not speak TLS",
    ),
)
"""Parts of OpenSSL's reasons, and what they mean to an operator."""


class ToldContext(ssl.SSLContext):
    """A context that keeps what ended its last handshake: pynetdicom drops it."""

    refusal: OSError | None = None


class _ToldSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError as error:
            context = self.context
            if isinstance(context, ToldContext):
                context.refusal = error
            raise


def client_context(settings: ArchiveSettings) -> ToldContext:
    """Make the context of our side of an association.

    Raises
    ------
    SettingsError
        A file of the settings lacks, is not what it must be, or others may read the key.
    """
    context = ToldContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = _ToldSocket
    return _filled(context, settings)


def server_context(settings: ArchiveSettings) -> ToldContext:
    """Make the context of the receiver: whoever sends shows a certificate of a known issuer."""
    context = _filled(ToldContext(ssl.PROTOCOL_TLS_SERVER), settings)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _filled(context: ToldContext, settings: ArchiveSettings) -> ToldContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    names = ("tls_certificate", "tls_key", "tls_issuers")
    paths = [Path(getattr(settings, name)) for name in names]
    for name, path in zip(names, paths, strict=True):
        if not getattr(settings, name) or not path.is_file():
            raise SettingsError(
                f"archive.tls is on, and archive.{name} = {str(getattr(settings, name))!r} is no"
                " file",
                way_out="name the PEM files of our certificate, its key and the issuers that the"
                " archive's certificate may have",
            )
    certificate, key, issuers = paths
    if stat.S_IMODE(key.stat().st_mode) & 0o077:
        raise SettingsError(
            f"the key {key.name} can be read by others than its owner",
            way_out=f"chmod 600 {key.name}, and think about who has read it",
        )
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(issuers)
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{certificate.name}, {key.name} and {issuers.name} cannot be used"
            f" ({getattr(error, 'reason', None) or type(error).__name__})",
            way_out="give PEM files: a certificate, the key that belongs to it, its issuers",
        ) from error
    return context


def why_refused(error: BaseException | None) -> str:
    """Say in one line why a handshake ended, for an operator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is not accepted: {error.verify_message}"
    told = str(getattr(error, "reason", "") or "")
    for parts, meaning in _REASONS:
        if any(part in told for part in parts):
            return meaning
    if isinstance(error, ConnectionError | TimeoutError):
        return "the peer broke off or said nothing: perhaps it does not speak TLS"
    return told or type(error).__name__


def days_left(settings: ArchiveSettings, now: datetime | None = None) -> int:
    """Whole days for which our certificate is still good; negative after them."""
    content = Path(settings.tls_certificate).read_bytes()
    certificate = x509.load_pem_x509_certificate(content)
    return (certificate.not_valid_after_utc - (now or datetime.now(UTC))).days


def tls_arguments(settings: ArchiveSettings) -> tuple[ToldContext, str] | None:
    """Give what pynetdicom takes to call a peer by TLS; None where it is called in the plain."""
    if not settings.tls:
        return None
    return client_context(settings), settings.tls_name or settings.host
