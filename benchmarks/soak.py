"""Minutes of mixed traffic on the prediction service, while iterations are published.

    python benchmarks/soak.py [--minutes 10]

A project with two iterations in a registry is served. Clients classify images and URLs, with and without
keeping them, by every route; send what is no image, names and keys that are wrong, bodies that come slowly,
and leave in the middle. Every 20 s a name moves to the other iteration. No good request may fail, a publish
is seen within 5 s, every prediction that is to be kept is kept, and memory and open files of each worker stay
flat: lines are fitted through the last two thirds. Ends with 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import importlib
import random
import re
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from dahlia.tracking.record import record
from dahlia.tracking.registry import Registry
from serving_processes import Running, bentoml_command, own_memory, processes, running
from soak_clients import KEY, NAME, Client, Seen, bad_requests, good_requests

TESTS = Path(__file__).parents[1] / "tests"
CLIENTS = 4
RUDE_CLIENTS = 3
PUBLISH_SECONDS = 20.0
SEEN_SECONDS = 5.0
MOST_MEMORY = 1.0  # MB a minute in a worker
MOST_FILES = 1.0  # a minute in a worker

_SAMPLE_SECONDS = 5.0


@dataclass
class Watched:
    """What was measured meanwhile.

    Attributes:
        moments: seconds since the start.
        memory: MB of each worker at these.
        files: open files of each worker at these.
        moved: before and after the name was moved, and to which iteration's id.
    """

    moments: list[float] = field(default_factory=list)
    memory: list[list[float]] = field(default_factory=list)
    files: list[list[int]] = field(default_factory=list)
    moved: list[tuple[float, float, str]] = field(default_factory=list)

    def rise(self, values: list[list[Any]]) -> list[float]:
        """What each worker takes more of in a minute, by the last two thirds."""
        late = len(self.moments) // 3
        minutes = np.array(self.moments[late:]) / 60
        return [float(np.polyfit(minutes, column, 1)[0]) for column in np.array(values[late:]).T]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    seconds = 60 * parser.parse_args().minutes
    sys.path[:0] = [str(TESTS), str(TESTS / "tracking")]
    project, web = importlib.import_module("fake_project"), importlib.import_module("photo_server")
    photo = draw()
    with tempfile.TemporaryDirectory() as scratch, web.photo_server(photo) as photos:
        registry = make_project(Path(scratch), project.write_project)
        environment = {"DAHLIA_URL_FETCH": "any", "DAHLIA_PREDICTION_KEY": KEY}
        with running(bentoml_command(), registry.root, environment) as server:
            good, bad = (make(photo, photos.base) for make in (good_requests, bad_requests))
            seen, watched = Seen(), Watched()
            soak(server, registry, seconds, seen, watched, good, bad)
            rows = figures(server, registry.root, seen, watched)
        missed = judge(rows, seen, watched)
    report(rows, seen)
    for line in missed:
        print(f"Missed: {line}")
    sys.exit(1 if missed else 0)


def make_project(root: Path, write_project: Callable[..., Any]) -> Registry:
    """A project with two iterations, the first of them published."""
    record(root, write_project(root))
    params = write_project(root, favourite=1)
    record(root, params)
    registry = Registry.of(root, params)
    registry.publish(1, NAME)
    return registry


def soak(
    server: Running,
    registry: Registry,
    seconds: float,
    seen: Seen,
    watched: Watched,
    good: list[Any],
    bad: list[Any],
) -> None:
    """Ask, publish and measure for so long."""
    stop = threading.Event()
    clients = [Client(server.base, seen, stop, seed) for seed in range(CLIENTS + RUDE_CLIENTS)]
    threads = [threading.Thread(target=one.run, args=(good, bad)) for one in clients[:CLIENTS]]
    threads += [threading.Thread(target=one.misbehave, args=(good,)) for one in clients[CLIENTS:]]
    threads.append(threading.Thread(target=publish, args=(registry, stop, watched)))
    began = time.monotonic()
    for thread in threads:
        thread.start()
    while time.monotonic() < began + seconds:
        watched.moments.append(time.monotonic() - began)
        workers = [process.pid for process in processes(server.pid)[1:]]
        watched.memory.append([own_memory(pid) / 1e6 for pid in workers])
        watched.files.append([psutil.Process(pid).num_fds() for pid in workers])
        time.sleep(_SAMPLE_SECONDS)
    stop.set()
    for thread in threads:
        thread.join()


def publish(registry: Registry, stop: threading.Event, watched: Watched) -> None:
    """Move the name to and fro."""
    number = 1
    while not stop.wait(PUBLISH_SECONDS):
        number = 3 - number
        began = time.monotonic()
        registry.publish(number, NAME)
        watched.moved.append((began, time.monotonic(), registry.get(number).id))


def figures(server: Running, root: Path, seen: Seen, watched: Watched) -> dict[str, str]:
    """What the table shows below the requests."""
    stored, not_stored = (metric(server, name) for name in ("stored", "not_stored"))
    segments = list((root / ".dahlia" / "predictions").iterdir())
    size = sum(path.stat().st_size for path in segments)
    first, last = watched.memory[len(watched.memory) // 3], watched.memory[-1]
    return {
        "workers' memory MB, after a third": ", ".join(f"{one:.0f}" for one in first),
        "workers' memory MB, at the end": ", ".join(f"{one:.0f}" for one in last),
        "workers' memory MB/min": ", ".join(f"{one:+.2f}" for one in watched.rise(watched.memory)),
        "workers' open files, at the end": ", ".join(map(str, watched.files[-1])),
        "workers' open files/min": ", ".join(f"{one:+.2f}" for one in watched.rise(watched.files)),
        "publishes": str(len(watched.moved)),
        "publish seen, at worst after s": f"{worst_publish(seen, watched):.1f}",
        "kept, counted by the clients": str(seen.kept),
        "kept, counted by the service": f"{stored:.0f}",
        "not kept": f"{not_stored:.0f}",
        "store": f"{size / 1e6:.1f} MB in {len(segments)} segments",
        "log": f"{server.log.stat().st_size / 1e6:.1f} MB",
    }


def worst_publish(seen: Seen, watched: Watched) -> float:
    """Seconds from a publish until the last answer of the iteration before was asked for."""
    worst = 0.0
    ends = [began for began, *_ in watched.moved[1:]]
    for (_, moved, identity), end in zip(watched.moved, [*ends, float("inf")], strict=True):
        old = (sent for sent, given, one in seen.answers if moved < sent and given < end and one != identity)
        worst = max(worst, max(old, default=moved) - moved)
    return worst


def metric(server: Running, name: str) -> float:
    """A counter of predictions, of all workers and names."""
    with urllib.request.urlopen(f"{server.base}/metrics", timeout=30) as response:
        text = response.read().decode()
    found = re.findall(rf"^dahlia_predictions_{name}_total{{.*}} (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def judge(rows: dict[str, str], seen: Seen, watched: Watched) -> list[str]:
    """What is not as it must be."""
    bounds = {
        f"{len(seen.failures)} wrong answers, such as {seen.failures[:3]}": not seen.failures,
        "a publish was not seen in time": worst_publish(seen, watched) < SEEN_SECONDS,
        "memory grows": max(watched.rise(watched.memory)) < MOST_MEMORY,
        "open files grow": max(watched.rise(watched.files)) < MOST_FILES,
        "not all is kept": rows["kept, counted by the clients"] == rows["kept, counted by the service"],
    }
    return [text for text, kept in bounds.items() if not kept]


def report(rows: dict[str, str], seen: Seen) -> None:
    """Print the tables."""
    table = Table("request", "count", "slowest s")
    for kind, count in sorted(seen.counts.items()):
        table.add_row(kind, str(count), f"{seen.slowest[kind]:.2f}")
    table.add_row("all", str(seen.counts.total()), "")
    table.add_section()
    for name, value in rows.items():
        table.add_row(name, value, "")
    Console(width=100).print(table)


def draw() -> bytes:
    """A small photo, so that there are many requests: 320x240, about 15 KB."""
    rng = np.random.default_rng(random.Random(0).randrange(1 << 30))
    colours = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    soft = cv2.resize(colours, (320, 240), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(soft + rng.normal(0, 4, soft.shape), 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


if __name__ == "__main__":
    main()
