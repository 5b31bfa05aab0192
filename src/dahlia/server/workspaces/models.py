"""Models in and out of a workspace: what a pipeline made, and the network that a training starts from.

That network is a file of the workspace, which `conf/` names. Published models have the ids of the server.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dahlia import layout
from dahlia.composition import CONF, write_params
from dahlia.dataset.readers.sources import tag_name
from dahlia.errors import TrainingError
from dahlia.files import load_json, staged_directory, staged_file, write_text
from dahlia.modeling.card import load_card, save_card
from dahlia.server.workspaces.workspace import PipelineError

WEIGHTS = Path("data/base")  # in Git, so that a checkout has what it was trained from

_NETWORK = re.compile(r"(?:taps\.)?backbone\.network\.")  # begins the names of its tensors in a bundle


@dataclass(frozen=True)
class Outcome:
    """A finished iteration in its workspace; the files change with the next training.

    Attributes:
        bundle: folder of the trained model.
        servable: folder with `model.onnx` and `model.json`, and what lies beside them.
        predictions: held-out predictions, Parquet.
        evaluation: the figures, JSON.
        metrics: the few that DVC compares, JSON.
        report: the evaluation as a page.
        validation: what was found wrong with the photos and tags, JSON.
        validation_report: the same as a page.
        number: the version in MLflow's registry, from 1.
        run_id: of the MLflow run.
        fingerprint: SHA-256 over bundle, exports and evaluation; the same for equal iterations.
    """

    bundle: Path
    servable: Path
    predictions: Path
    evaluation: Path
    metrics: Path
    report: Path
    validation: Path
    validation_report: Path
    number: int
    run_id: str
    fingerprint: str


def collect(folder: Path) -> Outcome:
    """What the pipeline left in a workspace.

    Raises:
        PipelineError: a part is missing.
    """
    recorded = load_json(
        folder / layout.ITERATION, _Recorded, what="an iteration", stage="track", error=PipelineError
    )
    outcome = Outcome(
        bundle=folder / layout.BUNDLE,
        servable=folder / layout.SERVABLE,
        predictions=folder / layout.PREDICTIONS,
        evaluation=folder / layout.EVALUATION,
        metrics=folder / layout.METRICS,
        report=folder / layout.EVALUATION_PAGE,
        validation=folder / layout.VALIDATION,
        validation_report=folder / layout.VALIDATION_PAGE,
        number=recorded.number,
        run_id=recorded.id.hex,
        fingerprint=recorded.fingerprint,
    )
    parts = (part for part in vars(outcome).values() if isinstance(part, Path))
    missing = [part.relative_to(folder).as_posix() for part in parts if not part.exists()]
    if missing:
        raise PipelineError(
            f"The pipeline was expected to leave {', '.join(missing)} in its workspace, and did not. "
            "Train again."
        )
    return outcome


def personalise(servable: Path, target: Path, *, project_id: str, tag_ids: Mapping[str, str]) -> None:
    """Copy a model, with the server's ids in its `model.json`.

    Args:
        servable: folder with `model.onnx` and `model.json`.
        target: the new folder; replaced whole if it is there.
        project_id: of the project.
        tag_ids: ids by the names of the tags; more than the model knows do no harm.

    Raises:
        PipelineError: the model knows a tag without an id.
        TrainingError: `model.json` is missing or does not fit.
    """
    card = load_card(servable)
    known = {tag_name(name, "the tag"): identity for name, identity in tag_ids.items()}
    strangers = [tag.name for tag in card.tags if tag.name not in known]
    if strangers:
        raise PipelineError(
            f"Expected the project's tags in the model, received {', '.join(strangers)} besides. Train again."
        )
    tags = tuple(tag.model_copy(update={"id": known[tag.name]}) for tag in card.tags)
    with staged_directory(target) as staged:
        shutil.copytree(servable, staged, dirs_exist_ok=True)
        save_card(staged, card.model_copy(update={"project_id": project_id, "tags": tags}))


def start_from(folder: Path, bundle: Path, name: str) -> None:
    """Let the next training in a workspace start from a trained model's network.

    That is the backbone. What stands on it, a classifier or the pyramid and head of a detector, starts as
    always. `lay_out` takes it back: call this after it.

    Args:
        folder: the workspace.
        bundle: of the model to start from.
        name: of the weights' file.

    Raises:
        TrainingError: the model cannot be read, or its network is not the one that the domain trains.
        ConfigError: the workspace's parameters cannot be composed.
    """
    weights = WEIGHTS / f"{name}.safetensors"
    if not (folder / weights).exists():
        _extract(bundle, folder / weights)
    config = folder / CONF / "config.yaml"
    chosen = f"\ndomain:\n  backbone:\n    weights: {weights.as_posix()}\n"
    write_text(config, config.read_text(encoding="utf-8").rstrip("\n") + "\n" + chosen)
    params = write_params(folder)
    trained, wanted = load_card(bundle).backbone.architecture, params.domain.backbone.architecture
    if trained != wanted:
        raise TrainingError(
            f"Expected a model with the network {wanted} to start from, received one with {trained}. Choose "
            "an iteration of the same domain, or train without one."
        )


class _Recorded(BaseModel):
    number: int
    id: uuid.UUID
    fingerprint: str


def _extract(bundle: Path, target: Path) -> None:
    try:
        tensors = load_file(bundle / "model.safetensors")
    except (SafetensorError, OSError) as error:
        raise TrainingError(
            f"The model to start from cannot be read ({error}). Choose another iteration, or train without "
            "one."
        ) from error
    network = {
        name[found.end() :]: value for name, value in tensors.items() if (found := _NETWORK.match(name))
    }
    with staged_file(target) as staged:
        save_file(network, staged)
