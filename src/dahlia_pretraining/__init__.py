"""What is made of a corpus: a backbone, a negative set, and what proposes regions.

The commands are `dahlia pretrain`, `dahlia negatives` and `dahlia proposals`.
`conf/pretrain.yaml`, `conf/negatives.yaml` and `conf/proposals.yaml` have their settings. The core does not
import it: the bundled weights, the negative sets and the graph of proposals that ship were made with it, and
others can be.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from dahlia.params import BackboneParams, Section, TrainerParams


class TeacherParams(Section):
    """A network to learn from."""

    architecture: str
    weights: str


class PretrainingParams(Section):
    """How a backbone is trained on a corpus; see `conf/pretrain.yaml`."""

    corpus: str
    student: BackboneParams
    teacher: TeacherParams | None
    out: str
    epochs: float = Field(gt=0)
    batch_size: PositiveInt
    sizes: list[Annotated[int, Field(ge=32, le=1024, multiple_of=2)]] = Field(min_length=1)
    stored_size: int = Field(ge=32, le=512)
    mosaics: float = Field(ge=0, le=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    averaging: float = Field(ge=0, lt=1)
    label_weight: float = Field(ge=0)
    whole_weight: float = Field(ge=0)
    part_weight: float = Field(ge=0)
    checkpoint_steps: PositiveInt
    trainer: TrainerParams
    seed: int = Field(ge=0)


class NegativesParams(Section):
    """How a negative set is made of a corpus; see `conf/negatives.yaml`."""

    corpus: str
    source: str
    licence: str
    backbone: BackboneParams
    size: int = Field(ge=32, le=1024)
    smoothing: float = Field(ge=0, le=1 / 3)
    out: str
    stored_size: int = Field(ge=32, le=512)
    photos: PositiveInt
    generated: int = Field(ge=0)
    axes: PositiveInt
    left_out: int = Field(ge=0)
    seed: int = Field(ge=0)


class ProposalsParams(Section):
    """How what proposes regions is trained on a corpus; see `conf/proposals.yaml`."""

    corpus: str
    source: str
    licence: str
    left_out: list[str]
    backbone: BackboneParams
    size: int = Field(ge=64, le=1024)
    strides: list[Literal[8, 16, 32]] = Field(min_length=1)
    width: int = Field(ge=16, le=256, multiple_of=8)
    out: str
    stored_size: int = Field(ge=32, le=512)
    photos: PositiveInt
    scenes: PositiveInt
    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    averaging: float = Field(ge=0, lt=1)
    seed: int = Field(ge=0)
