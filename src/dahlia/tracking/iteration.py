"""An iteration: one trained, evaluated and exported model, as the registry knows it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dahlia.tracking.names import decode

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

TAG_DOMAIN = "dahlia.domain"
TAG_CLASSIFICATION = "dahlia.classification"
TAG_IMAGES = "dahlia.images"
TAG_FINGERPRINT = "dahlia.fingerprint"
TAG_MODEL = "dahlia.model"  # of a version; MLflow keeps no model id with it in a database
TAG_DATA = "dahlia.data_fingerprint"
TAG_RECORDER = "dahlia.recorder"
TAG_RECORDED = "dahlia.recorded"  # when recording began, milliseconds since 1970
TAG_REVISION = "mlflow.source.git.commit"
TAG_DIRTY = "git.dirty"

_STATUS = {"FINISHED": "Completed", "RUNNING": "Training", "FAILED": "Failed"}


@dataclass(frozen=True)
class Iteration:
    """One version of the project's registered model, with the run that made it.

    Attributes:
        number: the version in the registry, from 1.
        id: the run's id as a dashed UUID, the iteration id of the prediction API.
        run_id: the run's id as MLflow spells it.
        created: when it was registered, aware, UTC.
        status: `Completed` for every iteration that was recorded whole.
        metrics: the last value of each metric.
        domain: the domain's name.
        classification: `multiclass` or `multilabel`.
        images: how many images it was trained on.
        git_revision: the commit, if the project folder is in Git.
        git_dirty: whether tracked files differed from that commit.
        fingerprint: SHA-256 over bundle, exports and evaluation.
        published: the names under which it is served, sorted.
        model_id: of the model in MLflow; None for an iteration that was recorded without one.
    """

    number: int
    id: str
    run_id: str
    created: datetime
    status: str
    metrics: dict[str, float]
    domain: str
    classification: str
    images: int
    git_revision: str | None
    git_dirty: bool
    fingerprint: str
    published: tuple[str, ...]
    model_id: str | None = None


def iteration_of(version: ModelVersion, run: Run, aliases: Iterable[str]) -> Iteration:
    """Read an iteration from its version in the registry, its run, and the version's aliases."""
    tags = run.data.tags
    return Iteration(
        number=int(version.version),
        id=str(uuid.UUID(run.info.run_id)),
        run_id=run.info.run_id,
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        status=_STATUS.get(run.info.status, run.info.status.capitalize()),
        metrics=dict(run.data.metrics),
        domain=tags.get(TAG_DOMAIN, ""),
        classification=tags.get(TAG_CLASSIFICATION, ""),
        images=int(tags.get(TAG_IMAGES, 0)),
        git_revision=tags.get(TAG_REVISION),
        git_dirty=tags.get(TAG_DIRTY) == "true",
        fingerprint=tags.get(TAG_FINGERPRINT, ""),
        published=tuple(sorted(name for name in map(decode, aliases) if name is not None)),
        model_id=version.tags.get(TAG_MODEL),
    )
