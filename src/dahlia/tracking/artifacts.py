"""Where an iteration's files are, on this machine."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dahlia.errors import TrackingError
from dahlia.files import staged_directory
from dahlia.modeling.card import FILE_NAME
from dahlia.tracking.iteration import Iteration
from dahlia.tracking.store import ARTIFACTS

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_NAME = "model.onnx"
SERVABLE = "exports/onnx"
BUNDLE = "bundle"


def servable_folder(client: MlflowClient, iteration: Iteration, root: Path) -> Path:
    """The folder with `model.onnx` and `model.json`, downloaded once if the store is remote.

    Raises:
        TrackingError: the iteration has no such export.
    """
    return _folder(client, iteration, root, SERVABLE, (MODEL_NAME, FILE_NAME))


def bundle_folder(client: MlflowClient, iteration: Iteration, root: Path) -> Path:
    """The folder of the trained model, downloaded once if the store is remote.

    Raises:
        TrackingError: the iteration holds none.
    """
    return _folder(client, iteration, root, BUNDLE, (FILE_NAME,))


def _folder(
    client: MlflowClient, iteration: Iteration, root: Path, part: str, expected: tuple[str, ...]
) -> Path:
    folder = _local_folder(client, iteration, root, part)
    if folder is None:
        folder = root / ".dahlia" / "models" / iteration.run_id / part
        if not folder.exists():
            _download(client, iteration, part, folder)
    if not all((folder / name).is_file() for name in expected):
        raise TrackingError(
            f"Iteration {iteration.number} was expected to hold {' and '.join(expected)} in {part}, and "
            f"{folder} does not. Record it again with `dvc repro`, or choose another iteration."
        )
    return folder


def _local_folder(client: MlflowClient, iteration: Iteration, root: Path, part: str) -> Path | None:
    location = urlsplit(client.get_run(iteration.run_id).info.artifact_uri)
    if location.scheme not in ("", "file"):
        return None
    recorded = Path(url2pathname(location.path)) / part
    # The project folder may have been moved or copied since: the artifacts moved with it.
    moved = root / ARTIFACTS / iteration.run_id / "artifacts" / part
    return moved if moved.exists() and not recorded.exists() else recorded


def _download(client: MlflowClient, iteration: Iteration, source: str, folder: Path) -> None:
    with staged_directory(folder) as staged, tempfile.TemporaryDirectory() as name:
        downloaded = Path(client.download_artifacts(iteration.run_id, source, name))
        shutil.copytree(downloaded, staged, dirs_exist_ok=True)
