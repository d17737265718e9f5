"""Addresses from which somebody may call the receiver."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress

from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.errors import SettingsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_within(text: str, networks: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks; one of IPv4 may come as one of IPv6."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in networks)


def callers_of(settings: ReceiverSettings, archive: ArchiveSettings) -> tuple[Network, ...]:
    """Addresses that may connect: those of the settings, else the archive's own."""
    if settings.addresses:
        return tuple(ipaddress.ip_network(text, strict=False) for text in settings.addresses)
    found: set[str] = set()
    for one in archive.every:
        with suppress(OSError):
            found |= {str(row[4][0]) for row in socket.getaddrinfo(one.host, None)}
    if not found:
        raise SettingsError(
            f"the address of archive.host = {archive.host!r} cannot be found",
            way_out="correct it, or list the addresses that may send in receiver.addresses",
        )
    return tuple(_each(found))


def _each(addresses: Iterable[str]) -> Iterable[Network]:
    for text in sorted(addresses):
        yield ipaddress.ip_network(text.partition("%")[0])
