"""Signed links to files, which need no key until they expire."""

from __future__ import annotations

import base64
import hmac
import re
from datetime import datetime
from urllib.parse import parse_qs

from dahlia.errors import ConfigError, ServiceError

HOURS = 24.0  # as in the original
STEP = 3600  # links made within one are equal, so that browsers and proxies keep what is behind them
MIN_SECRET = 32  # bytes
MAX_PARAMETERS = 20

_TIME = re.compile(r"[1-9][0-9]{0,11}")


class Links:
    """Signs paths, and checks what it signed. HMAC-SHA256 (RFC 2104) over the path and the time of expiry.

    Args:
        secret: at least 32 random bytes, the same in all processes of a server.
        hours: for which a link is good, at least.

    Raises:
        ConfigError: the secret is too short.
    """

    def __init__(self, secret: bytes, hours: float = HOURS) -> None:
        if len(secret) < MIN_SECRET:
            raise ConfigError(
                f"Expected a secret of at least {MIN_SECRET} bytes for signed links, received {len(secret)}. "
                "Make one from random bytes."
            )
        self._secret = secret
        self._valid = int(hours * 3600)

    def expiry(self, now: datetime) -> int:
        """When a link that is made now expires: seconds since 1970, up to an hour more than asked for."""
        return int(now.timestamp()) // STEP * STEP + STEP + self._valid

    def sign(self, path: str, expires: int) -> str:
        """The query that makes a path a link.

        Args:
            path: of the URL, without percent-encoding.
            expires: seconds since 1970.
        """
        return f"expires={expires}&signature={self._signature(path, expires)}"

    def check(self, path: str, query: str, now: datetime) -> None:
        """Let a link pass that was signed here and has not expired; other parameters do not count.

        Args:
            path: of the URL, without percent-encoding.
            query: of the URL, as it came.
            now: aware.

        Raises:
            ServiceError: `Forbidden`.
        """
        given = _given(query)
        if given is None:
            raise _refusal("one without a signature")
        if not self._is_right(path, *given):
            raise _refusal("one with a wrong signature")
        if now.timestamp() >= given[0]:
            raise _refusal("one that has expired")

    def signed_until(self, path: str, query: str) -> int | None:
        """When a link that was signed here expires, in seconds since 1970; None for any other.

        Args:
            path: of the URL, without percent-encoding.
            query: of the URL, as it came.
        """
        given = _given(query)
        return given[0] if given and self._is_right(path, *given) else None

    def _is_right(self, path: str, expires: int, signature: str) -> bool:
        right = self._signature(path, expires)
        return hmac.compare_digest(right.encode(), signature.encode("utf-8", "surrogatepass"))

    def _signature(self, path: str, expires: int) -> str:
        digest = hmac.digest(self._secret, f"{expires}\n{path}".encode("utf-8", "surrogatepass"), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _given(query: str) -> tuple[int, str] | None:
    """The time of expiry and the signature in a query; None where it has not exactly one of each."""
    given = parse_qs(query) if query.count("&") < MAX_PARAMETERS else {}
    expires, signature = given.get("expires", []), given.get("signature", [])
    if len(expires) != 1 or len(signature) != 1 or not _TIME.fullmatch(expires[0]):
        return None
    return int(expires[0]), signature[0]


def _refusal(received: str) -> ServiceError:
    return ServiceError(
        "Forbidden",
        f"Expected a link that this server signed and that is still good, received {received}. Ask for the "
        "image or the export again, and use the new link.",
    )
