"""Where an iteration's files are, on this machine."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dahlia import layout
from dahlia.errors import TrackingError
from dahlia.files import staged_directory
from dahlia.modeling.card import FILE_NAME
from dahlia.tracking import mlflow_model
from dahlia.tracking.credentials import withhold_from_files
from dahlia.tracking.iteration import Iteration
from dahlia.tracking.store import ARTIFACTS

if TYPE_CHECKING:
    from mlflow import MlflowClient

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
