"""`history.csv`: how a training went, for curves."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from dahlia.files import staged_file


def save_history(path: Path, history: Sequence[dict[str, float]]) -> None:
    """Write rows of numbers in the order in which they were measured; the first column counts them."""
    with staged_file(path) as staged, staged.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["step", *history[0]])
        writer.writeheader()
        writer.writerows({"step": step, **row} for step, row in enumerate(history))
