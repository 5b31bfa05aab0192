"""The way into MLflow: its store, a client that neither chats nor calls home, and an iteration's files."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dahlia import layout
from dahlia.errors import TrackingError
from dahlia.files import staged_directory, staged_file
from dahlia.imports import quick_imports, require_extra
from dahlia.masking import masked
from dahlia.modeling.card import FILE_NAME
from dahlia.params import Params
from dahlia.targets import TRACKING_URI
from dahlia.tracking import mlflow_model
from dahlia.tracking.credentials import withhold_credentials, withhold_from_files
from dahlia.tracking.iteration import Iteration
from dahlia.tracking.mlflow_internals import create_tables

if TYPE_CHECKING:
    from mlflow import MlflowClient


ARTIFACTS = "mlartifacts"

_KIND, _TRAINING = "mlflow.experimentKind", "custom_model_development"
_SQLITE = "sqlite:///"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}


def tracking_uri(params: Params) -> str:
    """Where iterations are recorded: where `DAHLIA_TRACKING_URI` says, or else the project."""
    return os.environ.get(TRACKING_URI) or params.track.uri


def resolve_uri(uri: str, root: Path) -> str:
    """The store's URI with a relative SQLite path taken from the project folder `root`."""
    database = sqlite_file(uri, root)
    return f"{_SQLITE}{database}" if database else uri


def open_experiment(client: MlflowClient, name: str, uri: str, root: Path) -> str:
    """The id of the experiment with this name, made or restored where need be; one of model training."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = files_folder(uri, root).as_uri() if sqlite_file(uri, root) else None
        return str(client.create_experiment(name, location, {_KIND: _TRAINING}))
    withhold_from_files(experiment.artifact_location, client.tracking_uri)
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    if _KIND not in experiment.tags:
        client.set_experiment_tag(experiment.experiment_id, _KIND, _TRAINING)
    return str(experiment.experiment_id)


def sqlite_file(uri: str, root: Path) -> Path | None:
    """The database file of an SQLite URI; None for any other store."""
    if not uri.startswith(_SQLITE):
        return None
    return (root / uri.removeprefix(_SQLITE)).resolve()


def files_folder(uri: str, root: Path) -> Path:
    """Where the files of runs are whose store is on this machine."""
    database = sqlite_file(uri, root)
    return (database.parent if database else root) / ARTIFACTS


def connect(uri: str, root: Path, *, create: bool = False) -> MlflowClient:
    """Open the store; one that the environment does not name gets no credentials.

    Args:
        uri: any MLflow tracking URI; a relative SQLite path is relative to `root`.
        root: the project folder.
        create: make the SQLite database if it is not there.

    Raises:
        TrackingError: there is no store yet, it cannot be opened, or its driver is not installed.
    """
    database = sqlite_file(uri, root)
    if database and not create and not database.exists():
        raise TrackingError(
            f"{database} was expected and is not there: nothing has been recorded yet. "
            "Run `dvc repro` to train and record an iteration, or `dvc repro --force track` if only the "
            "store was lost."
        )
    if uri.startswith("postgres"):
        require_extra("postgres", "A store of MLflow in PostgreSQL", TrackingError)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    resolved = resolve_uri(uri, root)
    with warnings.catch_warnings(), quick_imports():
        warnings.simplefilter("ignore")  # MLflow's use of SQLAlchemy is deprecated in places
        from mlflow import MlflowClient

        withhold_credentials(resolved)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        with translated_errors(f"Opening the store {masked(uri)}"):
            if database and not database.exists():
                _create(database)
            return MlflowClient(tracking_uri=resolved, registry_uri=resolved)


def _create(database: Path) -> None:
    from sqlalchemy import event

    with staged_file(database) as staged:
        create_tables(f"{_SQLITE}{staged}", lambda engine: event.listen(engine, "connect", _hasten))


def _hasten(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")  # the file is brought to the disk as a whole


@contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    """Turn what MLflow and its database raise into a TrackingError that says what was being done."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = masked((str(error).splitlines() or [type(error).__name__])[0])
        raise TrackingError(
            f"{doing} failed: {reason}. Check `track.uri` in params.yaml, that the store can be reached and "
            "that its disk has space, then run again; what was recorded before is unchanged."
        ) from error


MODEL_NAME = "model.onnx"
SERVABLE = layout.SERVABLE.as_posix()  # in the run of an iteration that has no model in MLflow
BUNDLE = "bundle"


class _Place(NamedTuple):
    """A part of what MLflow keeps.

    Attributes:
        location: URI of the folder that it is in.
        part: its path in that folder.
        moved: where the folder is after the project has been moved or copied, within the project.
    """

    location: str
    part: str
    moved: Path


def servable_folder(client: MlflowClient, iteration: Iteration, root: Path) -> Path:
    """The folder with `model.onnx` and `model.json`, downloaded once if the store is remote.

    Raises:
        TrackingError: the iteration has no such export.
    """
    if iteration.model_id is None:
        place = _of_run(client, iteration, SERVABLE)
    else:
        location = client.get_logged_model(iteration.model_id).artifact_location
        place = _Place(location, mlflow_model.SERVABLE, Path("models", iteration.model_id, "artifacts"))
    return _folder(client, iteration, root, place, (MODEL_NAME, FILE_NAME))


def bundle_folder(client: MlflowClient, iteration: Iteration, root: Path) -> Path:
    """The folder of the trained model, downloaded once if the store is remote.

    Raises:
        TrackingError: the iteration holds none.
    """
    return _folder(client, iteration, root, _of_run(client, iteration, BUNDLE), (FILE_NAME,))


def _of_run(client: MlflowClient, iteration: Iteration, part: str) -> _Place:
    location = client.get_run(iteration.run_id).info.artifact_uri
    return _Place(location, part, Path(iteration.run_id, "artifacts"))


def _folder(
    client: MlflowClient, iteration: Iteration, root: Path, place: _Place, expected: tuple[str, ...]
) -> Path:
    folder = _local_folder(root, place)
    if folder is None:
        folder = root / ".dahlia" / "models" / iteration.run_id / place.part
        if not folder.exists():
            _download(client.tracking_uri, place, folder)
    if not all((folder / name).is_file() for name in expected):
        raise TrackingError(
            f"Iteration {iteration.number} was expected to hold {' and '.join(expected)} in {place.part}, "
            f"and {folder} does not. Record it again with `dvc repro`, or choose another iteration."
        )
    return folder


def _local_folder(root: Path, place: _Place) -> Path | None:
    location = local_path(place.location)
    if location is None:
        return None
    recorded = location / place.part
    moved = root / ARTIFACTS / place.moved / place.part
    return moved if moved.exists() and not recorded.exists() else recorded


def local_path(location: str) -> Path | None:
    """The path of a folder by its URI or path; None if it is not on this machine."""
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme in ("", "file") else None


def _download(uri: str, place: _Place, folder: Path) -> None:
    from mlflow.artifacts import download_artifacts

    withhold_from_files(place.location, uri)
    source = f"{place.location}/{place.part}"
    with staged_directory(folder) as staged, tempfile.TemporaryDirectory() as name:
        downloaded = download_artifacts(source, dst_path=name, tracking_uri=uri)
        shutil.copytree(downloaded, staged, dirs_exist_ok=True)
