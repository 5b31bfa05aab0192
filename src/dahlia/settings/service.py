"""What the prediction service reads of the settings, and what it makes of them on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from dahlia.dataset.decoding_memory import SHARE, machine_memory
from dahlia.http.allow_list import SETTING, AllowList, read_allow_list
from dahlia.http.connections import Limits
from dahlia.http.fetch import Reach
from dahlia.http.origins import EVERY, LOOPBACK, Origins
from dahlia.processes import usable_cores
from dahlia.settings.reading import Tree, named_file, read
from dahlia.settings.sections import (
    InferenceSection,
    LimitsSection,
    PredictionsSection,
    SecuritySection,
    ServerSection,
    ServiceSection,
)
from dahlia.settings.server import Settings
from dahlia.settings.sources import service_variable
from dahlia.settings.values import RuntimeSetting

ORIGINS = "DAHLIA_ORIGINS"
THREADS_PER_CORE = 4  # that decode, or wait for a graph: several that wait are computed together
_MOST_WORKERS = 4  # each takes some 250 MB; threads of one process share the rest of the cores


class _Sections(Tree):
    """Those that the service reads; it warns of wrong values in the others."""

    read_elsewhere: ClassVar[Set[tuple[str, str]]] = frozenset({("tracking", "uri")})  # by `dahlia.tracking`

    model_config = SettingsConfigDict(extra="ignore")

    server: ServerSection = Field(default_factory=ServerSection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    security: SecuritySection = Field(default_factory=SecuritySection)
    predictions: PredictionsSection = Field(default_factory=PredictionsSection)
    inference: InferenceSection = Field(default_factory=InferenceSection)
    service: ServiceSection = Field(default_factory=ServiceSection)

    @classmethod
    def uses(cls, section: str, key: str) -> bool:
        """What the service's page lists."""
        return service_variable(Settings, section, key) is not None


@dataclass(frozen=True)
class ServiceSettings:
    """The settings of one process; `docs/serving.md` explains them.

    Attributes:
        at_once: graphs that are computed at once in a process.
        warnings: what is passed over, to be said at the start.
    """

    key: str | None
    origins: Origins
    workers: int
    threads: int
    at_once: int
    model_threads: int
    runtime: RuntimeSetting
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
    warnings: tuple[str, ...] = field(compare=False)


def read_settings(environment: Mapping[str, str] = os.environ) -> ServiceSettings:
    """Read the file that `DAHLIA_CONFIG` names, if it does, and the environment, which wins.

    A file of the current folder is not read: a project's folder may come from somebody else.

    Raises:
        ConfigError: see `dahlia.settings.server.read_all`.
    """
    found = read(_Sections, Settings, named_file(environment), environment)
    tree, warnings = found.settings, found.warnings
    service, inference, security = tree.service, tree.inference, tree.security
    cores = usable_cores()
    workers = service.workers or min(cores, _MOST_WORKERS)
    key = service.prediction_key.reveal() if service.prediction_key else None
    origins = Origins.read(security.prediction_origins or (EVERY if key else LOOPBACK))
    if origins.every and not key and not Origins.read(environment.get(ORIGINS, "")).every:
        # A file that `dahlia config --toml` wrote has the server's default, whose predictions need a key.
        origins = Origins.read(LOOPBACK)
        place = found.origins["security.prediction_origins"]
        warnings += (f"{place}: `*` is passed over, as no key is set. {ORIGINS}=* lets every page predict.",)
    return ServiceSettings(
        key=key,
        origins=origins,
        workers=workers,
        threads=inference.threads or max(1, THREADS_PER_CORE * cores // workers),
        at_once=max(1, cores // workers),
        model_threads=inference.model_threads,
        runtime=inference.runtime,
        max_concurrency=inference.max_concurrency,
        poll_seconds=service.poll_seconds,
        url_fetch=security.url_fetch,
        url_fetch_allow=read_allow_list(security.url_fetch_allow, SETTING),
        predictions=service.predictions_folder,
        predictions_days=tree.predictions.days,
        predictions_bytes=tree.predictions.max_mb << 20,
        projects=service.projects,
        model_memory=inference.model_memory_mb << 20,
        limits=tree.server.connection_limits,
        decode_memory=(tree.limits.decode_memory_mb << 20) or machine_memory() // SHARE,
        warnings=warnings,
    )
