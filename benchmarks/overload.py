"""What the prediction service does at four times the load that it can take.

    python benchmarks/overload.py [--domain general_compact] [--seconds 20] [--times 4]

First the sustainable rate: 8 connections that each ask again once they are answered. Then requests at a
fixed rate, whatever comes back: on connections that stay open, and once more with a connection for each. The
time of a request counts from when it was due. Then 8 connections again. The load is made by one process that
runs before all others where it may (as root) and shares the cores with the service: what the service takes on
under load is too low by its share, which the table gives. Ends with 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from open_load import Load, Outcome, run_first
from serving_model import network_of, publish_models
from serving_processes import bentoml_command, running

MOST_P99 = 2.0
RECOVERY_SECONDS = 5
RECOVERED = 0.9
MOST_GROWTH = 1.1  # of the memory: the most in the second half of the load, to the most in the first


def main() -> None:
    options = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        publish_models(folder, network_of(options.domain))
        with running(["nice", "-n", "5", *bentoml_command()], folder, {}) as server:
            load = Load(server, _photo())
            run_first()
            missed = uvloop.run(_measure(load, options.times, options.seconds))
    for line in missed:
        print(f"Missed: {line}")
    sys.exit(1 if missed else 0)


async def _measure(load: Load, times: float, seconds: float) -> list[str]:
    await load.closed(2)
    usual = await load.closed(8)
    table = Table(
        title=f"8 connections: {usual.rate:.0f} requests/s, p99 {_percentile(usual.accepted):.3f} s"
    )
    for title in ("", "kept open", "one for each"):
        table.add_column(title, justify="right" if title else "left")
    rows: list[dict[str, str]] = []
    missed: list[str] = []
    for name, close in (("kept open", False), ("one for each", True)):
        outcome = await load.at_rate(times * usual.rate, seconds, close=close)
        after = [await load.closed(1) for _ in range(2 * RECOVERY_SECONDS)]
        rows.append(_figures(outcome, after, usual.rate))
        missed += [f"{name}: {line}" for line in _missed(outcome, after, usual.rate)]
    for key, first in rows[0].items():
        table.add_row(key, first, rows[1][key])
    Console(width=100).print(table)
    return missed


def _figures(outcome: Outcome, after: list[Outcome], usual: float) -> dict[str, str]:
    sent = len(outcome.late)
    first, second = _halves(outcome.memory)
    return {
        "sent, requests/s": f"{sent / outcome.seconds:.0f}",
        "sent after it was due, p99 s": f"{_percentile(outcome.late):.3f}",
        "the generator's share of a core": f"{outcome.share:.2f}",
        "answers": ", ".join(f"{code}: {count}" for code, count in sorted(outcome.codes.items()) if count),
        "200, requests/s": f"{outcome.rate:.0f} ({outcome.rate / usual:.2f} of 8 connections)",
        "200, p50 and p99 s": f"{_percentile(outcome.accepted, 50):.3f}, {_percentile(outcome.accepted):.3f}",
        "429, p50 and p99 s": f"{_percentile(outcome.shed, 50):.3f}, {_percentile(outcome.shed):.3f}",
        "memory MB: first, most in each half": f"{outcome.memory[0] >> 20}, {first >> 20}, {second >> 20}",
        "back at 0.9 with no 429 after s": str(_recovered(after, usual) or "never"),
        "8 connections from 5 s on": f"{_mean_rate(after[RECOVERY_SECONDS:]) / usual:.2f}",
    }


def _missed(outcome: Outcome, after: list[Outcome], usual: float) -> list[str]:
    first, second = _halves(outcome.memory)
    others = {code: count for code, count in outcome.codes.items() if count and code not in ("200", "429")}
    later = after[RECOVERY_SECONDS:]
    bounds = {
        f"other answers than 200 and 429: {others}": not others,
        "nothing was shed": bool(outcome.shed),
        f"{outcome.unhelpful} of the 429 have no Retry-After": not outcome.unhelpful,
        f"p99 of the 200s is not under {MOST_P99} s": _percentile(outcome.accepted) < MOST_P99,
        "memory grows": second <= MOST_GROWTH * first,
        f"no recovery within {RECOVERY_SECONDS} s": (_recovered(after, usual) or 99) <= RECOVERY_SECONDS,
        "too slow, or 429, after the recovery": _mean_rate(later) >= RECOVERED * usual
        and not any(one.shed for one in later),
    }
    return [text for text, kept in bounds.items() if not kept]


def _recovered(after: list[Outcome], usual: float) -> int | None:
    """The second after the load in which the usual rate is there, and nothing is shed."""
    fit = (one.rate >= RECOVERED * usual and set(one.codes) <= {"200", "no answer"} for one in after)
    return next((number for number, good in enumerate(fit, 1) if good), None)


def _mean_rate(outcomes: list[Outcome]) -> float:
    return sum(one.rate for one in outcomes) / len(outcomes)


def _halves(seen: list[int]) -> tuple[int, int]:
    middle = len(seen) // 2
    return max(seen[:middle]), max(seen[middle:])


def _percentile(values: list[float], percent: float = 99) -> float:
    return float(np.percentile(values, percent)) if values else float("nan")


def _photo() -> bytes:
    """Soft colours with the noise of a camera: 1260x900, about 190 KB."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (9, 13, 3)).astype(np.uint8)
    soft = cv2.resize(colours, (1260, 900), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(soft + rng.normal(0, 4, soft.shape), 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", default="general_compact", help="whose network is served")
    parser.add_argument("--seconds", type=float, default=20, help="of each load")
    parser.add_argument("--times", type=float, default=4, help="the sustainable rate")
    return parser.parse_args()


if __name__ == "__main__":
    main()
