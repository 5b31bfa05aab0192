"""What is made of projects: iterations, exports, stored predictions, and the jobs that make them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from dahlia.kinds import Kind
from dahlia.server.contract.enums import KINDS
from dahlia.server.database.tables import Identity, Table
from dahlia.server.database.types import Key

_UNDER_WAY = text("state IN ('waiting', 'running') AND kind = 'train'")
_OF_IMAGE = text("image_key IS NOT NULL")
_NAMED = text("publish_name IS NOT NULL")


class IterationRow(Table):
    """A training and what came of it.

    Attributes:
        number: of the iteration within its project, from 1; never given twice.
        status: `Training`, `Completed` or `Failed`.
        epoch: of the project when it was trained; see `dahlia.server.database.tables`.
        revision: of the project when it was trained.
        use_negative_set: whether it was trained with the built-in negative set.
        chosen_tags: ids of the tags that it was trained on; all where there are none.
        tag_ids: the names of its tags as the model knows them, and their ids.
        run_id: of its MLflow run.
        files: whether its files are in the storage.
    """

    __tablename__ = "iterations"
    __table_args__ = (
        Index(
            "iterations_published",
            "project_key",
            "publish_name",
            unique=True,
            sqlite_where=_NAMED,
            postgresql_where=_NAMED,
        ),
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Identity, unique=True)
    project_key: Mapped[int] = mapped_column(ForeignKey("projects.key", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    name: Mapped[str]
    status: Mapped[str]
    created: Mapped[datetime]
    modified: Mapped[datetime]
    trained: Mapped[datetime | None]
    epoch: Mapped[int]
    revision: Mapped[int]
    domain_id: Mapped[str] = mapped_column(Identity)
    classification: Mapped[str | None]
    use_negative_set: Mapped[bool] = mapped_column(server_default=false())
    training_type: Mapped[str]
    budget_hours: Mapped[int]
    minutes: Mapped[int]
    chosen_tags: Mapped[list[str]]
    tag_ids: Mapped[dict[str, str]]
    base_project_id: Mapped[str | None] = mapped_column(Identity)
    base_iteration_id: Mapped[str | None] = mapped_column(Identity)
    publish_name: Mapped[str | None]
    publish_resource: Mapped[str | None]
    error: Mapped[str | None]
    run_id: Mapped[str | None]
    files: Mapped[bool]

    @property
    def kind(self) -> Kind:
        """What its model says of a photo."""
        return KINDS[self.classification]


class ExportRow(Table):
    """An iteration in a format."""

    __tablename__ = "exports"
    __table_args__ = (Index("exports_of", "iteration_key", "platform", "flavor"),)

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Identity, unique=True)
    iteration_key: Mapped[int] = mapped_column(ForeignKey("iterations.key", ondelete="CASCADE"))
    platform: Mapped[str]
    flavor: Mapped[str | None]
    status: Mapped[str]
    file_key: Mapped[str | None]
    error: Mapped[str | None]
    created: Mapped[datetime]


class JobRow(Table):
    """Work for a worker process; in one transaction with the row that waits for it.

    Attributes:
        kind: `train`, `export`, ...
        lane: `short` or `long`, by which workers choose; None in backups of versions without lanes: short.
        expected: seconds that it was thought to take when it was asked for; None where nobody knew.
        payload: what the kind needs to know.
        state: `waiting`, `running`, `done`, `failed` or `cancelled`.
        attempts: how often it was begun.
        worker: who has it.
        worker_lane: which lanes that worker serves: `short`, `long` or `all`.
        beat: a count that its worker raises while it lives. If it stands still, another takes over; no clocks
            are compared.
        cancel: whether it is to stop.
        progress: stage, share done and seconds left, as the worker sees them.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "jobs_one_training",
            "project_key",
            unique=True,
            sqlite_where=_UNDER_WAY,
            postgresql_where=_UNDER_WAY,
        ),
        Index("jobs_waiting", "state", "key"),
        Index("jobs_by_kind", "kind", "key"),
        Index("jobs_of_project", "project_key", "key"),
        Index("jobs_of_iteration", "iteration_key", "kind", "key"),
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Identity, unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    project_key: Mapped[int] = mapped_column(ForeignKey("projects.key", ondelete="CASCADE"))
    iteration_key: Mapped[int | None] = mapped_column(ForeignKey("iterations.key", ondelete="CASCADE"))
    payload: Mapped[dict[str, Any]]
    lane: Mapped[str | None] = mapped_column(String(8))
    expected: Mapped[float | None]
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    worker: Mapped[str | None]
    worker_lane: Mapped[str | None] = mapped_column(String(8))
    beat: Mapped[int]
    cancel: Mapped[bool]
    progress: Mapped[dict[str, Any]]
    error: Mapped[str | None]
    created: Mapped[datetime]
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]


