"""Recording an iteration: one MLflow run and one version in the registry, whole or not at all.

The version is created last. Until then the run is not an iteration: commands do not see it, and the next
recording deletes it once the process that wrote it is gone.
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia import layout
from dahlia.files import write_json
from dahlia.params import Params
from dahlia.revision import git_revision
from dahlia.tracking import iteration as tags
from dahlia.tracking.evidence import TAG_METRICS, Evidence, gather
from dahlia.tracking.iteration import Iteration
from dahlia.tracking.note import note
from dahlia.tracking.registry import Registry
from dahlia.tracking.store import connect, open_experiment, translated_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_BATCH = 100  # MLflow's limit on parameters in one request; metrics may be 1000
_DAY = 24 * 3600
_TAG_WEIGHTS, _TAG_REASON = "dahlia.weights", "dahlia.weights_reason"


def record(root: Path, params: Params) -> Iteration:
    """Record what the pipeline made in `root`, unless an iteration holds exactly that already.

    Returns:
        The new iteration, or the one with the same fingerprint. `reports/iteration.json` names it.

    Raises:
        TrackingError: something to record is missing, or the store cannot be written.
    """
    root = root.resolve()
    evidence = gather(root, params)
    registry = Registry.of(root, params)
    client = connect(registry.uri, registry.root, create=True)
    with translated_errors("Recording the iteration"):
        experiment = _prepare(client, registry)
        _sweep(client, experiment, registry)
        found = registry.find(evidence.fingerprint)
        iteration = found or registry.get(_write(client, experiment, evidence, registry, root))
    _write_report(root / layout.ITERATION, iteration)
    return iteration


def _prepare(client: MlflowClient, registry: Registry) -> str:
    from mlflow.exceptions import MlflowException

    identifier = open_experiment(client, registry.project, registry.uri, registry.root)
    try:
        client.create_registered_model(registry.project)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return identifier


def _write(client: MlflowClient, experiment: str, evidence: Evidence, registry: Registry, root: Path) -> int:
    number = max((known.number for known in registry.iterations()), default=0) + 1
    run = client.create_run(experiment, tags=_run_tags(evidence, root), run_name=f"Iteration {number}")
    identifier = run.info.run_id
    try:
        log_figures(client, identifier, evidence)
        _log_dataset(client, identifier, evidence)
        for path, folder in evidence.files:
            _log_files(client, identifier, path, folder)
        client.set_tag(identifier, "mlflow.note.content", note(evidence, number))
        client.set_terminated(identifier, "FINISHED")
    except BaseException:
        client.set_terminated(identifier, "FAILED")
        raise
    version = client.create_model_version(
        registry.project,
        source=f"runs:/{identifier}/bundle",
        run_id=identifier,
        tags={tags.TAG_FINGERPRINT: evidence.fingerprint},
        description=note(evidence, number),
    )
    if int(version.version) != number:  # another recording came first
        client.update_run(identifier, name=f"Iteration {version.version}")
    return int(version.version)


def _run_tags(evidence: Evidence, root: Path) -> dict[str, str]:
    revision, dirty = git_revision(root)
    backbone = evidence.card.backbone
    values = {
        tags.TAG_DOMAIN: evidence.card.domain,
        tags.TAG_CLASSIFICATION: evidence.card.classification,
        tags.TAG_IMAGES: str(evidence.card.training.images),
        tags.TAG_FINGERPRINT: evidence.fingerprint,
        tags.TAG_DATA: evidence.card.data_fingerprint,
        tags.TAG_RECORDER: _recorder(),
        _TAG_WEIGHTS: backbone.source or backbone.weights,
        "mlflow.source.name": "dvc repro",
    }
    if backbone.reason:
        values[_TAG_REASON] = backbone.reason
    if revision:
        values |= {tags.TAG_REVISION: revision, tags.TAG_DIRTY: str(dirty).lower()}
    return values


def log_figures(client: MlflowClient, run_id: str, evidence: Evidence) -> None:
    """Write parameters, metrics and curves into a run, within MLflow's limits on one request."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    parameters = [Param(key, value) for key, value in evidence.parameters.items()]
    metrics = [Metric(key, value, now, 0) for key, value in evidence.metrics.items()]
    metrics += [
        Metric(f"training/{curve.name}", value, now, step)
        for curve in evidence.curves
        for step, value in curve.points
    ]
    for start in range(0, max(len(parameters), len(metrics)), _BATCH):
        window = slice(start, start + _BATCH)
        client.log_batch(run_id, metrics=metrics[window], params=parameters[window])


def _log_dataset(client: MlflowClient, run_id: str, evidence: Evidence) -> None:
    import json

    from mlflow.entities import Dataset, DatasetInput, InputTag

    card = evidence.card
    profile = {"images": card.training.images, "tags": [tag.name for tag in card.tags]}
    dataset = Dataset(
        name=card.project,
        digest=card.data_fingerprint[:36],  # MLflow's limit
        source_type="local",
        source=json.dumps({"fingerprint": card.data_fingerprint}),
        profile=json.dumps(profile),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _log_files(client: MlflowClient, run_id: str, path: Path, folder: str) -> None:
    if path.is_dir():
        target = folder if path.name == folder or folder == "bundle" else f"{folder}/{path.name}"
        client.log_artifacts(run_id, str(path), target)
    else:
        client.log_artifact(run_id, str(path), folder)


def _sweep(client: MlflowClient, experiment: str, registry: Registry) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    whole = {known.run_id for known in registry.iterations()}
    for run in client.search_runs([experiment], f"tags.`{tags.TAG_RECORDER}` != ''", max_results=1000):
        if run.info.run_id not in whole and _is_abandoned(run):
            get_artifact_repository(run.info.artifact_uri).delete_artifacts()  # type: ignore[no-untyped-call]
            client.delete_run(run.info.run_id)


def _is_abandoned(run: Run) -> bool:
    if run.info.status == "FAILED":
        return True
    host, _, rest = str(run.data.tags[tags.TAG_RECORDER]).rpartition("/")
    if host != platform.node():
        return bool(time.time() - run.info.start_time / 1000 > _DAY)
    return not _is_alive(rest)


def _recorder() -> str:
    return f"{platform.node()}/{os.getpid()}-{_start_of(os.getpid())}"


def _is_alive(recorder: str) -> bool:
    process, _, start = recorder.partition("-")
    return _start_of(int(process)) == start


def _start_of(process: int) -> str | None:
    import psutil  # type: ignore[import-untyped]

    try:
        return f"{psutil.Process(process).create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def _write_report(path: Path, iteration: Iteration) -> None:
    figures = {
        key: value for key, value in sorted(iteration.metrics.items()) if not key.startswith(TAG_METRICS)
    }
    write_json(
        path,
        {
            "number": iteration.number,
            "id": iteration.id,
            "name": f"Iteration {iteration.number}",
            "fingerprint": iteration.fingerprint,
            "domain": iteration.domain,
            "classification": iteration.classification,
            "images": iteration.images,
            "metrics": figures,
        },
    )
