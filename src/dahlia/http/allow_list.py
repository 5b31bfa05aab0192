"""From where images may be fetched besides the public internet: hosts and networks that an operator names.

A name is allowed wherever it leads, but not to what nobody means by naming a host: this machine, its links
(where clouds keep their metadata) and addresses that wrap others. Those must be listed as addresses or
networks of their own.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TypeAlias

from dahlia.errors import ConfigError

SETTING = "DAHLIA_URL_FETCH_ALLOW"
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOOPBACK = ("127.0.0.0/8", "::1/128")
_GUARDED = tuple(
    ipaddress.ip_network(text)
    for text in (
        *_LOOPBACK,
        "0.0.0.0/8",
        "169.254.0.0/16",
        "168.63.129.16/32",  # Azure's host agent
        "100.100.100.200/32",  # Alibaba's metadata
        "192.0.0.0/24",  # Oracle's metadata
        "224.0.0.0/3",
        "fd00:ec2::/32",  # Amazon's metadata
        "fe80::/10",
        "ff00::/8",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "2001::/32",
    )
)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")  # an address, to those who look names up
_PORT = re.compile(r"(?P<host>[^:]+|\[.*\]):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class _Entry:
    name: str  # of a host; with a dot before it of its subdomains; empty for a network
    network: Network | None
    port: int | None

    def covers(self, host: str, port: int, address: Address, *, own: bool) -> bool:
        if self.port not in (None, port):
            return False
        guards = [one for one in _GUARDED if one.version == address.version and address in one]
        if self.network is None:
            return self._names(host) and (not (guards or own) or _is_localhost(host, address))
        if self.network.version != address.version or address not in self.network:
            return False
        if self.network.prefixlen == self.network.max_prefixlen:
            return True
        within = [one for one in guards if self.network.subnet_of(one)]  # type: ignore[arg-type]
        return bool(within) if guards else not own

    def _names(self, host: str) -> bool:
        return host.endswith(self.name) if self.name.startswith(".") else host == self.name


@dataclass(frozen=True)
class AllowList:
    """What an operator lists.

    Attributes:
        setting: with which it is done, for messages.
        entries: what it lists.
    """

    setting: str = SETTING
    entries: tuple[_Entry, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries)

    def admits(self, host: str, port: int, address: str, *, own: bool = False) -> bool:
        """Whether a host may be asked at an address.

        Args:
            host: as the URL names it.
            port: at which.
            address: to which the host's name leads.
            own: whether it is an address of this machine, which a wide network or a name does not open.
        """
        name = host.lower().removesuffix(".")
        place = unwrapped(ipaddress.ip_address(address))
        return any(entry.covers(name, port, place, own=own) for entry in self.entries)


NOTHING = AllowList()


def read_allow_list(text: str, setting: str) -> AllowList:
    """Read a list such as `photos.lan, *.corp.example, 10.1.0.0/16, [fd00::5]:8080`.

    Args:
        text: entries with commas or spaces between them; empty for none.
        setting: where it was said, for messages.

    Raises:
        ConfigError: an entry cannot be used.
    """
    return AllowList(setting, tuple(_entry(one, setting) for one in text.replace(",", " ").split()))


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for; another one as it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _entry(text: str, setting: str) -> _Entry:
    match = _PORT.fullmatch(text)
    host, port = (match["host"], int(match["port"])) if match else (text, None)
    if port is None or 1 <= port <= 65535:
        network = _network(host)
        if network and (port is None or network.prefixlen == network.max_prefixlen):
            return _Entry("", network, port)
        name = _ascii(host).removesuffix(".")
        if _NAME.fullmatch(name) and not _NUMERIC.fullmatch(name):
            return _Entry(name.removeprefix("*"), None, port)
    raise ConfigError(
        f"Expected host names, `*.` before a name, IP addresses or networks in {setting}, such as "
        f"`photos.lan, *.corp.example, 10.1.0.0/16, 10.1.2.3:8080`, received {text[:80]!r}. Write no scheme "
        "and no path; a port only behind a name or a single address; and a network with its first address."
    )


def _network(text: str) -> Network | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        network = ipaddress.ip_network(bare)
    except ValueError:
        return None
    single = network.prefixlen == network.max_prefixlen
    return ipaddress.ip_network(unwrapped(network.network_address)) if single else network


def _ascii(name: str) -> str:
    try:
        return name.lower().encode("idna").decode() if not name.isascii() else name.lower()
    except UnicodeError:
        return ""


def _is_localhost(host: str, address: Address) -> bool:
    return host == "localhost" and address.is_loopback
