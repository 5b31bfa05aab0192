"""What the networks of domains cost the prediction service, beside the bundled one at 160 px.

A service for each network, all started before; each takes its turn in every round: one client, then eight.
Ratios are of one round, and the table has their medians.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from serving_load import SIZES, Target, draw, our_service, route, wrk
from serving_model import BUNDLED, Network, publish_models
from serving_processes import memory, processes

ALONE, BUSY = 1, 8
PHOTO = "1260x900"

Round = dict[str, dict[int, dict[str, float]]]


def compare(networks: Sequence[Network], seconds: float, rounds: int) -> None:
    """Measure, and print a row for each network."""
    asked = [BUNDLED, *networks]
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        photo = draw(Path(scratch) / "photo.jpg", *SIZES[PHOTO])
        targets = [_served(stack, Path(scratch) / network.name, network) for network in asked]
        for target in targets:
            wrk(target, photo, BUSY, 1)  # every process loads its model
        found: list[Round] = []
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            found.append(
                {one.name: {n: wrk(one, photo, n, seconds) for n in (ALONE, BUSY)} for one in targets}
            )
        held = {one.name: max(memory(each.pid) for each in processes(one.pid)[1:]) for one in targets}
    _print(asked, found, held)


def _served(stack: ExitStack, folder: Path, network: Network) -> Target:
    publish_models(folder, network)
    server = stack.enter_context(our_service(folder))
    return Target(network.name, route(server), "imageData", server.pid)


def _measured(target: Target, photo: Path, seconds: float) -> dict[int, dict[str, float]]:
    return {count: wrk(target, photo, count, seconds) for count in (ALONE, BUSY)}


def _print(networks: Sequence[Network], rounds: Sequence[Round], held: dict[str, int]) -> None:
    table = Table(title=f"JPEG {PHOTO}; in brackets: times the bundled network, of the same round")
    for title in (
        "network",
        "p50 ms, 1",
        "p99 ms, 1",
        "requests/s, 8",
        "p99 ms, 8",
        "CPU ms, 8",
        "MB",
        "refused",
    ):
        table.add_column(title)
    cells = ((ALONE, "p50"), (ALONE, "p99"), (BUSY, "rate"), (BUSY, "p99"), (BUSY, "cpu"))
    for one in networks:
        row = [_cell(rounds, one.name, count, key) for count, key in cells]
        refused = sum(found[one.name][BUSY]["refused"] for found in rounds)
        title = f"{one.name}: {one.architecture}, {one.size} px"
        table.add_row(title, *row, f"{held[one.name] / 1e6:.0f}", f"{refused:.0f}")
    Console(width=150).print(table)


def _cell(rounds: Sequence[Round], name: str, connections: int, key: str) -> str:
    value = statistics.median(found[name][connections][key] for found in rounds)
    ratios = (found[name][connections][key] / found[BUNDLED.name][connections][key] for found in rounds)
    return f"{value:.1f} ({statistics.median(ratios):.2f})"
