"""The certificate that `dahlia serve` answers https with, read again when its files change."""

from __future__ import annotations

import logging
import os
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dahlia.errors import ConfigError
from dahlia.server import disk
from dahlia.server.background import FaultLog, Repeated

if TYPE_CHECKING:
    from dahlia.settings.sections import ServerSection

LOOK_SECONDS = 30.0
SOON = timedelta(days=14)
MAX_BYTES = 1024 * 1024  # of a file; a certificate with those between takes some kilobytes
_PATIENCE = 5.0  # seconds for which the end waits for files on a disk that does not answer

_CERTIFICATE, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_KEY = "PRIVATE KEY-----"
_VERSION, _UTC_TIME, _LONG = 0xA0, 0x17, 0x80  # of the encoding

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_logger = logging.getLogger("dahlia.server")


class Certificate:
    """A certificate and its key.

    Args:
        certificate: a PEM file with the server's certificate, then those between it and its authority's.
        key: a PEM file with its private key, not encrypted; may be the same file.
        now: the time.

    Raises:
        ConfigError: they cannot be used.
    """

    def __init__(
        self, certificate: Path, key: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._files = certificate, key
        self._now = now
        self._faults = FaultLog(_logger)
        self._seen = _marks(self._files)
        self.context, self.expires = _load(certificate, key)
        disk.warn_of_readers(key)
        self._warn()
        self._thread = Repeated("certificate", LOOK_SECONDS, self.look)

    def start(self) -> None:
        """Begin to look at the files now and then."""
        self._thread.start()

    def stop(self) -> None:
        """End that."""
        self._thread.stop(_PATIENCE)

    def look(self) -> None:
        """Take files that have changed for new connections; where they cannot be used, keep what there is."""
        seen = _marks(self._files)
        if seen != self._seen:
            self._seen = seen
            try:
                self.context, self.expires = _load(*self._files)
            except ConfigError as error:
                _logger.warning("The renewed certificate is not taken, the one before is. %s", error)
            else:
                self._faults.forget()
                _logger.info("New connections get the certificate that lasts until %s.", _day(self.expires))
        self._warn()

    def _warn(self) -> None:
        left = self.expires - self._now()
        if left < SOON:
            has = "has expired" if left < timedelta() else "expires soon"
            self._faults.log(
                f"The certificate {self._files[0]} {has}, on {_day(self.expires)}. Renew it, and put the new "
                "files in the place of the old: they are taken without a restart."
            )


def certificate_of(section: ServerSection) -> Certificate | None:
    """The certificate that the settings name; None where the server answers http.

    Raises:
        ConfigError: it cannot be used, or only one of its two files is named.
    """
    certificate, key = section.tls_cert, section.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        given, missing, option = ("tls_key", "tls_cert", "cert") if key else ("tls_cert", "tls_key", "key")
        raise ConfigError(
            f"Expected a certificate and its key, received server.{given} without server.{missing}. Name it "
            f"with --tls-{option} or DAHLIA_SERVER_TLS_{option.upper()}, also where one file holds both."
        )
    return Certificate(certificate, key)


def expiry_of(pem: str) -> datetime:
    """The end of the first certificate in a text; read from its encoding (RFC 5280, 4.1), which `ssl` hides.

    Raises:
        ValueError: it is no certificate.
    """
    body = pem.partition(_CERTIFICATE)[2].partition(_END)[0]
    der = ssl.PEM_cert_to_DER_cert(f"{_CERTIFICATE}{body}{_END}")
    try:
        tag, begin, end = _expiry(der)
    except IndexError:
        raise ValueError("its encoding ends too early") from None
    pattern = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(der[begin:end].decode("ascii"), pattern).replace(tzinfo=UTC)


def _load(certificate: Path, key: Path) -> tuple[ssl.SSLContext, datetime]:
    with (
        _opened(certificate, "certificate", _CERTIFICATE) as (chain, text),
        _opened(key, "private key", _KEY) as (secret, _),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])

        def refuse() -> NoReturn:  # OpenSSL would ask at the terminal
            raise ConfigError(
                "Expected a private key that a server can read by itself, received an encrypted one in "
                f"{key}. `openssl pkey -in {key} -out plain.pem` decrypts it; keep the new file for your "
                "user alone."
            )

        try:
            context.load_cert_chain(chain, secret, password=refuse)
            return context, expiry_of(text)
        except ssl.SSLError as error:
            raise ConfigError(_reason(error, certificate, key)) from error
        except OSError as error:
            raise _unreadable("certificate or its key", certificate, error) from error
        except ValueError as error:
            raise ConfigError(
                f"The certificate {certificate} cannot be read: {error}. Get it again from who issued it."
            ) from error


@contextmanager
def _opened(path: Path, what: str, mark: str) -> Iterator[tuple[str, str]]:
    """A name of the open file, and its text: another file may take the place of `path` meanwhile."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is opened at once
    except OSError as error:
        raise _unreadable(what, path, error) from error
    try:
        text = _text(file, path, what)
        if mark not in text:
            raise ConfigError(
                f"Expected a {what} in PEM format, as text with a line `-----BEGIN ...{what.upper()}-----`, "
                f"in {path}; received something else. See that certificate and key are not swapped; "
                "`openssl` converts other formats."
            )
        yield f"/dev/fd/{file}", text
    finally:
        os.close(file)


def _text(file: int, path: Path, what: str) -> str:
    kind = stat.S_IFMT(os.fstat(file).st_mode)
    if kind != stat.S_IFREG:
        raise ConfigError(
            f"Expected a file with the server's {what}, received {_KINDS.get(kind, 'something else')}, "
            f"{path}. Name a regular file."
        )
    try:
        data = os.pread(file, MAX_BYTES + 1, 0)
    except OSError as error:
        raise _unreadable(what, path, error) from error
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"Expected a file of at most 1 MB with the server's {what}, received a larger one, {path}. Name "
            "the file in PEM format."
        )
    return data.decode("latin-1")


def _unreadable(what: str, path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"The server's {what} {path} cannot be read: {error.strerror}. Make it readable for this user, or "
        "name another file."
    )


def _reason(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return (
            f"Expected the private key of the certificate {certificate}, whose first certificate is the "
            f"server's own; received another's in {key}. Name the two files that were made together."
        )
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return f"The certificate {certificate} and the key {key} cannot be used: {reason}. Make them again."


def _marks(files: tuple[Path, Path]) -> list[tuple[int, int, int] | None]:
    return [_mark(file) for file in files]


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


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
