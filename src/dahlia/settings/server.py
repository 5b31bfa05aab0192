"""The server's settings: defaults, one TOML file, and the environment, which wins.

The file is `--config FILE`, else what `DAHLIA_CONFIG` names, else `dahlia.toml` in the current folder if
there is one. A variable is `DAHLIA_<SECTION>_<KEY>`; an empty one counts as not set. Relative paths are
relative to the folder in which the server starts, wherever the file lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from dahlia.settings.reading import Read, Tree, chosen_file, read
from dahlia.settings.secret_url import SecretUrl
from dahlia.settings.sections import (
    InferenceSection,
    LimitsSection,
    PredictionsSection,
    SecuritySection,
    ServerSection,
    ServiceSection,
)
from dahlia.settings.server_sections import (
    BackupSection,
    CleaningSection,
    DatabaseSection,
    JobsSection,
    RatesSection,
    StorageSection,
    TrackingSection,
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
