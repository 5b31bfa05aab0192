"""What `benchmarks/fewshot.py` compares: each method learns from a draw and answers for its test photos."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from dahlia.dataset.imaging import load, to_tensor_layout
from dahlia.evaluation.evaluation import evaluate
from dahlia.modeling.backbones import load_backbone
from dahlia.params import Params
from dahlia.training.feature_cache import FeatureCache
from dahlia.training.features import extract_features
from dahlia.training.quick import train_quick
from dahlia.training.recipes import TrainingData, train
from dahlia_pretraining.teacher import MOBILENET_V1, load_teacher

EPOCHS, RATE, BATCH = 20, 1e-3, 16
TEACHER_SIZE = 160
_TAUGHT: dict[tuple[str, bool], npt.NDArray[np.float32]] = {}


@dataclass(frozen=True)
class Outcome:
    """What a method gave on one draw.

    Attributes:
        test: share of the untouched photos that are right.
        seconds: of training, features known where it uses them.
        held_out: share of held-out training photos that are right, where the method has any.
        low: lower end of the stated 95 % interval of `held_out`.
        high: its upper end.
        ece: expected calibration error of the held-out probabilities.
        test_ece: the same of the untouched photos.
        test_ece_by_chance: what a perfectly calibrated model would show on so many.
        recipe: which one was kept, quick or advanced.
    """

    test: float
    seconds: float
    held_out: float | None = None
    low: float | None = None
    high: float | None = None
    ece: float | None = None
    test_ece: float | None = None
    test_ece_by_chance: float | None = None
    recipe: str | None = None

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None}


Method = Callable[[TrainingData, Params, Path], Outcome]


def ours(data: TrainingData, params: Params, root: Path) -> Outcome:
    """The product's own training, by the recipe of `params`; seconds without the features."""
    features(data, params, root)
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        trained = train(data, params, root)
    seconds = time.perf_counter() - start
    predictions = trained.predictions
    untouched = ~data.training
    chosen = predictions.probabilities.argmax(1) == predictions.truth.argmax(1)
    evaluation = evaluate(predictions, params.evaluate, seed=0, negative_tag=None)
    judged, tested = evaluation.held_out, evaluation.test
    return Outcome(
        test=float(chosen[untouched].mean()) if untouched.any() else float(chosen.mean()),
        seconds=seconds,
        held_out=judged.overall.accuracy.value,
        low=judged.overall.accuracy.low,
        high=judged.overall.accuracy.high,
        ece=judged.calibration.after.ece,
        test_ece=None if tested is None else tested.calibration.after.ece,
        test_ece_by_chance=None if tested is None else tested.calibration.after.ece_by_chance,
        recipe=trained.recipe,
    )


def scikit_learn(data: TrainingData, params: Params, root: Path) -> Outcome:
    """Logistic regression with cross-validated C on the same features, standardised."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import LeaveOneOut, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    plain = features(data, params, root)
    learned, answers = data.training, data.truth.argmax(1)
    model = make_pipeline(
        StandardScaler(), LogisticRegressionCV(Cs=np.logspace(-5, 1, 7), cv=5, max_iter=300)
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if learned.all():
            test = float(cross_val_score(model, plain, answers, cv=LeaveOneOut()).mean())
        else:
            model.fit(plain[learned], answers[learned])
            test = float(model.score(plain[~learned], answers[~learned]))
    return Outcome(test, time.perf_counter() - start)


def plain_fine_tune(data: TrainingData, params: Params, root: Path) -> Outcome:
    """A new head, AdamW on all layers, mirrored and cropped photos, no validation: the usual first script."""
    torch.manual_seed(0)
    size = params.domain.input.size
    pixels = [load((root / record.path).read_bytes(), round(size * 1.15)) for record in data.records]
    answers = torch.from_numpy(data.truth.argmax(1))
    learned = np.flatnonzero(data.training)
    backbone = load_backbone(params.domain.backbone.architecture, params.domain.backbone.weights)
    model = nn.Sequential(backbone, nn.Linear(backbone.features, len(data.tags)))
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    chance = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(EPOCHS):
        model.train()
        for rows in np.array_split(chance.permutation(learned), max(1, len(learned) // BATCH)):
            batch = torch.from_numpy(to_tensor_layout([_cropped(pixels[row], size, chance) for row in rows]))
            loss = nn.functional.cross_entropy(model(batch), answers[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    model.eval()
    untouched = np.flatnonzero(~data.training)
    right = []
    with torch.inference_mode():
        for rows in np.array_split(untouched, max(1, len(untouched) // 32)):
            middle = [load((root / data.records[row].path).read_bytes(), size) for row in rows]
            right.append(model(torch.from_numpy(to_tensor_layout(middle))).argmax(1) == answers[rows])
    return Outcome(float(torch.cat(right).float().mean()), time.perf_counter() - start)


def teacher_features(data: TrainingData, params: Params, root: Path, *, weights: Path) -> Outcome:
    """Our heads on what a MobileNet 1.0 sees at 160 px: means of its last two maps, each of unit length."""
    plain, mirror = (_taught(data, root, weights, mirrored).astype(np.float32) for mirrored in (False, True))
    learned, answers = data.training, data.truth.argmax(1)
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        head = train_quick(
            [plain[learned], mirror[learned]],
            data.truth[learned],
            data.folds[learned],
            kind="multiclass",
            strengths=params.training.regularisation,
            max_iterations=params.training.max_iterations,
        )
    seconds = time.perf_counter() - start
    chosen = (plain[~learned] @ head.weight.numpy() + head.bias.numpy()).argmax(1)
    return Outcome(float((chosen == answers[~learned]).mean()), seconds)


def _taught(data: TrainingData, root: Path, weights: Path, mirrored: bool) -> npt.NDArray[np.float32]:
    teacher = load_teacher(MOBILENET_V1, str(weights))
    found = []
    with torch.inference_mode():
        for record in data.records:
            if (record.id, mirrored) not in _TAUGHT:
                pixels = load((root / record.path).read_bytes(), TEACHER_SIZE)
                pixels = np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
                maps = teacher(torch.from_numpy(to_tensor_layout([pixels])) / 255).mean((2, 3))
                parts = [nn.functional.normalize(part, dim=1) for part in maps.split((512, 1024), 1)]
                _TAUGHT[record.id, mirrored] = torch.cat(parts, 1)[0].numpy()
            found.append(_TAUGHT[record.id, mirrored])
    return np.stack(found)


def features(data: TrainingData, params: Params, root: Path) -> npt.NDArray[np.float32]:
    """The plain view's features (N, D), from the cache where it has them."""
    domain = params.domain
    backbone = load_backbone(domain.backbone.architecture, domain.backbone.weights, domain.input.smoothing)
    size = params.domain.input.size
    learned = data.where(data.training)
    return extract_features(
        {"plain": data.records, **dict.fromkeys(params.domain.recipe.views[1:], learned)},
        root=root,
        backbone=backbone,
        size=size,
        cache=FeatureCache(root / ".dahlia/features", backbone.fingerprint, size),
        graphs=root / ".dahlia/graphs",
        batch_size=params.training.batch_size,
        trainer=params.trainer,
    )["plain"]


def _cropped(image: npt.NDArray[np.uint8], size: int, chance: np.random.Generator) -> npt.NDArray[np.uint8]:
    top, left = chance.integers(0, image.shape[0] - size + 1, 2)
    crop = image[top : top + size, left : left + size]
    return np.ascontiguousarray(crop[:, ::-1] if chance.random() < 0.5 else crop)
