"""Until when a certificate is valid: read from its encoding (RFC 5280, 4.1), which `ssl` does not show."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_VERSION, _UTC_TIME = 0xA0, 0x17
_LONG = 0x80


def expiry_of(pem: str) -> datetime:
    """The end of the first certificate in a text.

    Raises:
        ValueError: it is no certificate.
    """
    body = pem.partition(_BEGIN)[2].partition(_END)[0]
    der = ssl.PEM_cert_to_DER_cert(f"{_BEGIN}{body}{_END}")
    try:
        tag, begin, end = _expiry(der)
    except IndexError:
        raise ValueError("its encoding ends too early") from None
    pattern = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(der[begin:end].decode("ascii"), pattern).replace(tzinfo=UTC)


def _expiry(der: bytes) -> tuple[int, int, int]:
    at = _element(der, 0)[1]  # Certificate
    at = _element(der, at)[1]  # TBSCertificate
    tag, _, end = _element(der, at)
    if tag == _VERSION:
        at = end
    for _ in ("serial number", "signature", "issuer"):
        at = _element(der, at)[2]
    at = _element(der, at)[1]  # Validity
    return _element(der, _element(der, at)[2])


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag of the element at a position, and where its content begins and ends."""
    tag, length, begin = der[at], der[at + 1], at + 2
    if length & _LONG:
        size = length & ~_LONG
        length, begin = int.from_bytes(der[begin : begin + size], "big"), begin + size
    return tag, begin, begin + length
