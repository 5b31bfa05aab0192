"""What the environment may set.

| variable | default | meaning |
| --- | --- | --- |
| `PORT` | 80 | where to listen; 0 takes a free one |
| `HOST` | 0.0.0.0 | on which address |
| `PREDICTION_KEY` | none | the key that every prediction needs; without it none is needed |
| `ORIGINS` | `*` with a key, else `loopback` | origins whose web pages may request predictions |
| `URL_FETCH` | public | addresses from which `/url` fetches: `public`, `any` (your network too), `off` |
| `URL_FETCH_ALLOW` | none | further allowed hosts: host names, `*.suffix`, addresses, networks |
| `THREADS` | cores that the container may use | predictions computed at once |
| `MAX_CONNECTIONS` | 1000 | connections at once; fewer if the process may not open so many files |
| `MAX_CONNECTIONS_PER_ADDRESS` | 100 | connections of one address |
| `PROXIES` | `127.0.0.0/8 ::1` | addresses or networks of proxies; each may have nine tenths of all |
| `HEADER_SECONDS` | 15 | seconds in which the header of a request must arrive |
| `STALLED_SECONDS` | 60 | seconds for which a body may pause, or a client that reads its answer |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dahlia.errors import ConfigError
from dahlia.http.allow_list import AllowList, read_allow_list
from dahlia.http.connections import Limits, read_limits
from dahlia.http.fetch import Reach, read_reach
from dahlia.http.origins import Origins, read_origins
from dahlia.processes import usable_cores

ORIGINS = "ORIGINS"


@dataclass(frozen=True)
class Settings:
    """See the module's table."""

    host: str
    port: int
    key: str | None
    origins: Origins
    reach: Reach
    allowed: AllowList
    threads: int
    limits: Limits


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the environment; an empty variable counts as unset.

    Raises:
        ConfigError: a value cannot be used.
    """
    key = environment.get("PREDICTION_KEY") or None
    return Settings(
        host=environment.get("HOST") or "0.0.0.0",  # noqa: S104  # a container's ports open from outside alone
        port=_number(environment, "PORT", 80, 0, 65535),
        key=key,
        origins=read_origins(environment, ORIGINS, has_key=key is not None),
        reach=read_reach(environment, "URL_FETCH"),
        allowed=read_allow_list(environment.get("URL_FETCH_ALLOW", ""), "URL_FETCH_ALLOW"),
        threads=_number(environment, "THREADS", usable_cores(), 1, 1024),
        limits=read_limits(environment, ""),
    )


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isdecimal() and text.isascii() and least <= int(text) <= most):
        raise ConfigError(
            f"{name} must be a number from {least} to {most}, received {text!r}. Set or unset it."
        )
    return int(text)
