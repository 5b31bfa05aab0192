"""The server's settings: defaults, one TOML file, and the environment, which wins.

The file is `--config FILE`, else what `DAHLIA_CONFIG` names, else `dahlia.toml` in the current folder if
there is one. A variable is `DAHLIA_<SECTION>_<KEY>`; an empty one counts as not set. Relative paths are
relative to the folder in which the server starts, wherever the file lies. The sections here are those that
only `dahlia serve` and its workers read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from dahlia.settings.reading import Read, Tree, chosen_file, read
from dahlia.settings.sections import (
    InferenceSection,
    LimitsSection,
    PredictionsSection,
    SecuritySection,
    ServerSection,
    ServiceSection,
)
from dahlia.settings.values import DatabaseUrl, File, SecretUrl, Section, StorageUrl, TrackingUri, number


class DatabaseSection(Section):
    """Where rows are kept."""

    url: DatabaseUrl | None = Field(
        default=None,
        description="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME (default: a SQLite file in "
        "server.home)",
    )


class StorageSection(Section):
    """Where images, models and exports are kept."""

    url: StorageUrl | None = Field(
        default=None, description="a folder, or a URL such as s3://BUCKET/PREFIX (default: server.home/files)"
    )


class CleaningSection(Section):
    """When files that nothing needs any more are deleted."""

    deleted_hours: float = number(24, "hours for which files of deleted images and iterations are kept", 0)
    orphan_days: float = number(
        30, "days for which a file that belongs to nothing is kept after it was found", 30
    )
    search_hours: float = Field(default=24, gt=0, description="hours between two searches for such files")
    every_seconds: float = Field(default=60, gt=0, description="seconds between two checks for deleted rows")
    settling_minutes: float = Field(
        default=10,
        ge=0,
        description="minutes for which new files are never deleted: an upload writes files before their rows",
    )


class TrackingSection(Section):
    """Where MLflow keeps iterations."""

    uri: TrackingUri | None = Field(
        default=None,
        description="MLflow's tracking URI: sqlite:///FILE, postgresql+psycopg://... or https://... "
        "(default: a SQLite file in server.home)",
    )


class JobsSection(Section):
    """Who trains and exports."""

    workers: int = number(
        1, "worker processes that the server starts for short jobs; 0 if all run elsewhere", least=0
    )
    long_workers: int | None = Field(
        default=None,
        ge=0,
        description="worker processes beside them for long jobs; 0 for none: then the others take all, short "
        "ones first (default: one if there is enough memory)",
    )
    short_seconds: float = number(
        120, "expected seconds up to which a training is short; Advanced ones are always long", 0
    )
    long_niceness: int = Field(
        default=10,
        ge=0,
        le=19,
        description="niceness of long jobs, which lets others have the processors; 0 for none",
    )
    warm: bool = Field(default=True, description="whether a worker keeps torch loaded between short jobs")
    lease_seconds: float = number(
        15, "seconds without a sign of life after which another worker takes the job"
    )
    poll_seconds: float = Field(
        default=0.2, gt=0, le=60, description="seconds after which an idle worker looks for jobs again"
    )
    training_timeout_hours: float = Field(default=24, gt=0, description="hours after which a training fails")


class RatesSection(Section):
    """How often a key may call; off by default."""

    training_calls: float = number(0, "training calls per second and key; 0 for no limit (S0: 10)", 0)
    train_project: float = number(0, "training starts per second and key; 0 for no limit (S0: 2)", 0)
    predictions_stored: float = number(
        0, "predictions that are stored, per second and key; 0 for no limit (S0: 10)", 0
    )
    predictions: float = number(
        0, "predictions that are not stored, per second and key; 0 for no limit (S0: 20)", 0
    )


class BackupSection(Section):
    """When the server backs itself up, and how many backups it keeps."""

    # Off as long as nobody says otherwise: each backup takes as much room as the server's files, and only the
    # operator knows a disk that has it and does not fail together with the server's own.
    every: float = Field(
        default=0, ge=0, description="hours between two backups that the server makes itself; 0 for none"
    )
    keep: int = number(7, "backups that are kept; older ones are deleted after a new one was verified")
    folder: File | None = Field(
        default=None,
        description="folder for them, best on another disk (default: server.home/backups)",
    )


class Settings(Tree):
    """Everything that can be set; `Settings()` is the defaults."""

    server: ServerSection = Field(default_factory=ServerSection)
    database: DatabaseSection = Field(default_factory=DatabaseSection)
    storage: StorageSection = Field(default_factory=StorageSection)
    cleaning: CleaningSection = Field(default_factory=CleaningSection)
    tracking: TrackingSection = Field(default_factory=TrackingSection)
    jobs: JobsSection = Field(default_factory=JobsSection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    rates: RatesSection = Field(default_factory=RatesSection)
    security: SecuritySection = Field(default_factory=SecuritySection)
    predictions: PredictionsSection = Field(default_factory=PredictionsSection)
    inference: InferenceSection = Field(default_factory=InferenceSection)
    backup: BackupSection = Field(default_factory=BackupSection)
    service: ServiceSection = Field(default_factory=ServiceSection)

    @classmethod
    def has_prefix(cls, section: str) -> bool:
        """All sections but those that variables of others may begin with."""
        return section not in ("service", "inference")

    @classmethod
    def uses(cls, section: str, key: str) -> bool:
        """All but what only the prediction service uses."""
        return section != "service"

    @property
    def database_url(self) -> SecretUrl:
        """The database's URL; a SQLite file in the home where none is set."""
        return self.database.url or SecretUrl(f"sqlite:///{self.server.home / 'dahlia.db'}")

    @property
    def storage_url(self) -> SecretUrl:
        """The storage's URL or folder; a folder in the home where none is set."""
        return self.storage.url or SecretUrl(str(self.server.home / "files"))

    @property
    def tracking_uri(self) -> SecretUrl:
        """MLflow's tracking URI; a SQLite file in the home where none is set."""
        return self.tracking.uri or SecretUrl(f"sqlite:///{self.server.home / 'mlflow.db'}")

    @property
    def backup_folder(self) -> Path:
        """Where the server's own backups are; a folder in the home where none is set."""
        return self.backup.folder or self.server.home / "backups"


def load_settings(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """The settings alone; see `read_all`."""
    return read_all(file, environment).settings


def read_all(file: Path | None, environment: Mapping[str, str]) -> Read[Settings]:
    """Read the settings.

    Args:
        file: that must be there; None for what `DAHLIA_CONFIG` names, or `dahlia.toml` if there is one.
        environment: usually `os.environ`.

    Raises:
        ConfigError: the file cannot be read, or a key or value is not known; it names the line or the
            variable of each, and shows no password.
    """
    return read(Settings, Settings, chosen_file(file, environment), environment)
