"""How many connections there may be, of one address and in all, how long they may take, and who says so."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from dahlia.errors import ConfigError, GatewayError, ServiceError

if TYPE_CHECKING:
    from typing import Protocol

    class Watched(Protocol):
        """A connection that is asked now and then whether it takes too long."""

        def check(self, now: float) -> None:
            """End it if it does."""


MAX_LINGERING = 64  # connections that were refused and are still there, for their answer to be read
REPORT_SECONDS = 60  # at most one line in the log
_CHECK_SECONDS = 1.0
_PROXIES_PART = 9 / 10  # of all connections, so that others get in while a proxy has many
_LEAST_FILES = 128  # and a quarter: what the process keeps for its other files
_PREFIX_V6 = 64  # a single machine has as many addresses as it likes, of one such network

_logger = logging.getLogger("dahlia.connections")


class Connections:
    """The connections of one process; used by one event loop.

    Args:
        limits: what is granted.
        most_files: that the process may open; None for as many as it likes.
    """

    def __init__(self, limits: Limits, most_files: int | None = None) -> None:
        self.limits = limits
        self.most = _fitting(limits.connections, most_files)
        self._of_address: Counter[str] = Counter()
        self._open: dict[Watched, str] = {}
        self._lingering: set[Watched] = set()
        self._ended: Counter[str] = Counter()
        self._last = "nowhere"
        self._reported = -float(REPORT_SECONDS)
        self._timer: asyncio.TimerHandle | None = None
        self._was_late = False

    def enter(self, connection: Watched, host: str) -> None:
        """Count a connection from an address.

        Raises:
            ServiceError: there are too many.
        """
        self._watch()
        address = counted_as(host)
        if len(self._open) >= self.most:
            raise _full(self.most)
        share = self._share(address)
        if self._of_address[address] >= share:
            raise _too_many(share)
        self._open[connection] = address
        self._of_address[address] += 1

    def linger(self, connection: Watched) -> bool:
        """Whether a refused connection may stay for a moment."""
        if len(self._lingering) >= MAX_LINGERING:
            return False
        self._lingering.add(connection)
        return True

    def leave(self, connection: Watched) -> None:
        """Forget a connection."""
        self._lingering.discard(connection)
        address = self._open.pop(connection, None)
        if address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def ended(self, reason: str, host: str) -> None:
        """Remember why a connection was refused or ended, for the log."""
        self._ended[reason] += 1
        self._last = host

    def _share(self, address: str) -> int:
        if _is_among(address, self.limits.proxies):
            return max(1, int(self.most * _PROXIES_PART))
        return min(self.limits.per_address, self.most)

    def _watch(self) -> None:
        if self._timer is None:
            every = min(_CHECK_SECONDS, self.limits.header_seconds / 4, self.limits.stalled_seconds / 4)
            due = asyncio.get_running_loop().time() + every
            self._timer = asyncio.get_running_loop().call_at(due, self._check, due + every)

    def _check(self, latest: float) -> None:
        self._timer = None
        if self._open or self._lingering or self._ended:
            self._watch()
        now = asyncio.get_running_loop().time()
        # A loop that was held up may run its timers before it reads what came meanwhile. Clients are not
        # blamed for that; once, so that a loop which is always late has deadlines too.
        self._was_late = now > latest and not self._was_late
        if not self._was_late:
            for connection in [*self._open, *self._lingering]:
                connection.check(now)
        self._report(now)

    def _report(self, now: float) -> None:
        if not self._ended or now - self._reported < REPORT_SECONDS:
            return
        reasons = ", ".join(f"{count} x {reason}" for reason, count in self._ended.most_common())
        _logger.warning("Connections refused or ended: %s; the last from %s.", reasons, self._last)
        self._ended.clear()
        self._reported = now


def _fitting(wanted: int, files: int | None) -> int:
    if files is None:
        return wanted
    fitting = max(1, files - max(_LEAST_FILES, files // 4))
    if fitting < wanted:
        _logger.warning(
            "The process may open %d files, so that it takes %d connections at once and not %d. Allow more "
            "with `ulimit -n`.", files, fitting, wanted,
        )  # fmt: skip
    return min(wanted, fitting)


@lru_cache(maxsize=4096)
def counted_as(host: str) -> str:
    """The address that a host's connections count for; of IPv6, its network's."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # of a socket in the file system
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    if address.is_loopback:
        return str(address)
    return str(ipaddress.ip_network((address, _PREFIX_V6), strict=False).network_address)


