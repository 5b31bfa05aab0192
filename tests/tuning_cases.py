"""Small cases of fine-tuning: parameters, photos, and a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dahlia.config import check_params
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.classifier import Classifier
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.params import FineTuningParams, Params, TrainerParams
from dahlia.training.advanced import AdvancedResult
from dahlia.training.fine_tuning.tuning_data import TuningData
from dahlia.training.quick import QuickResult
from small_projects import SIZE, SmallProject

TRAINER = TrainerParams()
TUNING = FineTuningParams(
    budget_minutes=600.0,  # a busy machine decides nothing
    frozen_stages=0,
    views=3,
    max_epochs=2,
    patience=3,
    learning_rate=1e-3,
    layer_decay=0.75,
    weight_decay=0.05,
    label_smoothing=0.1,
    averaging=0.5,
    interpolation=0.8,
    mixup=0.2,
    cutmix=1.0,
    mixing=0.5,
    balancing=0.5,
)


def tuning(**changes: Any) -> FineTuningParams:
    return TUNING.model_copy(update=changes)


def with_tuning(params: Params, **changes: Any) -> Params:
    values = params.model_dump(by_alias=True)
    fine_tuning = TUNING.model_dump() | changes
    values["training"] |= {"recipe": "advanced", "fine_tuning": fine_tuning}
    return check_params(values, "params.yaml")


def tuning_data(project: SmallProject, *, batch_size: int = 8) -> TuningData:
    tags = sorted({tag for record in project.records for tag in record.tags})
    return TuningData(
        ids=[record.id for record in project.records],
        paths=[project.root / record.path for record in project.records],
        truth=np.array([[tag in record.tags for tag in tags] for record in project.records], bool),
        augmentation=["mirror"],
        size=SIZE,
        batch_size=batch_size,
        seed=0,
    )


@dataclass
class Case:
    """What `train_advanced` is given."""

    start: Classifier
    quick: QuickResult
    data: TuningData
    folds: npt.NDArray[np.int32]

    @property
    def arguments(self) -> tuple[Classifier, QuickResult, TuningData, npt.NDArray[np.int32]]:
        return self.start, self.quick, self.data, self.folds


def make_case(
    project: SmallProject, backbone: Backbone, *, folds: int = 3, classification: str = "multiclass"
) -> Case:
    """A quick head that knows nothing, so that whatever is learned is better."""
    data = tuning_data(project)
    tags = data.truth.shape[1]
    head = torch.zeros(backbone.features, tags), torch.zeros(tags)
    nothing = LIKELIHOODS[classification].probabilities(np.zeros(data.truth.shape))
    quick = QuickResult(
        weight=head[0],
        bias=head[1],
        temperature=1.0,
        strength=1e-3,
        probabilities=nothing,
        uncalibrated=nothing,
        fold_heads=dict.fromkeys(range(folds), head),
        search=[(1e-3, 1.0)],
    )
    return Case(
        Classifier(backbone, tags, classification).eval(),
        quick,
        data,
        np.arange(len(data.ids), dtype=np.int32) % folds,
    )


@dataclass
class Machine:
    """A clock that moves by `seconds` per photo trained; `seconds` may be changed on the way."""

    seconds: float = 0.01
    now: float = 1000.0
    photos: int = 0
    change: Callable[[Machine], None] | None = None

    def __call__(self) -> float:
        return self.now

    def work(self, photos: int) -> None:
        self.photos += photos
        if self.change is not None:
            self.change(self)
        self.now += self.seconds * photos


def states(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def same(one: AdvancedResult, two: AdvancedResult) -> bool:
    weights = two.model.state_dict()
    return (
        np.array_equal(one.probabilities, two.probabilities)
        and (one.epochs, one.temperature) == (two.epochs, two.temperature)
        and all(torch.equal(value, weights[name]) for name, value in one.model.state_dict().items())
    )


def finished(result: AdvancedResult | None) -> AdvancedResult:
    assert result is not None
    return result
