"""Certificates for tests: issuers and what they sign, as PEM files."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Signed:
    """Paths of a certificate and its key."""

    certificate: str
    key: str


class Issuer:
    """An authority of its own, in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        content = self._sign(self._name, self._key, 3650, [], is_issuer=True)
        self.path = str(folder / f"{name}.pem")
        Path(self.path).write_bytes(content)

    def sign(self, name: str, *, days: float = 90.0, host: str = "127.0.0.1") -> Signed:
        """Sign a certificate for a host; of negative days it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            place: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            place = x509.DNSName(host)
        signed = Signed(str(self._folder / f"{name}.crt"), str(self._folder / f"{name}.key"))
        Path(signed.certificate).write_bytes(self._sign(_named(name), key, days, [place]))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        Path(signed.key).touch(mode=0o600)
        Path(signed.key).write_bytes(private)
        return signed

    def _sign(self, subject, key, days, places, *, is_issuer=False) -> bytes:
        now = datetime.now(UTC)
        end = now + timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - timedelta(days=1))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=is_issuer, path_length=None), critical=True)
        )
        if places:
            builder = builder.add_extension(x509.SubjectAlternativeName(places), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