class WorkerRow(Table):
    """A worker process, as it said last that it is there; nothing but what is shown depends on it.

    Attributes:
        name: see `dahlia.server.jobs.leases.new_worker_id`.
        lane: which jobs it takes: `short`, `long` or `all`.
        started: by its own clock.
        seen: likewise.
    """

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    lane: Mapped[str] = mapped_column(String(8))
    started: Mapped[datetime]
    seen: Mapped[datetime]


class PredictionRow(Table):
    """A prediction that was kept, or what was suggested for an untagged image.

    Attributes:
        id: of the prediction; of the image where it is a suggestion.
        image_key: the untagged image of a suggestion; None for a prediction.
        sha256: of the image's bytes, which name its files.
        size: bytes of the image that count as this prediction's; 0 for a suggestion.
        predictions: as they go over the wire.
        uncertainty: see `dahlia.server.predictions.uncertainty.uncertainties`.
    """

    __tablename__ = "predictions"
    __table_args__ = (
        Index("predictions_in_order", "project_key", "key"),
        Index("predictions_suggested", "project_key", "uncertainty", "key"),
        Index("predictions_of_iteration", "iteration_key", "uncertainty", "key"),
        # Partial, or SQLite would find predictions by it, which have no image here, and sort them.
        Index(
            "predictions_by_image",
            "image_key",
            sqlite_where=_OF_IMAGE,
            postgresql_where=_OF_IMAGE,
        ),
        Index("predictions_content", "sha256"),
        {"sqlite_autoincrement": True},  # a key that was deleted is not given again: pages go by keys
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Identity, index=True)
    project_key: Mapped[int] = mapped_column(ForeignKey("projects.key", ondelete="CASCADE"))
    iteration_key: Mapped[int] = mapped_column(ForeignKey("iterations.key", ondelete="CASCADE"))
    image_key: Mapped[int | None] = mapped_column(ForeignKey("images.key", ondelete="CASCADE"))
    domain_id: Mapped[str] = mapped_column(Identity)
    sha256: Mapped[str] = mapped_column(String(64))
    suffix: Mapped[str] = mapped_column(String(8))
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int] = mapped_column(default=0)
    application: Mapped[str | None]
    created: Mapped[datetime]
    predictions: Mapped[list[dict[str, Any]]]
    uncertainty: Mapped[float]


class ScoreRow(Table):
    """A tag's probability in a stored prediction, to be filtered by."""

    __tablename__ = "prediction_scores"
    __table_args__ = (Index("scores_by_tag", "tag_id", "probability"),)

    prediction_key: Mapped[int] = mapped_column(
        ForeignKey("predictions.key", ondelete="CASCADE"), primary_key=True
    )
    tag_id: Mapped[str] = mapped_column(Identity, primary_key=True)
    probability: Mapped[float]


class JournalRow(Table):
    """How far a segment of kept predictions is in this database; gone when the segment is.

    Attributes:
        segment: the file's name, which no other segment has.
        place: bytes; the predictions before it are rows, or were.
    """

    __tablename__ = "journal"

    segment: Mapped[str] = mapped_column(String(80), primary_key=True)
    place: Mapped[int]
