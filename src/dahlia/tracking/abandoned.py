"""Runs that a recording left when its process ended before it had registered a version."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia.tracking.credentials import withhold_from_files
from dahlia.tracking.iteration import TAG_RECORDED, TAG_RECORDER
from dahlia.tracking.mlflow_internals import delete_artifacts
from dahlia.tracking.store import local_path

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_DAY = 24 * 3600


def recorder_tags() -> dict[str, str]:
    """The tags that tell later recordings which process writes a run."""
    return {
        TAG_RECORDER: f"{platform.node()}/{os.getpid()}-{_start_of(os.getpid())}",
        TAG_RECORDED: str(int(time.time() * 1000)),
    }


def delete_abandoned(client: MlflowClient, experiment: str, whole: Collection[str], files: Path) -> None:
    """Delete the runs that no process writes any longer, with their models and files.

    A store may come from somebody else, so that files of this machine are only deleted where Dahlia's are.

    Args:
        client: of the store.
        experiment: the id of the project's experiment.
        whole: the ids of the runs that belong to a version.
        files: the folder of all runs' files, if they are on this machine.
    """
    for run in client.search_runs([experiment], f"tags.`{TAG_RECORDER}` != ''", max_results=1000):
        if run.info.run_id not in whole and _is_abandoned(run):
            _delete(client, run, files)


def _delete(client: MlflowClient, run: Run, files: Path) -> None:
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    for model in models:
        _delete_files(client, model.artifact_location, files)
        client.delete_logged_model(model.model_id)
    _delete_files(client, run.info.artifact_uri, files)
    client.delete_run(run.info.run_id)


def _delete_files(client: MlflowClient, location: str, files: Path) -> None:
    local = local_path(location)
    if local is None:
        withhold_from_files(location, client.tracking_uri)
        delete_artifacts(location)
    elif files.resolve() in local.resolve().parents:
        delete_artifacts(local.resolve().as_uri())


def _is_abandoned(run: Run) -> bool:
    if run.info.status == "FAILED":
        return True
    host, _, rest = str(run.data.tags[TAG_RECORDER]).rpartition("/")
    if host != platform.node():
        # A run starts when training did; older ones have no other time.
        recorded = int(run.data.tags.get(TAG_RECORDED, run.info.start_time)) / 1000
        return time.time() - recorded > _DAY
    return not _is_alive(rest)


def _is_alive(recorder: str) -> bool:
    process, _, start = recorder.partition("-")
    return _start_of(int(process)) == start


def _start_of(process: int) -> str | None:
    import psutil  # type: ignore[import-untyped]

    try:
        return f"{psutil.Process(process).create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
