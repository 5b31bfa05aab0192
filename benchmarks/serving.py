"""Requests per second of the prediction service, beside what others would run.

    python benchmarks/serving.py [--architecture mobilenetv3_large_100] [--seconds 5] [--rounds 3]

Everything is measured in one run on one machine, with one model and the same JPEG files, by `wrk`, which
shares the cores. Rounds alternate between the servers; figures are medians of the rounds. The plain server is
FastAPI, ONNX Runtime and OpenCV with two workers; its endpoint is written in both usual ways. BentoML with no
model takes a file and gives its length. In process, at most as many threads as cores do what the service does
with a photo. CPU is what a request takes of it in the server's processes: other load changes that less.
A busy machine may make a server refuse requests (429 and 503): they are counted and left out of the rate;
their times are among those of the percentiles.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from serving_model import PROJECT_ID, publish_models
from serving_processes import Running, bentoml_command, memory, processes, running

HERE = Path(__file__).parent
SIZES = {"1260x900": (900, 1260), "640x480": (480, 640)}
CONNECTIONS = (1, 8, 32)
MANY = 20
PATIENCE = 60  # seconds in which a refused request must be answered where one answer is needed
OURS, STORING, EMPTY, INSIDE = "Dahlia", "Dahlia, storing", "BentoML, no model", "in process, no HTTP"
PLAIN = ("FastAPI, async def", "FastAPI, def")

Figures = dict[tuple[str, str, int], dict[str, float]]


@dataclass(frozen=True)
class Target:
    """Something that answers."""

    name: str
    address: str
    field: str
    pid: int


def main() -> None:
    options = _arguments()
    if shutil.which("wrk") is None:
        raise SystemExit("Expected wrk on the PATH, found none. Install it, for example: apt-get install wrk")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = {size: _draw(folder / f"{size}.jpg", *shape) for size, shape in SIZES.items()}
        publish_models(folder / "one", options.architecture)
        publish_models(folder / "many", options.architecture, MANY)
        figures = _rates(folder, photos, options.seconds, options.rounds)
        starts = [_first_answer(folder / "one", photos["1260x900"]) for _ in range(options.rounds)]
        one, more = _memory(folder / "many", photos["1260x900"])
    _print(figures, options.architecture)
    _judge(figures)
    print(f"A worker with one model: {one / 1e6:.0f} MB (at most 450)")
    print(f"With {MANY} models of one backbone: {more / 1e6:.0f} MB more (at most 1000)")
    print(f"Start to first answer: {statistics.median(starts):.1f} s (at most 6)")


def _rates(folder: Path, photos: Mapping[str, Path], seconds: float, rounds: int) -> Figures:
    found: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        targets = _servers(stack, folder)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for size, photo in photos.items():
                for count in CONNECTIONS:
                    for target in targets:
                        if count == 8 or target.name in (OURS, *PLAIN):
                            measured = _wrk(target, photo, count, seconds)
                            found.setdefault((target.name, size, count), []).append(measured)
                    if count <= 8:
                        measured = _in_process(folder / "one", photo, count, seconds)
                        found.setdefault((INSIDE, size, count), []).append(measured)
    return {
        key: {name: statistics.median(one[name] for one in rounds_of) for name in rounds_of[0]}
        for key, rounds_of in found.items()
    }


def _servers(stack: ExitStack, folder: Path) -> list[Target]:
    peers = folder / "peers"
    peers.mkdir()
    shutil.copy(HERE / "serving_peers.py", peers)
    graph = folder / "one" / "published" / "iteration-1" / "model.onnx"
    uvicorn = [sys.executable, "-m", "uvicorn", "serving_peers:app", "--workers", "2", "--no-access-log"]
    empty = folder / "empty"
    shutil.copytree(peers, empty)
    ours = stack.enter_context(_ours(folder / "one"))
    shutil.copytree(folder / "one" / "published", folder / "storing" / "published")
    storing = stack.enter_context(_ours(folder / "storing", DAHLIA_PREDICTIONS=str(folder / "kept")))
    plain = stack.enter_context(
        running([*uvicorn, "--port", "{port}"], peers, {"MODEL": str(graph)}, ready="/docs")
    )
    nothing = stack.enter_context(running(bentoml_command("serving_peers:Empty"), empty, {}))
    return [
        Target(OURS, _route(ours), "imageData", ours.pid),
        Target(STORING, _route(storing).removesuffix("/nostore"), "imageData", storing.pid),
        Target(PLAIN[0], f"{plain.base}/predict", "file", plain.pid),
        Target(PLAIN[1], f"{plain.base}/predict_in_thread", "file", plain.pid),
        Target(EMPTY, f"{nothing.base}/predict", "file", nothing.pid),
    ]


def _ours(folder: Path, **environment: str) -> AbstractContextManager[Running]:
    return running(bentoml_command(), folder, environment)


def _route(server: Running, name: str = "model1") -> str:
    path = f"/customvision/v3.1/prediction/{PROJECT_ID}/classify/iterations/{name}/image/nostore"
    return server.base + path


def _wrk(target: Target, photo: Path, connections: int, seconds: float) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    before = _cpu_seconds(target.pid)
    output = subprocess.run(
        [*command, "-s", str(HERE / "wrk.lua"), target.address],
        env=os.environ | {"FILE": str(photo), "FIELD": target.field},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    measured: dict[str, float] = json.loads(output.partition("RESULT ")[2])
    if measured["failed"]:
        raise RuntimeError(f"{target.name} failed {measured['failed']:.0f} requests:\n{output}")
    spent = _cpu_seconds(target.pid) - before
    answered = measured["rate"] * seconds
    return measured | {"cpu": 1000 * spent / answered if answered else math.nan}


def _cpu_seconds(pid: int) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes(pid))


def _in_process(folder: Path, photo: Path, at_once: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, str(HERE / "serving_inside.py"), str(folder), str(photo)]
    threads = str(min(at_once, os.cpu_count() or 1))
    output = subprocess.run(
        [*command, threads, str(seconds)], check=True, capture_output=True, text=True
    ).stdout
    measured: dict[str, float] = json.loads(output)
    return measured


def _first_answer(folder: Path, photo: Path) -> float:
    began = time.monotonic()
    with _ours(folder) as server:
        _ask(_route(server), photo)
        return time.monotonic() - began


def _memory(folder: Path, photo: Path) -> tuple[float, float]:
    """Bytes of a worker that has answered for one model, and what the others add."""
    with _ours(folder, DAHLIA_WORKERS="1") as server:
        held = []
        for names in (["model1"], [f"model{number}" for number in range(1, MANY + 1)]):
            for name in names * 5:
                _ask(_route(server, name), photo)
            held.append(max(memory(process.pid) for process in processes(server.pid)[1:]))
    return held[0], held[1] - held[0]


def _ask(address: str, photo: Path) -> None:
    request = urllib.request.Request(
        address, photo.read_bytes(), {"Content-Type": "application/octet-stream"}
    )
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE):
                return
        except urllib.error.HTTPError as refusal:
            if refusal.code not in (429, 503) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def _draw(path: Path, height: int, width: int) -> Path:
    """A picture as hard to decode as a photo of its size: smooth shapes, edges, and the noise of a camera."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (height // 30, width // 30, 3), np.uint8)
    picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    for _ in range(60):
        corner, end = random.integers(0, (width, height), (2, 2))
        cv2.rectangle(picture, corner, end, random.integers(0, 256, 3).tolist(), 2)
    picture += random.normal(0, 2, picture.shape)
    cv2.imwrite(str(path), picture.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return path


def _print(figures: Figures, architecture: str) -> None:
    table = Table(
        "JPEG",
        "connections",
        "server",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU ms",
        "refused",
        title=architecture,
    )
    for size in SIZES:
        for count in CONNECTIONS:
            for (name, one_size, one_count), measured in figures.items():
                if (one_size, one_count) == (size, count):
                    cells = (f"{measured[key]:.1f}" for key in ("rate", "p50", "p99", "cpu"))
                    table.add_row(size, str(count), name, *cells, f"{measured['refused']:.0f}")
            table.add_section()
    Console(width=100).print(table)


def _judge(figures: Figures) -> None:
    for size in SIZES:
        ours, inside = figures[OURS, size, 8], figures[INSIDE, size, 8]
        alone, alone_inside = figures[OURS, size, 1], figures[INSIDE, size, 1]
        print(f"{size}, 8 connections:")
        for name in PLAIN:
            plain = figures[name, size, 8]
            print(
                f"  {ours['rate'] / plain['rate']:.2f} times {name} (at least 2.0), "
                f"by CPU {plain['cpu'] / ours['cpu']:.2f}; "
                f"p99 {ours['p99']:.0f} against {plain['p99']:.0f} ms (lower)"
            )
        print(f"  {ours['rate'] / inside['rate']:.2f} of the rate in process (at least 0.75)")
        print(f"  storing: {figures[STORING, size, 8]['rate'] / ours['rate']:.2f} of it (at least 0.90)")
        print(
            f"  one connection: p50 {alone['p50'] - alone_inside['p50']:.1f} ms above in process (at most 2)"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--architecture", default="mobilenetv3_large_100")
    parser.add_argument("--seconds", type=int, default=5, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
