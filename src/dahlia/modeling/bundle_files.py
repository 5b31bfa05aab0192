"""The files of a bundle that all models have: the weights in `model.safetensors`, and the card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from dahlia.errors import TrainingError
from dahlia.files import staged_directory
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.card import FILE_NAME, ModelCard, load_card, save_card
from dahlia.modeling.tensors import write_safetensors

WEIGHTS_NAME = "model.safetensors"
_Module = TypeVar("_Module", bound=nn.Module)


def save_files(folder: Path, model: nn.Module, card: ModelCard, reference: Callable[[Path], None]) -> None:
    """Write a bundle, whole or not at all; `reference` writes its own file into the folder it is given."""
    with staged_directory(folder) as staged:
        write_safetensors(staged / WEIGHTS_NAME, model.state_dict(), {"dahlia": card.dahlia_version})
        save_card(staged, card)
        reference(staged)


def load_files(folder: Path) -> tuple[dict[str, Tensor], ModelCard]:
    """The weights by their names, and the card.

    Raises:
        TrainingError: a file is missing or damaged.
    """
    card = load_card(folder)
    path = folder / WEIGHTS_NAME
    try:
        return load_file(path), card
    except (SafetensorError, OSError) as error:
        raise TrainingError(
            f"{path} could not be read ({error}). Run `dvc repro train` to train it again."
        ) from error


def backbone_of(card: ModelCard, tensors: dict[str, Tensor], prefix: str) -> Backbone:
    """The backbone whose weights have a prefix in their names."""
    seen = card.backbone
    network = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return Backbone(seen.architecture, network, (seen.mean, seen.std), seen.smoothing, seen.reads)


def with_weights(model: _Module, tensors: dict[str, Tensor], card: ModelCard, folder: Path) -> _Module:
    """The model with these weights, in evaluation mode.

    Raises:
        TrainingError: they do not fit it.
    """
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise TrainingError(
            f"{folder / WEIGHTS_NAME} does not fit {folder / FILE_NAME} ({len(card.tags)} tags of "
            f"{card.backbone.features} features): {' '.join(str(error).split()).rstrip('. ')}. Run "
            "`dvc repro train` again."
        ) from error
    return model.eval()