@lru_cache(maxsize=4096)
def _is_among(address: str, networks: tuple[Network, ...]) -> bool:
    if not address:
        return True
    number = ipaddress.ip_address(address)
    return any(number in network for network in networks)


def _full(most: int) -> ServiceError:
    return ServiceError(
        "ErrorUnknown",
        f"The server has as many connections as it takes ({most}). Ask again in some seconds.",
        status=503,
        retry_after=5,
        unread=True,
    )


def _too_many(share: int) -> ServiceError:
    return GatewayError(
        429,
        f"Your address has as many connections as one may have ({share}). Use those again, or close some.",
        retry_after=1,
        unread=True,
    )


Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PROXIES = "127.0.0.0/8 ::1"


def read_proxies(text: str) -> tuple[Network, ...]:
    """Networks in a text such as `127.0.0.0/8 ::1`, with spaces or commas between them.

    Raises:
        ConfigError: one of them is none.
    """
    try:
        return tuple(ipaddress.ip_network(one, strict=False) for one in text.replace(",", " ").split())
    except ValueError as error:
        raise ConfigError(
            f"Expected addresses or networks of proxies such as `10.0.0.0/8 ::1`, received {text!r}: {error}"
        ) from None


@dataclass(frozen=True)
class Limits:
    """What one process grants.

    Attributes:
        connections: at once; fewer where the process may not open so many files.
        per_address: of them, those of one address (of IPv6, of one /64 network).
        proxies: whose connections are those of many clients, and may be nine tenths of all.
        header_seconds: in which a request's header must have come.
        stalled_seconds: for which a body may pause, or a client that reads its answer.
    """

    connections: int = 1000
    per_address: int = 100
    proxies: tuple[Network, ...] = read_proxies(PROXIES)
    header_seconds: float = 15
    stalled_seconds: float = 60


def read_limits(environment: Mapping[str, str], prefix: str) -> Limits:
    """Read `MAX_CONNECTIONS`, `MAX_CONNECTIONS_PER_ADDRESS`, `PROXIES`, `HEADER_SECONDS`, `STALLED_SECONDS`.

    Args:
        environment: an empty variable counts as unset.
        prefix: of the variables, such as `DAHLIA_`.

    Raises:
        ConfigError: one of them cannot be used.
    """
    plain = Limits()
    proxies = environment.get(f"{prefix}PROXIES", "") or PROXIES
    try:
        networks = read_proxies(proxies)
    except ConfigError as error:
        raise ConfigError(f"{prefix}PROXIES: {error}") from None
    return Limits(
        connections=_count(environment, f"{prefix}MAX_CONNECTIONS", plain.connections),
        per_address=_count(environment, f"{prefix}MAX_CONNECTIONS_PER_ADDRESS", plain.per_address),
        proxies=networks,
        header_seconds=_seconds(environment, f"{prefix}HEADER_SECONDS", plain.header_seconds),
        stalled_seconds=_seconds(environment, f"{prefix}STALLED_SECONDS", plain.stalled_seconds),
    )


def most_files() -> int | None:
    """How many files this process may open; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "") or str(default)
    if not (text.isdecimal() and text.isascii() and int(text) >= 1):
        raise ConfigError(f"{name} must be a whole number of at least 1, received {text!r}. Set or unset it.")
    return int(text)


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "") or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise ConfigError(f"{name} must be a number of seconds above 0, received {text!r}. Set or unset it.")
    return value
