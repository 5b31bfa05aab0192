"""What fitting costs beside busy programs: heads in threads of their own, torch's threads, scikit-learn.

Each row is a process, so that OpenMP reads its variables; rounds alternate. Run:
`python benchmarks/busy_heads.py --tags 10 --photos 50 --size 2240 --busy 0 2 4`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Any

# Before `fit_heads` took threads of its own: torch's, which spin or sleep while they wait.
WAYS: dict[str, dict[str, str]] = {
    "ours": {},
    "torch's, spinning": {"OMP_WAIT_POLICY": "ACTIVE"},
    "torch's, sleeping": {"OMP_WAIT_POLICY": "PASSIVE"},
    "scikit-learn": {},
}
_LOOP = "while True: pass"
_STRENGTH, _FOLDS, _VIEWS = 1e-4, 5, 4


def fit(way: str, tags: int, photos: int, size: int) -> tuple[float, float]:
    """Seconds of the wall and of the processor for 16 heads on clusters of random features."""
    import contextlib
    from itertools import combinations

    import torch
    from sklearn.linear_model import LogisticRegression

    from dahlia.training import heads
    from dahlia.training.heads import HeadProblems, fit_heads

    torch.manual_seed(0)
    tag = torch.arange(tags * photos * _VIEWS) % tags
    features = torch.randn(len(tag), size) + 0.3 * torch.randn(tags, size)[tag]
    features = torch.nn.functional.normalize(features.relu(), dim=1)
    folds = torch.arange(len(tag)) // tags % _FOLDS
    parts = range(_FOLDS)
    left_out: list[tuple[int, ...]] = [(), *((part,) for part in parts), *combinations(parts, 2)]
    rows = torch.stack([~torch.isin(folds, torch.tensor(out)) for out in left_out])
    if way.startswith("torch's"):
        changed: Any = heads
        changed.one_thread = contextlib.nullcontext
        changed.in_threads = lambda make, given, *_: map(make, given)
        changed._heads_at_once = lambda *_: 16
        changed.principal_axes = changed.principal_axes.__wrapped__
    wall, processor = time.perf_counter(), time.process_time()
    if way == "scikit-learn":
        for row in rows.numpy():
            model = LogisticRegression(C=1 / (row.sum() * _STRENGTH), tol=1e-4, max_iter=60)
            model.fit(features.numpy()[row], tag.numpy()[row])
    else:
        problems = HeadProblems(features, torch.eye(tags)[tag], rows, "multiclass")
        fit_heads(problems, [_STRENGTH], max_iterations=60)
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Print a line for each number of busy programs and each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("tags", 10), ("photos", 50), ("size", 2240), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 2, 4])
    parser.add_argument("--way", choices=WAYS)
    options = parser.parse_args()
    if options.way:
        print(*fit(options.way, options.tags, options.photos, options.size))
        return
    for busy in options.busy:
        loops = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(busy)]
        best: dict[str, tuple[float, float]] = {}
        try:
            for _ in range(options.rounds):
                for way, variables in WAYS.items():
                    command = [sys.executable, *sys.argv, "--way", way]
                    environment = os.environ | variables
                    told = subprocess.run(
                        command, env=environment, check=True, capture_output=True, text=True
                    )
                    wall, processor = map(float, told.stdout.split())
                    best[way] = min(best.get(way, (wall, processor)), (wall, processor))
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
        wall, processor = best["ours"]
        for way, (its_wall, its_processor) in best.items():
            print(
                f"{busy} busy, {way}: {its_wall:.2f} s, processor {its_processor:.2f} s; of ours "
                f"{its_wall / wall:.2f}, processor {its_processor / processor:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
