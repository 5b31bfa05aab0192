"""Accuracy on photo sets with a test half that no part of training or selection sees.

    python benchmarks/accuracy.py DIR [DIR ...] --images 10 30 50 --draws 3

A DIR holds `train/<tag>/` and `test/<tag>/`. For each number of images a tag, and each draw, the quick recipe
of the shipped default domain is trained on a random choice of the training photos. The table shows what the
folds say (with the stated 95 % interval), what the untouched photos say, and the same for scikit-learn's
logistic regression with cross-validated C on the same features, standardised. Accuracies are means over the
draws with their range; seconds are of training alone, features known.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.duplicates import near_duplicate_groups
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.merging import merge_copies
from dahlia.dataset.readers import read
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.splitting import assign_folds
from dahlia.evaluation.evaluation import evaluate
from dahlia.modeling.backbones import load_backbone
from dahlia.modeling.predictions import Predictions
from dahlia.params import Params
from dahlia.training.data import TrainingData, gather
from dahlia.training.feature_cache import FeatureCache
from dahlia.training.features import extract_features
from dahlia.training.quick import train_quick

REPOSITORY = Path(__file__).parents[1]
Features = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Draw:
    """What one draw gave; accuracies are shares of photos."""

    held_out: float
    covered: bool
    test: float
    peer: float
    seconds: float
    peer_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--images", nargs="+", type=int, default=[10, 30, 50])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path(".dahlia/features"))
    options = parser.parse_args()
    params = check_params(compose(REPOSITORY), "conf/")
    table = Table(
        "photos",
        "a tag",
        "held out",
        "95 % holds",
        "test",
        "scikit-learn",
        "seconds",
        "its seconds",
        box=None,
    )
    for pack in options.packs:
        records = survey(pack, params)
        features = featurise(records, pack, params, options.cache)
        for count in options.images:
            draws = [measure(records, features, count, seed, params) for seed in range(options.draws)]
            table.add_row(pack.name, str(count), *row(draws))
    Console(width=110).print(table)


def survey(pack: Path, params: Params) -> list[ImageRecord]:
    rows = list(inspect_all(read(pack.resolve()), pack.resolve(), max_bytes=params.validate_.max_bytes))
    return merge_copies(rows)


def featurise(records: list[ImageRecord], pack: Path, params: Params, cache: Path) -> Features:
    backbone = load_backbone(params.domain.backbone.architecture, params.domain.backbone.weights)
    size = params.domain.input.size
    return extract_features(
        sorted(records, key=lambda record: record.id),
        params.domain.recipe.views,
        root=pack.resolve(),
        backbone=backbone,
        size=size,
        cache=FeatureCache(cache, backbone.fingerprint, size),
        batch_size=params.training.batch_size,
    )


def measure(records: list[ImageRecord], features: Features, count: int, seed: int, params: Params) -> Draw:
    drawn = draw(records, count, seed)
    groups = near_duplicate_groups([record.phash for record in drawn], params.validate_.near_duplicate_bits)
    folds = assign_folds(drawn, groups.tolist(), params.split.folds, seed, {})
    data = gather(drawn, folds, classification="multiclass", negative_tag=None)
    order = {record.id: row for row, record in enumerate(sorted(records, key=lambda record: record.id))}
    rows = np.array([order[record.id] for record in data.records])
    views = [view[rows] for view in features.values()]
    learned = data.training
    start = time.perf_counter()
    result = train_quick(
        [view[learned] for view in views],
        data.truth[learned],
        data.folds[learned],
        classification="multiclass",
        strengths=params.training.regularisation,
        max_iterations=params.training.max_iterations,
    )
    seconds = time.perf_counter() - start
    untouched = views[0][~learned]
    chosen = (untouched @ result.weight.numpy() + result.bias.numpy()).argmax(1)
    test = float((chosen == data.truth[~learned].argmax(1)).mean())
    stated = accuracy(data, result.probabilities, result.uncalibrated, params)
    peer, peer_seconds = scikit_learn(views, data)
    return Draw(stated[0], stated[1] <= test <= stated[2], test, peer, seconds, peer_seconds)


def draw(records: Sequence[ImageRecord], count: int, seed: int) -> list[ImageRecord]:
    rng = np.random.default_rng(seed)
    chosen = [record for record in records if record.subset == "test"]
    for tag in sorted({tag for record in records for tag in record.tags}):
        own = sorted((r for r in records if r.tags == (tag,) and r.subset == "train"), key=lambda r: r.id)
        chosen += [own[pick] for pick in rng.permutation(len(own))[:count]]
    return chosen


def accuracy(
    data: TrainingData,
    probabilities: npt.NDArray[np.float64],
    uncalibrated: npt.NDArray[np.float64],
    params: Params,
) -> tuple[float, float, float]:
    learned = data.training
    predictions = Predictions(
        ids=tuple(record.id for record in data.where(learned)),
        tags=data.tags,
        classification="multiclass",
        fold=data.folds[learned],
        truth=data.truth[learned],
        probabilities=probabilities,
        uncalibrated=uncalibrated,
    )
    figure = evaluate(predictions, params.evaluate, seed=0, negative_tag=None).held_out.overall.accuracy
    return figure.value or 0.0, figure.low or 0.0, figure.high or 1.0


def scikit_learn(views: list[npt.NDArray[np.float32]], data: TrainingData) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learned, answers = data.training, data.truth.argmax(1)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(
            StandardScaler(), LogisticRegressionCV(Cs=np.logspace(-5, 1, 7), cv=5, max_iter=300)
        ).fit(views[0][learned], answers[learned])
    return float(model.score(views[0][~learned], answers[~learned])), time.perf_counter() - start


def row(draws: list[Draw]) -> list[str]:
    return [
        spread([draw.held_out for draw in draws]),
        f"{sum(draw.covered for draw in draws)} of {len(draws)}",
        spread([draw.test for draw in draws]),
        spread([draw.peer for draw in draws]),
        f"{mean(draw.seconds for draw in draws):.1f}",
        f"{mean(draw.peer_seconds for draw in draws):.1f}",
    ]


def spread(values: list[float]) -> str:
    return f"{mean(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


if __name__ == "__main__":
    main()
