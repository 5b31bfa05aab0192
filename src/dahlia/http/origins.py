"""Origins of web pages (RFC 6454), as settings list them: `https://app.example`, `https://*.app.example`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from dahlia.errors import ConfigError

EVERY, LOOPBACK, NONE = "*", "loopback", "none"

_HOST = r"(?:[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])"
_ORIGIN = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<any>\*\.)?(?P<host>{_HOST})(?P<port>:[0-9]{{1,5}})?"
)
_OF_THIS_MACHINE = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Origins:
    """Origins whose pages may read answers.

    Attributes:
        every: whether all may.
        loopback: whether those of this machine may: localhost, 127.0.0.1 and [::1], at any port.
        exact: single ones, as browsers write them.
        subdomains: beginnings and ends of others, such as `https://` and `.app.example`.
    """

    every: bool = False
    loopback: bool = False
    exact: frozenset[str] = frozenset()
    subdomains: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a list such as `loopback https://app.example`, with spaces or commas between its parts.

        Args:
            text: origins, `https://*.app.example` for all names below one, `loopback`, or one word alone: `*`
                for every origin, `none` (or nothing) for none.

        Raises:
            ConfigError: a part is none of these.
        """
        parts = text.lower().replace(",", " ").split()
        if parts in ([], [NONE]):
            return cls()
        if parts == [EVERY]:
            return cls(every=True)
        found = [_parsed(part) for part in parts if part != LOOPBACK]
        return cls(
            loopback=LOOPBACK in parts,
            exact=frozenset(begin + end for begin, end in found if not end.startswith(".")),
            subdomains=tuple(one for one in found if one[1].startswith(".")),
        )

    def admit(self, origin: str) -> bool:
        """Whether pages of an origin may read answers.

        Args:
            origin: a request's header `Origin`.
        """
        return (
            self.every
            or origin in self.exact
            or (self.loopback and _OF_THIS_MACHINE.fullmatch(origin) is not None)
            or any(_is_below(origin, begin, end) for begin, end in self.subdomains)
        )

    def __or__(self, other: Origins) -> Origins:
        """The origins that are among these or those."""
        return Origins(
            every=self.every or other.every,
            loopback=self.loopback or other.loopback,
            exact=self.exact | other.exact,
            subdomains=self.subdomains + other.subdomains,
        )

    def __str__(self) -> str:
        """As a setting lists them."""
        below = (f"{begin}*{end}" for begin, end in self.subdomains)
        parts = ([LOOPBACK] if self.loopback else []) + sorted((*self.exact, *below))
        return EVERY if self.every else ", ".join(parts) or NONE

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self != NOBODY


NOBODY = Origins()


def read_origins(environment: Mapping[str, str], name: str, *, has_key: bool) -> Origins:
    """Read the variable that lists whose pages may ask for predictions.

    Args:
        environment: an empty variable counts as unset.
        name: of the variable.
        has_key: whether a prediction needs a key: then pages of every origin may ask by default, otherwise
            those of this machine.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        return Origins.read(environment.get(name, "").strip() or (EVERY if has_key else LOOPBACK))
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def _is_below(origin: str, begin: str, end: str) -> bool:
    name = origin.removeprefix(begin).removesuffix(end)
    return origin == begin + name + end and re.fullmatch(_HOST, name) is not None


def _parsed(text: str) -> tuple[str, str]:
    """Scheme and the rest, which begins with a dot where names below it are meant."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise ConfigError(_complaint(text))
    port = match["port"] or ""
    if port == _DEFAULT_PORTS.get(match["scheme"]):  # browsers leave it out
        port = ""
    return f"{match['scheme']}://", f"{'.' if match['any'] else ''}{match['host']}{port}"


def _complaint(text: str) -> str:
    if text in (EVERY, NONE):
        return f"Expected `{text}` alone, received it among origins. Leave out either it or the others."
    near = _nearest(text if "://" in text else f"https://{text}")
    write = near if _ORIGIN.fullmatch(near) else "https://app.example"
    return (
        f"Expected origins of web pages, each a scheme, a name and perhaps a port, received {text!r}. "
        f"Write `{write}`, without a path or a slash at the end; `https://*.app.example` for all names below "
        f"one, `{LOOPBACK}` for pages of this machine, `{EVERY}` for every origin, `{NONE}` for none."
    )


def _nearest(address: str) -> str:
    """The origin of an address, its name as browsers write it."""
    try:
        name = urlsplit(address).netloc.encode("idna").decode()
    except ValueError:
        return ""
    return f"{address.partition('://')[0]}://{name}"
