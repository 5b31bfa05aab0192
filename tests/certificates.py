"""Certificates of the tests' own: an authority, and servers' certificates that it signs."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Issued:
    """Files of a certificate."""

    certificate: Path
    key: Path
    expires: datetime


class Authority:
    """Signs certificates for this machine; `file` is what clients trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the tests' authority")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(
            self._name, self._name, self._key.public_key(), x509.random_serial_number()
        )
        made = made.not_valid_before(now - timedelta(days=900)).not_valid_after(now + timedelta(days=900))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(self, name: str = "server", days: float = 90, password: bytes | None = None) -> Issued:
        """A certificate for localhost and 127.0.0.1, in `NAME.pem` and `NAME.key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        expires = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
        made = x509.CertificateBuilder(
            self._name,
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
        )
        made = made.not_valid_before(expires - timedelta(days=400)).not_valid_after(expires)
        made = made.add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        issued = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key", expires)
        issued.certificate.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        hidden: KeySerializationEncryption = BestAvailableEncryption(password) if password else NoEncryption()
        issued.key.touch(mode=0o600)
        issued.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
        return issued
