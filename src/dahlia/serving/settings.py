"""What the environment may set for the prediction service.

| variable | default | meaning |
| --- | --- | --- |
| `DAHLIA_PREDICTION_KEY` | none | the key that every prediction needs; without it none is needed |
| `DAHLIA_ORIGINS` | `*` with a key, else `loopback` | origins whose web pages may request predictions |
| `DAHLIA_WORKERS` | cores, at most 4 | processes; each holds the models that it uses |
| `DAHLIA_THREADS` | 2 x cores / workers | predictions computed at once in a process |
| `DAHLIA_MODEL_THREADS` | 1 | threads of one prediction; more may help a single client with a large model |
| `DAHLIA_MAX_CONCURRENCY` | 64 | predictions admitted at once in a process; more get 429 |
| `DAHLIA_POLL_SECONDS` | 1 | seconds between two checks of the registry |
| `DAHLIA_URL_FETCH` | public | addresses from which images are fetched: `public`, `any`, or `off` |
| `DAHLIA_URL_FETCH_ALLOW` | none | further allowed hosts: host names, `*.suffix`, addresses, networks |
| `DAHLIA_PREDICTIONS` | `.dahlia/predictions` | where predictions are stored; unset, a Bento stores none |
| `DAHLIA_PREDICTIONS_DAYS` | 30 | days for which predictions are stored |
| `DAHLIA_PREDICTIONS_MB` | 10240 | megabytes that stored predictions may take; the oldest are deleted |
| `DAHLIA_PROJECTS` | the folder itself | folders of several projects or published models, as in a `PATH` |
| `DAHLIA_MODEL_MEMORY` | 1024 | megabytes that models may take in a process; the oldest are unloaded |
| `DAHLIA_MAX_CONNECTIONS` | 1000 | connections of a process; fewer if it may not open so many files |
| `DAHLIA_MAX_CONNECTIONS_PER_ADDRESS` | 100 | connections of one address |
| `DAHLIA_PROXIES` | `127.0.0.0/8 ::1` | addresses or networks of proxies; each may have nine tenths of all |
| `DAHLIA_HEADER_SECONDS` | 15 | seconds in which the header of a request must arrive |
| `DAHLIA_STALLED_SECONDS` | 60 | seconds for which a body may pause, or a client that reads its answer |
| `DAHLIA_DECODE_MEMORY` | a quarter of all | megabytes that decoding may take in all processes together |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dahlia.dataset.decoding_memory import SHARE, VARIABLE
from dahlia.dataset.machine_memory import machine_memory
from dahlia.errors import ConfigError
from dahlia.serving.cores import usable_cores
from dahlia.serving.http.allow_list import SETTING, AllowList, read_allow_list
from dahlia.serving.http.fetch import Reach, read_reach
from dahlia.serving.http.limits import Limits, read_limits
from dahlia.serving.http.origins import Origins, read_origins

ORIGINS = "DAHLIA_ORIGINS"
_MOST_WORKERS = 4  # each takes some 250 MB; threads of one process share the rest of the cores


@dataclass(frozen=True)
class Settings:
    """The settings of one process; see the module's table."""

    key: str | None
    origins: Origins
    workers: int
    threads: int
    model_threads: int
    max_concurrency: int
    poll_seconds: float
    url_fetch: Reach
    url_fetch_allow: AllowList
    predictions: Path | None
    predictions_days: int
    predictions_bytes: int
    projects: tuple[Path, ...]
    model_memory: int
    limits: Limits
    decode_memory: int


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment.

    Raises:
        ConfigError: a value is not a number of at least 1 (for the seconds: more than 0), not one of its
            names, or no origin.
    """
    cores = usable_cores()
    workers = _count(environment, "DAHLIA_WORKERS", min(cores, _MOST_WORKERS))
    folder = environment.get("DAHLIA_PREDICTIONS")
    key = environment.get("DAHLIA_PREDICTION_KEY") or None
    return Settings(
        key=key,
        origins=read_origins(environment, ORIGINS, has_key=key is not None),
        workers=workers,
        threads=_count(environment, "DAHLIA_THREADS", max(1, 2 * cores // workers)),
        model_threads=_count(environment, "DAHLIA_MODEL_THREADS", 1),
        max_concurrency=_count(environment, "DAHLIA_MAX_CONCURRENCY", 64),
        poll_seconds=_seconds(environment, "DAHLIA_POLL_SECONDS", 1.0),
        url_fetch=read_reach(environment, "DAHLIA_URL_FETCH"),
        url_fetch_allow=read_allow_list(environment.get(SETTING, ""), SETTING),
        predictions=Path(folder) if folder else None,
        predictions_days=_count(environment, "DAHLIA_PREDICTIONS_DAYS", 30),
        predictions_bytes=_count(environment, "DAHLIA_PREDICTIONS_MB", 10240) << 20,
        projects=tuple(Path(one) for one in environment.get("DAHLIA_PROJECTS", "").split(os.pathsep) if one),
        model_memory=_count(environment, "DAHLIA_MODEL_MEMORY", 1024) << 20,
        limits=read_limits(environment, "DAHLIA_"),
        decode_memory=_count(environment, VARIABLE, (machine_memory() // SHARE) >> 20) << 20,
    )


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{name} must be a whole number of at least 1, received {text!r}. Set or unset it.")
    return int(text)


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"{name} must be a number of seconds above 0, received {text!r}. Set or unset it.")
    return value
