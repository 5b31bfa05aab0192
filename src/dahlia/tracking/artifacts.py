"""Where an iteration's files are, on this machine."""

from __future__ import annotations

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


def servable_folder(client: MlflowClient, iteration: Iteration, root: Path) -> Path:
    """The folder with `model.onnx` and `model.json`, downloaded once if the store is remote.

    Raises:
        TrackingError: the iteration has no such export.
    """
    folder = _local_folder(client, iteration, root)
    if folder is None:
        folder = root / ".dahlia" / "models" / iteration.run_id
        if not folder.exists():
            _download(client, iteration, folder)
    if not all((folder / name).is_file() for name in (MODEL_NAME, FILE_NAME)):
        raise TrackingError(
            f"Iteration {iteration.number} was expected to hold {SERVABLE}/{MODEL_NAME} and {FILE_NAME}, and "
            f"{folder} does not. Record it anew with `dvc repro`, or choose another iteration."
        )
    return folder


def _local_folder(client: MlflowClient, iteration: Iteration, root: Path) -> Path | None:
    location = urlsplit(client.get_run(iteration.run_id).info.artifact_uri)
    if location.scheme not in ("", "file"):
        return None
    recorded = Path(url2pathname(location.path)) / SERVABLE
    # The project folder may have been moved or copied since: the artifacts moved with it.
    moved = root / ARTIFACTS / iteration.run_id / "artifacts" / SERVABLE
    return moved if moved.exists() and not recorded.exists() else recorded


def _download(client: MlflowClient, iteration: Iteration, folder: Path) -> None:
    with staged_directory(folder) as staged:
        downloaded = Path(client.download_artifacts(iteration.run_id, SERVABLE, str(staged)))
        for part in downloaded.iterdir():
            part.rename(staged / part.name)
        for empty in (downloaded, downloaded.parent):
            if empty != staged:
                empty.rmdir()
