"""`model.json`: what a model is and how it wants to be fed. Read without torch."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dahlia.errors import TrainingError
from dahlia.files import load_json, write_text
from dahlia.kinds import Kind
from dahlia.params import Channels, usual_channels

NAMESPACE = uuid.UUID("6f0f5c4e-6a0b-5d0c-9a53-64a11ab1d0e5")
FILE_NAME = "model.json"
MOST_BOXES = 300
"""Of a photo, in an answer; Custom Vision's."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TagCard(_Part):
    """A tag, in the order of the model's outputs. `id` is a UUID that stays the same across trainings."""

    id: str
    name: str
    type: Literal["Regular", "Negative"] = "Regular"


class InputCard(_Part):
    """The one resize policy: squash to `size` x `size` pixels by area averaging, RGB, 0 to 255.

    Mean, standard deviation and channel order are inside the graph.
    """

    size: int = Field(gt=0, le=4096)
    resize: Literal["squash"] = "squash"
    channels: Literal["RGB"] = "RGB"


class BackboneCard(_Part):
    """Which network made the features, and with which weights.

    `weights` is what was asked for, `source` what was taken and `reason` why; none of them is a path.
    `licence` is that of the weights, and `note` what else to know of where they are from. Models of before
    these were kept have the first alone. `fingerprint` is the SHA-256 of architecture, weights and
    preprocessing. What `smoothing` and `reads` are, `Backbone` says; older models have no `reads`.
    """

    architecture: str
    weights: str
    source: str = ""
    reason: str = ""
    licence: str = ""
    note: str = ""
    fingerprint: str
    features: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    smoothing: float = 0.0
    reads: Literal["map", "stage"] = "map"

    @property
    def start(self) -> str:
        """For people: which weights it started from, and their licence where that is known."""
        source = self.source or self.weights
        return f"{source}, licence {self.licence}" if self.licence else source


class NegativesCard(_Part):
    """The negative set with which a gate was fitted: how many photos, where from, and their licence."""

    photos: int
    sources: dict[str, int]
    licence: str


class DetectorCard(_Part):
    """How a detector's answer is read.

    `strides` are those of its maps, in pixels of the input; what `output` is, `DetectorParams` says. Of boxes
    of one tag that overlap by more than `overlap` (intersection over union) the one with the highest score
    stays; none is given below the score `least`, and at most `most` in a photo.
    """

    strides: tuple[Literal[8, 16, 32], ...] = Field(min_length=1)
    output: Literal["grid", "boxes"]
    overlap: float = Field(gt=0, lt=1)
    least: float = Field(gt=0, lt=1)
    most: int = Field(ge=1, le=MOST_BOXES)


class TrainingCard(_Part):
    """How it was trained."""

    recipe: str
    regularisation: float
    views: tuple[str, ...]
    images: int
    seed: int


class ModelCard(_Part):
    """Everything but the numbers of `model.safetensors`.

    `channels` is the order in which programs that use an export give a pixel's colours; models of before it
    was kept have that of their domain. Without `negatives` there is no gate: a photo of anything gets a tag.
    Of a detector, `classification` is `detection`, and `detector` is there.
    """

    format: Literal[1] = 1
    project: str
    project_id: str
    domain: str
    domain_id: str
    classification: Kind
    tags: tuple[TagCard, ...] = Field(min_length=1)
    input: InputCard
    channels: Channels = Field(default_factory=lambda given: usual_channels(given.get("domain", "")))
    backbone: BackboneCard
    temperature: float
    negatives: NegativesCard | None = None
    detector: DetectorCard | None = None
    training: TrainingCard
    data_fingerprint: str
    git_revision: str | None
    dahlia_version: str

    @property
    def kind(self) -> Kind:
        """What the model says of a photo."""
        return self.classification


def project_id(name: str) -> str:
    """The UUID of a project: the same for the same name on every machine."""
    return str(uuid.uuid5(NAMESPACE, f"project:{name}"))


def tag_id(project: str, tag: str) -> str:
    """The UUID of a tag: the same for the same names on every machine."""
    return str(uuid.uuid5(NAMESPACE, f"tag:{project}:{tag}"))


def save_card(folder: Path, card: ModelCard) -> None:
    """Write `model.json` into `folder`."""
    write_text(folder / FILE_NAME, card.model_dump_json(indent=2) + "\n")


def load_card(folder: Path) -> ModelCard:
    """Read `model.json` from `folder`.

    Raises:
        TrainingError: it is missing or does not fit.
    """
    path = folder / FILE_NAME
    return load_json(path, ModelCard, what="the card of a model", stage="train", error=TrainingError)
