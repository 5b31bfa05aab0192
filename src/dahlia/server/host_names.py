"""Names under which the server may be reached.

Links in answers begin with the name that the client used. A page of another site whose name suddenly leads to
this machine (DNS rebinding) uses its own name; the answer to a forged one could be kept by a cache.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias
from urllib.parse import urlsplit

from dahlia.settings.values import listed

if TYPE_CHECKING:
    from dahlia.settings.sections import ServerSection

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,254})(?::[0-9]{0,5})?")


@dataclass(frozen=True)
class HostNames:
    """Names that clients may use.

    Attributes:
        names: in lower case, and addresses in their shortest spelling.
        endings: what names of subdomains end in, such as `.example.com`.
        every: whether any name may be used.
    """

    names: frozenset[str]
    endings: tuple[str, ...]
    every: bool

    @classmethod
    def of(cls, section: ServerSection) -> Self:
        """Those of this machine, of the settings' own addresses, and those that the settings add."""
        patterns = listed(section.allowed_hosts)
        own = {"localhost", section.host.lower(), *_names_of_this_machine()}
        if section.public_url:
            own.add(urlsplit(section.public_url).hostname or "")
        own |= {pattern for pattern in patterns if "*" not in pattern}
        return cls(
            names=frozenset(_spelled(name) for name in own),
            endings=tuple(pattern[1:] for pattern in patterns if pattern.startswith("*.")),
            every="*" in patterns,
        )

    def admit(self, host: str, reached: str) -> bool:
        """Whether a request may be answered.

        Args:
            host: its header `Host`.
            reached: the address of this machine at which it came in.
        """
        match = _HOST.fullmatch(host.lower())
        if match is None:
            return False
        name = match["name"].removesuffix(".")
        address = _address(name)
        if name.startswith("[") and address is None:
            return False
        if address is not None and (address.is_loopback or address == _address(reached.partition("%")[0])):
            return True
        return self.every or _spelled(name) in self.names or name.endswith(self.endings)

    def knows(self, name: str) -> bool:
        """Whether it is one of the names themselves, which `every` does not make of another."""
        name = name.lower().removesuffix(".")
        return _spelled(name) in self.names or name.endswith(self.endings)


def _names_of_this_machine() -> set[str]:
    # Its full name is not looked up: where no name server answers, that takes seconds.
    name = socket.gethostname().lower().removesuffix(".")
    short = name.partition(".")[0]
    return {name, short, f"{short}.local"} - {""}


def _spelled(name: str) -> str:
    address = _address(name)
    return name if address is None else str(address)


def _address(name: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
