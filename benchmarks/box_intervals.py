"""Do the stated intervals of mean average precision hold, on simulated boxes?

    python benchmarks/box_intervals.py [--photos 15 40 100 300] [--boxes 1 4 12] [--draws 60]

Each draw simulates a detector on so many held-out photos in three folds, and on as many fresh ones. Photos
differ in how hard they are, so boxes of one photo go wrong together. The table has, for each setting: the
mean average precision at an overlap of 0.5 that the process has (of 1,500 photos); how many of the 95 %
intervals held it, and how many held that of the fresh photos, which varies as much itself; and their mean
width.

Simulated folds see photos that are independent of each other; folds of a real training share most of what
they learned from.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.progress import track
from rich.table import Table

from dahlia.evaluation.detection.average_precision import mean_average_precision
from dahlia.evaluation.detection.evaluation import evaluate_detector
from dahlia.evaluation.detection.matching import tabulated
from dahlia.params import EvaluateParams

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from generated_boxes import generated

PARAMS = EvaluateParams(
    threshold=0.5, confidence=0.95, bootstrap_samples=200, calibration_bins=10, worst_images=1
)
DETECTORS = ((3.0, 0.5), (1.5, 1.0), (0.0, 1.0))  # how sure and exact, and how much photos differ
CLUTTER = 8
OVERLAP = 0.5


def measured(photos: int, boxes: float, skill: float, hard: float, draws: int) -> tuple[str, ...]:
    """A row of the table."""
    settings = {"per_photo": boxes, "skill": skill, "hard": hard, "clutter": CLUTTER}
    process = mean_average_precision(tabulated(generated(1500, seed=99, **settings)), OVERLAP) or 0.0
    held, held_fresh, widths = [], [], []
    for seed in range(draws):
        predictions = generated(photos, test=photos, seed=1000 + seed, **settings)
        estimate = evaluate_detector(predictions, PARAMS, seed=0).held_out.overall.map50
        fresh = mean_average_precision(tabulated(predictions.test), OVERLAP)
        if estimate.low is None or estimate.high is None or fresh is None:
            continue
        held.append(estimate.low <= process <= estimate.high)
        held_fresh.append(estimate.low <= fresh <= estimate.high)
        widths.append(estimate.high - estimate.low)
    return (
        str(photos),
        f"{boxes:g}",
        f"{process:.2f}",
        f"{mean(held):.2f}",
        f"{mean(held_fresh):.2f}",
        f"{mean(widths):.2f}",
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, nargs="+", default=[15, 40, 100, 300])
    parser.add_argument("--boxes", type=float, nargs="+", default=[1, 4, 12])
    parser.add_argument("--draws", type=int, default=60)
    chosen = parser.parse_args()
    settings = [
        (photos, boxes, *detector)
        for boxes in chosen.boxes
        for photos in chosen.photos
        for detector in DETECTORS
    ]
    table = Table("photos", "boxes", "mAP", "held", "held fresh", "width", box=None)
    for each in track(settings, description="simulating"):
        table.add_row(*measured(*each, chosen.draws))
    Console().print(table)


if __name__ == "__main__":
    main()
