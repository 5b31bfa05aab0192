"""The classifier: pixels in, calibrated probabilities out, with nothing left to do outside; and its bundle.

The bundle is all that a trained model is: `model.safetensors`, `model.json` and `reference.parquet`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from dahlia.errors import TrainingError
from dahlia.files import staged_directory
from dahlia.kinds import Kind
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.card import ModelCard, load_card, save_card
from dahlia.modeling.reference import ClassReference, save_reference
from dahlia.modeling.tensors import write_safetensors


class Classifier(nn.Module):
    """Backbone, linear head, temperature, softmax or sigmoid, and the gate in one graph.

    Args:
        backbone: D features.
        tags: K, the number of outputs.
        kind: decides what becomes of logits; see `HEADS`.
        gated: whether there is a gate: the log odds that a photo shows any of the tags.
    """

    temperature: Tensor

    def __init__(self, backbone: Backbone, tags: int, kind: Kind, *, gated: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.features, tags)
        self.gate = nn.Linear(backbone.features, 1) if gated else None
        self.kind = kind
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB, 0 to 255, to (N, K) probabilities."""
        features = self.backbone(pixels)
        probabilities = HEADS[self.kind](self.head(features) / self.temperature)
        if self.gate is None:
            return probabilities
        return probabilities * torch.sigmoid(self.gate(features))


HEADS: dict[Kind, Callable[[Tensor], Tensor]] = {
    "multiclass": partial(torch.softmax, dim=-1),
    "multilabel": torch.sigmoid,
}
"""What makes probabilities of logits (..., K), before the gate."""


WEIGHTS_NAME = "model.safetensors"
GATE = "gate.weight"


def save_bundle(folder: Path, model: Classifier, card: ModelCard, reference: ClassReference) -> None:
    """Write the bundle, whole or not at all."""
    with staged_directory(folder) as staged:
        write_safetensors(staged / WEIGHTS_NAME, model.state_dict(), {"dahlia": card.dahlia_version})
        save_card(staged, card)
        save_reference(staged, reference)


def load_bundle(folder: Path) -> tuple[Classifier, ModelCard]:
    """Read a bundle; the model is in evaluation mode.

    Raises:
        TrainingError: a file is missing, damaged, or does not fit the other.
    """
    card = load_card(folder)
    path = folder / WEIGHTS_NAME
    try:
        tensors = load_file(path)
    except (FileNotFoundError, SafetensorError, OSError) as error:
        raise TrainingError(
            f"{path} could not be read ({error}). Run `dvc repro train` to train it again."
        ) from error
    prefix = "backbone.network."
    network = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    normalisation = (card.backbone.mean, card.backbone.std)
    seen = card.backbone
    backbone = Backbone(seen.architecture, network, normalisation, seen.smoothing, seen.reads)
    model = Classifier(backbone, len(card.tags), card.kind, gated=GATE in tensors)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise TrainingError(
            f"{path} does not fit {folder / 'model.json'} ({len(card.tags)} tags of "
            f"{card.backbone.features} features): {' '.join(str(error).split()).rstrip('. ')}. Run "
            "`dvc repro train` again."
        ) from error
    return model.eval(), card


def set_head(model: Classifier, weight: torch.Tensor, bias: torch.Tensor, temperature: float) -> None:
    """Put a fitted head, (D, K) and (K,), and its temperature into the classifier."""
    with torch.no_grad():
        model.head.weight.copy_(weight.T)
        model.head.bias.copy_(bias)
        model.temperature.fill_(temperature)


def set_gate(model: Classifier, weight: torch.Tensor, bias: float) -> None:
    """Give the classifier a gate, (D,) and its bias, or another one."""
    gate = nn.Linear(model.backbone.features, 1)
    with torch.no_grad():
        gate.weight.copy_(weight[None])
        gate.bias.fill_(bias)
    model.gate = gate.eval()
