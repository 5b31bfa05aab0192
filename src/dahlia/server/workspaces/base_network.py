"""Training from another iteration: its network is a file of the workspace, which `conf/` names."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dahlia.composition import CONF, write_params
from dahlia.errors import TrainingError
from dahlia.files import staged_file, write_text
from dahlia.modeling.card import load_card

WEIGHTS = Path("data/base")  # in Git, so that a checkout has what it was trained from

_PREFIX = "backbone.network."  # of the backbone's tensors in a bundle


def start_from(folder: Path, bundle: Path, name: str) -> None:
    """Let the next training in a workspace start from a trained model's network.

    `lay_out` takes it back: call this after it.

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


def _extract(bundle: Path, target: Path) -> None:
    try:
        tensors = load_file(bundle / "model.safetensors")
    except (SafetensorError, OSError) as error:
        raise TrainingError(
            f"The model to start from cannot be read ({error}). Choose another iteration, or train without "
            "one."
        ) from error
    network = {
        name.removeprefix(_PREFIX): value for name, value in tensors.items() if name.startswith(_PREFIX)
    }
    with staged_file(target) as staged:
        save_file(network, staged)
