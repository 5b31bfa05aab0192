"""A detector in the prediction service, beside the server that most people would write around its graph.

Both answer with the same graph and the same boxes, in the same rounds. The plain server is FastAPI, ONNX
Runtime and OpenCV with two workers: it decodes the grid with numpy and suppresses boxes with `cv2.dnn`. It is
also measured as somebody tuned it (see `serving_peers.py`). The
weights of the head are random, and its scores spread so that some fifty places of a photo say something.
"""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dahlia.composition import domains
from dahlia.dataset.imaging import load, to_tensor_layout
from dahlia.export.onnx import port
from dahlia.export.port import Source
from dahlia.files import write_json
from dahlia.modeling.backbones import card_of
from dahlia.modeling.card import DetectorCard, InputCard, ModelCard, TagCard, TrainingCard, tag_id
from dahlia.params import DomainParams
from serving_load import HERE, SIZES, Target, draw, our_service, plain_command, route, wrk
from serving_model import PROJECT, PROJECT_ID, REPOSITORY
from serving_processes import running

OURS, PLAIN = "Dahlia", ("FastAPI, async def", "FastAPI, def", "FastAPI, tuned")
CONNECTIONS = (1, 8, 32)
PHOTO = "1260x900"
TAGS = ("car", "bus", "bicycle")
ENOUGH = 1.5  # times the requests of the plain server
_SAYING = 50  # places of a photo, whose scores reach the lowest that is given

Rates = dict[tuple[str, int], list[dict[str, float]]]


def compare_detector(domain: str, seconds: float, rounds: int) -> None:
    """Measure, and print a row for each server and number of connections."""
    known = domains(REPOSITORY)
    if domain not in known or known[domain].detector is None:
        boxed = [name for name, one in known.items() if one.detector]
        raise SystemExit(f"Expected a domain of detection, one of {', '.join(boxed)}; received {domain}.")
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        photo = draw(folder / "photo.jpg", *SIZES[PHOTO])
        publish_detector(folder / "one", known[domain], photo)
        targets = _served(stack, folder)
        for target in targets:
            wrk(target, photo, CONNECTIONS[-1], 1)  # every process loads its model
        found: Rates = {}
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for count in CONNECTIONS:
                for target in targets:
                    found.setdefault((target.name, count), []).append(wrk(target, photo, count, seconds))
    chosen = known[domain]
    _print(found, f"{domain}: {chosen.backbone.architecture}, {chosen.input.size} px, JPEG {PHOTO}")


def publish_detector(folder: Path, domain: DomainParams, photo: Path) -> Path:
    """Write `folder/published`, which holds one detector, named `model1`.

    Args:
        folder: where to.
        domain: its network, size and output.
        photo: on which its scores are spread.
    """
    import torch

    from dahlia.modeling.backbones import load_backbone
    from dahlia.modeling.detection.detector import Detector, save_detector
    from dahlia.modeling.detection.reference import BoxReference

    assert domain.detector is not None
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of random weights
        backbone = load_backbone(domain.backbone.architecture, domain.backbone.weights)
    how, size = domain.detector, domain.input.size
    model = Detector(backbone, len(TAGS), size=size, strides=how.strides, output=how.output, width=64).eval()
    pixels = torch.from_numpy(to_tensor_layout([load(photo.read_bytes(), size)]))
    with torch.no_grad():
        head = model.head.classes
        assert head.bias is not None
        head.bias.fill_(0.0)
        logits = model.raw(model.taps(pixels))[0][0]
        scale = 2.0 / logits.std(0)
        head.weight.mul_(scale[:, None, None, None])
        best = (scale * logits).max(1).values.sort(descending=True).values
        floor = float(np.log(how.least / (1 - how.least)))
        head.bias.fill_(floor - float(best[min(_SAYING, len(best) - 1)]))
    card = ModelCard(
        project=PROJECT,
        project_id=PROJECT_ID,
        domain=domain.name,
        domain_id=domain.id,
        classification="detection",
        tags=tuple(TagCard(id=tag_id(PROJECT, tag), name=tag) for tag in TAGS),
        input=InputCard(size=size),
        channels=domain.channels,
        backbone=card_of(backbone),
        temperature=1.0,
        detector=DetectorCard(
            strides=tuple(how.strides), output=how.output, overlap=how.overlap, least=how.least, most=how.most
        ),
        training=TrainingCard(recipe="quick", regularisation=0.0, views=(), images=0, seed=0),
        data_fingerprint="0" * 64,
        git_revision=None,
        dahlia_version="0",
    )
    published = folder / "published"
    target = published / "iteration-1"
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "bundle"
        save_detector(bundle, model, card, BoxReference((), (), ()))
        port.write(target, Source(bundle, card, Path(scratch) / "cache", list), "float32")
        shutil.copy(bundle / "model.json", target)
    write_json(target / "iteration.json", {"number": 1, "id": "00000001-0000-4000-8000-000000000000"})
    write_json(published / "published.json", {"model1": target.name})
    return published


def _served(stack: ExitStack, folder: Path) -> list[Target]:
    peers = folder / "peers"
    peers.mkdir()
    shutil.copy(HERE / "serving_peers.py", peers)
    graph = folder / "one" / "published" / "iteration-1" / "model.onnx"
    ours = stack.enter_context(our_service(folder / "one"))
    plain = stack.enter_context(running(plain_command(), peers, {"MODEL": str(graph)}, ready="/docs"))
    return [
        Target(OURS, route(ours, task="detect"), "imageData", ours.pid),
        Target(PLAIN[0], f"{plain.base}/detect", "file", plain.pid),
        Target(PLAIN[1], f"{plain.base}/detect_in_thread", "file", plain.pid),
        Target(PLAIN[2], f"{plain.base}/detect_tuned", "file", plain.pid),
    ]


def _print(found: Rates, title: str) -> None:
    table = Table("connections", "server", "requests/s", "p50 ms", "p99 ms", "CPU ms", "refused", title=title)
    for count in CONNECTIONS:
        for name in (OURS, *PLAIN):
            rows = found[name, count]
            cells = (f"{_median(rows, key):.1f}" for key in ("rate", "p50", "p99", "cpu"))
            table.add_row(str(count), name, *cells, f"{_median(rows, 'refused'):.0f}")
        table.add_section()
    Console(width=100).print(table)
    for count in CONNECTIONS:
        for name in PLAIN:
            pairs = list(zip(found[OURS, count], found[name, count], strict=True))
            times = statistics.median(
                ours["rate"] / plain["rate"] if plain["rate"] else math.inf for ours, plain in pairs
            )
            processor = statistics.median(plain["cpu"] / ours["cpu"] for ours, plain in pairs)
            aim = "" if count == 1 else f" (at least {ENOUGH})"
            print(f"{count} connections: {times:.2f} times {name}{aim}, by CPU {processor:.2f}")


def _median(rows: Sequence[dict[str, float]], key: str) -> float:
    return statistics.median(one[key] for one in rows)
