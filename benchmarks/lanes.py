"""A short training and an export while an Advanced training runs, and predictions meanwhile.

    python benchmarks/lanes.py [--patience 120]

Each row is a server of its own: with nothing else to do; with one worker for all jobs, as before there were
lanes; with lanes; and with lanes whose long work does not yield. What has not ended after `--patience`
seconds is told as more than that. Memory is that of workers and all that they started, shared pages once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import psutil  # type: ignore[import-untyped]
import requests
from rich.console import Console
from rich.table import Table

from server_process import Running, running_server

ROWS: dict[str, tuple[dict[str, str], bool]] = {
    "nothing else runs": ({}, False),
    "one worker for all jobs": ({"DAHLIA_JOBS_LONG_WORKERS": "0"}, True),
    "lanes": ({"DAHLIA_JOBS_LONG_WORKERS": "1"}, True),
    "lanes, long work does not yield": (
        {"DAHLIA_JOBS_LONG_WORKERS": "1", "DAHLIA_JOBS_LONG_NICENESS": "0"},
        True,
    ),
}
PHOTOS = 50
PREDICTIONS = 100
SETTLING = 30.0  # seconds, in which the Advanced training comes to its main part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patience", type=float, default=120, help="seconds")
    patience = parser.parse_args().patience
    columns = ("", "export s", "training s", "prediction ms: p50, p95", "workers MB: idle, busy")
    table = Table(*columns, title="While an Advanced training runs")
    for name, (settings, busy) in ROWS.items():
        with running_server("sqlite", workers=1, **settings) as server:
            table.add_row(name, *measured(server, busy, patience))
        Console(width=120).print(table)


def measured(server: Running, busy: bool, patience: float) -> list[str]:
    """The cells of a row."""
    trainer = server.trainer()
    first, second, third = (new_project(trainer, number) for number in range(3))
    trained = trainer.train_project(first)
    until(lambda: trainer.get_iteration(first, trained.id).status == "Completed", 600)
    trainer.publish_iteration(first, trained.id, "live", "any")
    idle = memory(server)
    if busy:
        trainer.train_project(second, training_type="Advanced", reserved_budget_in_hours=1)
        time.sleep(SETTLING)
    times = predictions(server, first)
    used = memory(server)
    trainer.export_iteration(first, trained.id, "ONNX")
    export = until(lambda: trainer.get_exports(first, trained.id)[0].status == "Done", patience)
    quick = trainer.train_project(third)
    training = until(lambda: trainer.get_iteration(third, quick.id).status == "Completed", patience)
    p95 = statistics.quantiles(times, n=20)[-1]
    return [export, training, f"{statistics.median(times):.0f}, {p95:.0f}", f"{idle}, {used}"]


def new_project(trainer: Any, seed: int) -> str:
    """A project with two tags of 50 photos; its id."""
    project = trainer.create_project(f"Lanes {seed}", domain_id=compact(trainer))
    for number, name in enumerate(("red", "blue")):
        tag = trainer.create_tag(project.id, name)
        for image in range(PHOTOS):
            trainer.create_images_from_data(project.id, photo(1000 * number + image, number), [tag.id])
    return str(project.id)


def compact(trainer: Any) -> str:
    """The id of a domain that can be exported."""
    return str(next(one.id for one in trainer.get_domains() if one.name == "General (compact)"))


def photo(seed: int, colour: int) -> bytes:
    """A JPEG of a colour, with noise."""
    image = np.random.default_rng(seed).integers(0, 120, (240, 320, 3), np.uint8)
    image[..., 2 if colour else 0] += 120
    return cv2.imencode(".jpg", image)[1].tobytes()


def until(holds: Callable[[], bool], patience: float) -> str:
    """Seconds until something holds, as text."""
    began = time.perf_counter()
    while time.perf_counter() - began < patience:
        if holds():
            return f"{time.perf_counter() - began:.1f}"
        time.sleep(0.1)
    return f"> {patience:.0f}"


def predictions(server: Running, project: str) -> list[float]:
    """Milliseconds of predictions, one after the other."""
    path = f"/customvision/v3.0/prediction/{project}/classify/iterations/live/image/nostore"
    times, body = [], photo(7, 0)
    with requests.Session() as session:
        for _ in range(PREDICTIONS):
            began = time.perf_counter()
            headers = {"Prediction-Key": server.key, "Content-Type": "application/octet-stream"}
            answer = session.post(server.address + path, data=body, headers=headers, timeout=60)
            answer.raise_for_status()
            times.append(1000 * (time.perf_counter() - began))
    return times[5:]


def memory(server: Running) -> int:
    """Megabytes of all processes that the server started."""
    total = 0
    for process in server.process.children(recursive=True):
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total // 1_000_000


if __name__ == "__main__":
    main()
