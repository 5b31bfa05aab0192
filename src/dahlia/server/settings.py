"""The server's settings: defaults, one TOML file, and the environment, which wins.

The file is `--config FILE`, else what `DAHLIA_CONFIG` names, else `dahlia.toml` in the current folder if
there is one. A variable is `DAHLIA_<SECTION>_<KEY>`; an empty one counts as not set. Relative paths are
relative to the folder in which the server starts, wherever the file lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from dahlia.config import check_section
from dahlia.errors import ConfigError
from dahlia.server.secret_url import SecretUrl, masked
from dahlia.server.sections import (
    BackupSection,
    CleaningSection,
    DatabaseSection,
    JobsSection,
    LimitsSection,
    PredictionSection,
    PredictionsSection,
    RatesSection,
    Section,
    SecuritySection,
    ServerSection,
    StorageSection,
    TrackingSection,
)
from dahlia.server.setting_sources import Given, fields_of, from_environment, from_file

CONFIG = "DAHLIA_CONFIG"
DEFAULT_FILE = Path("dahlia.toml")


class Settings(Section):
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
    prediction: PredictionSection = Field(default_factory=PredictionSection)
    backup: BackupSection = Field(default_factory=BackupSection)

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
    """Read the settings.

    Args:
        file: that must be there; None for what `DAHLIA_CONFIG` names, or `dahlia.toml` if there is one.
        environment: usually `os.environ`.

    Raises:
        ConfigError: the file cannot be read, or a key or value is not known; it names the line or the
            variable of each, and shows no password.
    """
    values: dict[str, dict[str, object]] = {}
    for given in read_given(file, environment):
        values.setdefault(given.section, {})[given.key] = given.value
    return check_section(Settings, values, "settings")


def read_given(file: Path | None, environment: Mapping[str, str]) -> list[Given]:
    """What file and environment set, each value checked; of two for one key the later wins.

    Raises:
        ConfigError: see `load_settings`.
    """
    path = _chosen(file, environment)
    given, problems = from_environment(Settings, environment)
    if path:
        in_file, wrong = from_file(Settings, path)
        given, problems = in_file + given, wrong + problems
    problems += [problem for one in given if (problem := _problem(one))]
    if problems:
        raise ConfigError("\n".join(problems))
    return given


def _chosen(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    if file or environment.get(CONFIG):
        return file or Path(environment[CONFIG])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _problem(given: Given) -> str | None:
    values = {given.section: {given.key: given.value}}
    try:
        check_section(Settings, values, given.origin)
    except ConfigError as error:
        # A `SecretUrl` masks itself; but a URL may also stand where none belongs.
        text = str(error) if isinstance(given.value, SecretUrl) else masked(str(error))
        return text + _meaning(given)
    return None


def _meaning(given: Given) -> str:
    return f" It is: {fields_of(Settings, given.section)[given.key].description}."
