"""What a process grants to connections, and what the environment says about it."""

from __future__ import annotations

import ipaddress
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from dahlia.errors import ConfigError

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
