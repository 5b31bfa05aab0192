"""What stated intervals and probabilities are worth on few photos: bias, coverage, calibration.

    python benchmarks/intervals.py DIR [DIR ...] --images 3 5 7 10 20 30 50 --draws 10 [--folds 5]
        [--kind multilabel] [--results FILE]

A DIR holds `train/<tag>/` and `test/<tag>/`. Each draw takes so many training photos a tag by chance and
trains by the quick recipe; its held-out figures are compared with those of the final model on the test
photos. For `multilabel` the last two tags are taken away, so that their photos have none, and a tag is added
that the photos of the first two tags and of the last have. Results are kept in a file and not measured again.

The table has, for each pack and number of photos a tag: draws; held-out minus test accuracy; draws whose 95 %
interval held the test accuracy; the interval's mean width; the expected calibration error on test photos, the
same by chance, simulated from the probabilities themselves, and their ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.evaluation.calibration import equal_mass, expected_calibration_error
from dahlia.evaluation.evaluation import evaluate
from dahlia.evaluation.judges import JUDGES
from dahlia.files import write_json
from dahlia.modeling.predictions import ClassPredictions
from dahlia.params import Params
from dahlia.training.recipes import TrainingData, train
from packs import divided, draw, survey

REPOSITORY = Path(__file__).parents[1]
SIMULATIONS = 300
KINDS = ("multiclass", "multilabel")
Row = dict[str, Any]


def overlapping(data: TrainingData) -> TrainingData:
    """Tags that may come together, and photos without any."""
    first, second, *_, last = data.truth.T
    truth = np.column_stack([data.truth[:, :-2], first | second | last])
    return replace(data, tags=(*data.tags[:-2], "several"), truth=truth)


def measure(data: TrainingData, params: Params, root: Path) -> Row:
    """Train, and compare what is stated with what the test photos say."""
    with contextlib.redirect_stdout(io.StringIO()):
        predictions = train(data, params, root).predictions
    evaluation = evaluate(predictions, params.evaluate, seed=0, negative_tag=None)
    stated, tested = evaluation.held_out.overall, evaluation.test
    assert tested is not None, "the pack has no test photos"
    return {
        "folds": evaluation.folds,
        "held_out": stated.accuracy.value,
        "low": stated.accuracy.low,
        "high": stated.accuracy.high,
        "test": tested.overall.accuracy.value,
        "ece": tested.calibration.after.ece,
        "chance": by_chance(predictions.test, params.evaluate.calibration_bins),
    }


def by_chance(predictions: ClassPredictions, bins: int) -> float:
    """The mean ECE of photos whose truth is drawn from the probabilities."""
    confidences, _ = JUDGES[predictions.kind].confidences(predictions.truth, predictions.probabilities)
    groups, chance = equal_mass(confidences, bins), np.random.default_rng(0)
    errors = [
        expected_calibration_error(confidences, chance.random(len(confidences)) < confidences, groups)
        for _ in range(SIMULATIONS)
    ]
    return mean(errors)


def table(rows: list[Row]) -> str:
    """In Markdown: a line per kind, pack and number of photos."""
    names = "photos", "a tag", "folds", "draws", "held-out minus test", "interval held", "width"
    lines = [[*names, "ECE", "chance", "ratio"]]
    lines.append(["---"] * len(lines[0]))
    for kind, pack, count in sorted({(row["kind"], row["pack"], row["images"]) for row in rows}):
        own = [row for row in rows if (row["kind"], row["pack"], row["images"]) == (kind, pack, count)]
        held = sum(row["low"] <= row["test"] <= row["high"] for row in own)
        ece, chance = mean(row["ece"] for row in own), mean(row["chance"] for row in own)
        lines.append(
            [
                pack if kind == "multiclass" else f"{pack}, multilabel",
                str(count),
                "/".join(map(str, sorted({row["folds"] for row in own}))),
                str(len(own)),
                f"{mean(row['held_out'] - row['test'] for row in own):+.3f}",
                f"{held} of {len(own)}",
                f"{mean(row['high'] - row['low'] for row in own):.2f}",
                f"{ece:.3f}",
                f"{chance:.3f}",
                f"{ece / chance:.1f}",
            ]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--images", nargs="+", type=int, default=[3, 5, 7, 10, 20, 30, 50])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--folds", default="auto")
    parser.add_argument("--kind", choices=KINDS, default="multiclass")
    parser.add_argument("--results", type=Path, default=Path(".dahlia/intervals.json"))
    options = parser.parse_args()
    overrides = [f"split.folds={options.folds}", f"project.classification={options.kind}"]
    params = check_params(compose(REPOSITORY, overrides), "conf/")
    kept: list[Row] = json.loads(options.results.read_text()) if options.results.exists() else []
    known = {(row["kind"], row["pack"], row["images"], row["draw"]) for row in kept}
    with tempfile.TemporaryDirectory() as folder:
        for pack in options.packs:
            workspace = Path(folder) / pack.name
            records = survey(pack, workspace, params)
            for count in options.images:
                for seed in range(options.draws):
                    if (options.kind, pack.name, count, seed) in known:
                        continue
                    data = divided(draw(records, count, seed), params, seed)
                    data = overlapping(data) if options.kind == "multilabel" else data
                    row = {"kind": options.kind, "pack": pack.name, "images": count, "draw": seed}
                    kept.append(row | measure(data, params, workspace))
                    print(kept[-1], flush=True)
                    write_json(options.results, kept)
    print(table(kept))


if __name__ == "__main__":
    main()
