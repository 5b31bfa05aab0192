"""Requests per second of the prediction service, beside what others would run.

    python benchmarks/serving.py [--architecture mobilenetv3_large_100] [--seconds 5] [--rounds 3]
    python benchmarks/serving.py --domain general_compact general
    python benchmarks/serving.py --detector [detection_general_compact]

With `--domain` the networks of domains are compared with the bundled one (see `serving_domains.py`), with
`--detector` a detector in the service with a plain server of the same graph (`serving_detector.py`). Without,
the service is compared with other servers of one network, that of `general_compact`:

Everything is measured in one run on one machine, with one model and the same JPEG files, by `wrk`, which
shares the cores. Rounds alternate between the servers; figures are medians of the rounds. The plain server is
FastAPI, ONNX Runtime and OpenCV with two workers; its endpoint is written in both usual ways, and once as
somebody tuned it (see `serving_peers.py`). LitServe, tuned alike, is measured where it is installed (`pip
install litserve`). BentoML with no model takes a file and gives its length. In process, at most as many
threads as cores do what the service does with a photo. CPU is what a request takes of it in the server's
processes: other load changes that less.
A busy machine may make a server refuse requests (429 and 503): they are counted and left out of the rate;
their times are among those of the percentiles.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dahlia.imports import is_there
from serving_detector import compare_detector
from serving_domains import compare
from serving_load import (
    HERE,
    SIZES,
    Target,
    ask,
    await_choice,
    draw,
    our_service,
    plain_command,
    require_wrk,
    route,
    wrk,
)
from serving_model import Network, network_of, publish_models
from serving_processes import bentoml_command, memory, processes, running

USUAL, DETECTOR = "general_compact", "detection_general_compact"
CONNECTIONS = (1, 8, 32)
MANY = 20
OURS, STORING, EMPTY, INSIDE = "Dahlia", "Dahlia, storing", "BentoML, no model", "in process, no HTTP"
PLAIN = ("FastAPI, async def", "FastAPI, def", "FastAPI, tuned")
LITSERVE = "LitServe, tuned"

Figures = dict[tuple[str, str, int], dict[str, float]]


def main() -> None:
    options = _arguments()
    require_wrk()
    if options.domain:
        compare([network_of(domain) for domain in options.domain], options.seconds, options.rounds)
        return
    if options.detector:
        compare_detector(options.detector, options.seconds, options.rounds)
        return
    chosen = options.architecture
    network = Network(chosen, chosen) if chosen else network_of(USUAL)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = {size: draw(folder / f"{size}.jpg", *shape) for size, shape in SIZES.items()}
        publish_models(folder / "one", network)
        publish_models(folder / "many", network, MANY)
        figures = _rates(folder, photos, options.seconds, options.rounds)
        starts = [_first_answer(folder / "one", photos["1260x900"]) for _ in range(options.rounds)]
        one, more = _memory(folder / "many", photos["1260x900"])
    _print(figures, f"{network.architecture}, {network.size} px")
    _judge(figures)
    print(f"A worker with one model: {one / 1e6:.0f} MB (at most 450)")
    print(f"With {MANY} models of one backbone: {more / 1e6:.0f} MB more (at most 1000)")
    print(f"Start to first answer: {statistics.median(starts):.1f} s (at most 6)")


def _rates(folder: Path, photos: Mapping[str, Path], seconds: float, rounds: int) -> Figures:
    found: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        targets = _servers(stack, folder)
        for target, published in zip(targets, (folder / "one", folder / "storing"), strict=False):
            model = published / "published" / "iteration-1"
            print(f"{target.name}: {await_choice(target, model, photos['640x480'])}", flush=True)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for size, photo in photos.items():
                for count in CONNECTIONS:
                    for target in targets:
                        if count == 8 or target.name in (OURS, *PLAIN, LITSERVE):
                            measured = wrk(target, photo, count, seconds)
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
    empty = folder / "empty"
    shutil.copytree(peers, empty)
    ours = stack.enter_context(our_service(folder / "one"))
    shutil.copytree(folder / "one" / "published", folder / "storing" / "published")
    storing = stack.enter_context(our_service(folder / "storing", DAHLIA_PREDICTIONS=str(folder / "kept")))
    plain = stack.enter_context(running(plain_command(), peers, {"MODEL": str(graph)}, ready="/docs"))
    nothing = stack.enter_context(running(bentoml_command("serving_peers:Empty"), empty, {}))
    others = []
    if is_there("litserve"):
        command = [sys.executable, str(HERE / "serving_litserve.py"), "{port}"]
        served = stack.enter_context(running(command, peers, {"MODEL": str(graph)}, ready="/health"))
        others.append(Target(LITSERVE, f"{served.base}/predict", "request", served.pid))
    return [
        Target(OURS, route(ours), "imageData", ours.pid),
        Target(STORING, route(storing).removesuffix("/nostore"), "imageData", storing.pid),
        Target(PLAIN[0], f"{plain.base}/predict", "file", plain.pid),
        Target(PLAIN[1], f"{plain.base}/predict_in_thread", "file", plain.pid),
        Target(PLAIN[2], f"{plain.base}/predict_tuned", "file", plain.pid),
        *others,
        Target(EMPTY, f"{nothing.base}/predict", "file", nothing.pid),
    ]


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
    with our_service(folder) as server:
        ask(route(server), photo)
        return time.monotonic() - began


def _memory(folder: Path, photo: Path) -> tuple[float, float]:
    """Bytes of a worker that has answered for one model, and what the others add."""
    with our_service(folder, DAHLIA_WORKERS="1") as server:
        held = []
        for names in (["model1"], [f"model{number}" for number in range(1, MANY + 1)]):
            for name in names * 5:
                ask(route(server, name), photo)
            held.append(max(memory(process.pid) for process in processes(server.pid)[1:]))
    return held[0], held[1] - held[0]


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
        inside = figures[INSIDE, size, 8]
        alone, alone_inside = figures[OURS, size, 1], figures[INSIDE, size, 1]
        print(f"{size}, by connections (2.0 times FastAPI, def; 1.3 times the others; lower p99):")
        for count in (8, 32):
            for name in (*PLAIN, LITSERVE):
                if (name, size, count) not in figures:
                    continue
                ours, peer = figures[OURS, size, count], figures[name, size, count]
                print(
                    f"  {count}: {ours['rate'] / peer['rate']:.2f} times {name}, "
                    f"by CPU {peer['cpu'] / ours['cpu']:.2f}; "
                    f"p99 {ours['p99']:.0f} against {peer['p99']:.0f} ms"
                )
        ours = figures[OURS, size, 8]
        print(f"  {ours['rate'] / inside['rate']:.2f} of the rate in process (at least 0.85)")
        print(f"  storing: {figures[STORING, size, 8]['rate'] / ours['rate']:.2f} of it (at least 0.90)")
        print(
            f"  one connection: p50 {alone['p50'] - alone_inside['p50']:.1f} ms above in process (at most 2)"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", nargs="+", help="domains to compare with the bundled network")
    parser.add_argument(
        "--detector", nargs="?", const=DETECTOR, help=f"a domain of detection (default: {DETECTOR})"
    )
    parser.add_argument("--architecture", help=f"of timm, at 224 px; default: the network of {USUAL}")
    parser.add_argument("--seconds", type=int, default=5, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
