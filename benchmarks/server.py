"""The training API: uploads, large projects, also of detection, and trainings, through Azure's SDK.

    python benchmarks/server.py [--databases sqlite postgresql] [--images 100000] [--rounds 3] [--only upload]

Client and server share the cores. *In process* is the same work on the same images without HTTP, JSON and
rows: base64, validation, thumbnail and durable files. A large project is filled through the API too, with
images of a tenth of a kilobyte, so that what grows with a project is the server's own.
"""

from __future__ import annotations

import argparse
import base64
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import requests
from rich.console import Console
from rich.table import Table

from server_process import Running, running_server

BATCH = 64
TAGS = 500
PAGE = 256
BASE = "/customvision/v3.4-preview/training"
PARTS = ("upload", "project", "detection", "training")


def main() -> None:
    options = _arguments()
    console = Console()
    parts = uploads, large_project, large_detection_project, trainings
    for name, part in zip(PARTS, parts, strict=True):
        if name in options.only:
            console.print(part(options))


def uploads(options: argparse.Namespace) -> Table:
    """Images a second in batches of 64, of 100 KB each."""
    table = Table(title=f"Uploads: {BATCH} JPEGs of 100 KB a batch")
    for column in ("", "images/s", "server's processor ms an image"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("in process", f"{statistics.median(_in_process(options.rounds)):.0f}", "")
    for database in options.databases:
        with running_server(database) as server:
            rates, costs = zip(*(_upload(server, seed) for seed in range(options.rounds)), strict=True)
        table.add_row(
            f"SDK, {database}", f"{statistics.median(rates):.0f}", f"{statistics.median(costs):.1f}"
        )
    return table


def large_project(options: argparse.Namespace) -> Table:
    """A project that is filled, and what reading it takes."""
    title = f"{options.images:,} images, {TAGS} tags; ms: p50, p95"
    return _columns(
        title, {database: _fill_and_read(database, options.images) for database in options.databases}
    )


def large_detection_project(options: argparse.Namespace) -> Table:
    """A project whose rows are written straight to the database, and what reading and changing it takes."""
    from server_regions import REGIONS, fill_and_read

    regions = f"{options.images * REGIONS:,.0f}"
    title = f"Detection: {options.images:,} images, about {regions} regions; ms: p50, p95, processor"
    return _columns(
        title, {database: fill_and_read(database, options.images) for database in options.databases}
    )


def trainings(options: argparse.Namespace) -> Table:
    """From `train_project` to `Completed`, two tags of 50 photos."""
    table = Table(title="Seconds from train_project to Completed")
    for column in ("", "median", "all"):
        table.add_column(column, justify="right" if column else "left")
    rounds = [_train_in_turn() for _ in range(options.rounds)]
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        table.add_row(name, f"{statistics.median(values):.1f}", ", ".join(f"{value:.1f}" for value in values))
    return table


def _columns(title: str, columns: dict[str, dict[str, str]]) -> Table:
    """A table with a column for each database."""
    table = Table("", title=title)
    for database in columns:
        table.add_column(database, justify="right")
    for row in next(iter(columns.values())):
        table.add_row(row, *(column[row] for column in columns.values()))
    return table


def _photos(count: int, seed: int, width: int = 900, height: int = 600, quality: int = 77) -> Iterator[bytes]:
    """JPEGs that all differ; at these defaults of about 100 KB."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (height // 12, width // 12, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = random.integers(-14, 14, smooth.shape, np.int16)
    for number in range(count):
        image = np.clip(np.roll(smooth, number * 7, 1) + np.roll(grain, number * 3, 0), 0, 255)
        yield cv2.imencode(".jpg", image.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _upload(server: Running, seed: int, batches: int = 6) -> tuple[float, float]:
    from azure.cognitiveservices.vision.customvision.training.models import (
        ImageFileCreateBatch,
        ImageFileCreateEntry,
    )

    trainer = server.trainer()
    project = trainer.create_project(f"Uploads {seed}")
    tag = trainer.create_tag(project.id, "photo")
    photos = list(_photos(BATCH * batches, seed))
    before, began = server.processor, time.perf_counter()
    for start in range(0, len(photos), BATCH):
        entries = [ImageFileCreateEntry(contents=bytearray(photo)) for photo in photos[start : start + BATCH]]
        summary = trainer.create_images_from_files(
            project.id, ImageFileCreateBatch(images=entries, tag_ids=[tag.id])
        )
        assert summary.is_batch_successful, [image.status for image in summary.images]
    seconds = time.perf_counter() - began
    return len(photos) / seconds, 1000 * (server.processor - before) / len(photos)


def _in_process(rounds: int) -> Iterator[float]:
    from dahlia.server.images.validation import Limits, Received, receive_many
    from dahlia.server.storage.names import image_key, thumbnail_key
    from dahlia.server.storage.storage import Storage

    with ThreadPoolExecutor(2) as pool:
        for seed in range(rounds):
            texts = [base64.b64encode(photo) for photo in _photos(BATCH * 3, 100 + seed)]
            with tempfile.TemporaryDirectory() as folder:
                storage = Storage(folder)
                began = time.perf_counter()
                for start in range(0, len(texts), BATCH):
                    images = [base64.b64decode(text) for text in texts[start : start + BATCH]]
                    files = {}
                    for one in receive_many(images, Limits(), pool):
                        assert isinstance(one, Received)
                        files[image_key(one.sha256, one.suffix)] = one.data
                        files[thumbnail_key(one.sha256)] = one.thumbnail
                    storage.put_many(files)
                yield len(texts) / (time.perf_counter() - began)


def _fill_and_read(database: str, images: int) -> dict[str, str]:
    with running_server(database) as server:
        answers: dict[str, str] = {
            "started, s": f"{server.started:.1f}",
            "idle, MB": f"{server.memory >> 20}",
        }
        trainer = server.trainer()
        project = trainer.create_project("Large")
        tags = [trainer.create_tag(project.id, f"tag {number}").id for number in range(TAGS)]
        answers |= _fill(server, project.id, tags, images)
        session = requests.Session()
        session.headers["Training-Key"] = server.key
        base = f"{server.address}{BASE}/projects/{project.id}"

        def ask(path: str) -> Callable[[int], None]:
            def once(number: int) -> None:
                chosen = ",".join(tags[(number * 7 + one) % TAGS] for one in range(5))
                session.get(base + path.format(tag=tags[number * 7 % TAGS], tags=chosen)).raise_for_status()

            return once

        for name, path in {
            "get_images, 256 of one tag": f"/images/tagged?take={PAGE}&tagIds={{tag}}",
            "get_images, 256 of five tags": f"/images?take={PAGE}&tagIds={{tags}}",
            "get_images, 256, no filter": f"/images?take={PAGE}",
            "get_images, 256, far down": f"/images?take={PAGE}&skip={images * 9 // 10}",
            "get_image_count": "/images/count",
            "get_tagged_image_count": "/images/tagged/count",
            "get_tagged_image_count, one tag": "/images/tagged/count?tagIds={tag}",
            "get_untagged_image_count": "/images/untagged/count",
            "get_tags": "/tags",
        }.items():
            answers[name] = _percentiles(ask(path))
        return answers


def _fill(server: Running, project: str, tags: Sequence[str], images: int) -> dict[str, str]:
    session = requests.Session()
    session.headers["Training-Key"] = server.key
    url = f"{server.address}{BASE}/projects/{project}/images/files"
    memory: list[int] = []
    began = time.perf_counter()
    made = iter(_small(images))
    for start in range(0, images, BATCH):
        entries: list[dict[str, Any]] = []
        for number in range(start, min(start + BATCH, images)):
            first = start // BATCH * 9  # of the tags of this call, of which there may be 20
            chosen = {tags[(first + number % 10) % TAGS], tags[(first + number % 7 + 10) % TAGS]}
            entries.append({"contents": base64.b64encode(next(made)).decode(), "tagIds": sorted(chosen)})
        body = session.post(url, json={"images": entries}).json()
        assert body["isBatchSuccessful"], body
        memory.append(server.memory)
    tenth = len(memory) // 10
    return {
        "filled, images/s": f"{images / (time.perf_counter() - began):.0f}",
        "memory after a tenth, MB": f"{memory[tenth] >> 20}",
        "memory at the end, MB": f"{memory[-1] >> 20}",
    }


def _small(count: int) -> Iterator[bytes]:
    header = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    for number in range(count):
        # What follows a PNG's end is allowed, and makes each file another.
        yield header + number.to_bytes(4, "big")


def _percentiles(ask: Callable[[int], None], calls: int = 100) -> str:
    times = []
    for number in range(calls + 5):
        began = time.perf_counter()
        ask(number)
        times.append(1000 * (time.perf_counter() - began))
    kept = sorted(times[5:])
    return f"{kept[len(kept) // 2]:.0f}, {kept[int(len(kept) * 0.95)]:.0f}"


def _train_in_turn() -> dict[str, float]:
    with running_server("sqlite", 1, DAHLIA_JOBS_WARM="false") as server:
        alone = _train(server)[0]
    with running_server("sqlite", 1) as server:
        cold = _train(server)[0]
        first, trainer, project, tags = _train(server)
        again = _again(trainer, project, tags)
    return {
        "server just started": cold,
        "another project, worker warm": first,
        "ten more photos, worker warm": again,
        "server just started, no warm process": alone,
    }


def _train(server: Running) -> tuple[float, Any, Any, list[Any]]:
    trainer = server.trainer()
    project = trainer.create_project("Garden", classification_type="Multiclass")
    tags = [trainer.create_tag(project.id, name) for name in ("daisy", "dahlia")]
    _add_garden(trainer, project, tags, range(50))
    return _wait(trainer, project), trainer, project, tags


def _again(trainer: Any, project: Any, tags: list[Any]) -> float:
    _add_garden(trainer, project, tags, range(50, 55))
    return _wait(trainer, project)


def _add_garden(trainer: Any, project: Any, tags: list[Any], which: range) -> None:
    from azure.cognitiveservices.vision.customvision.training.models import (
        ImageFileCreateBatch,
        ImageFileCreateEntry,
    )

    for tag in tags:
        files = sorted((_garden() / tag.name).iterdir())[which.start : which.stop]
        entries = [ImageFileCreateEntry(contents=file.read_bytes(), tag_ids=[tag.id]) for file in files]
        assert trainer.create_images_from_files(
            project.id, ImageFileCreateBatch(images=entries)
        ).is_batch_successful


_FOLDER = tempfile.TemporaryDirectory()


def _garden() -> Path:
    from dahlia_samples import generate_garden

    folder = Path(_FOLDER.name) / "garden"
    if not folder.exists():
        generate_garden(folder, images_per_tag=60, seed=0)
    return folder


def _wait(trainer: Any, project: Any) -> float:
    began = time.perf_counter()
    iteration = trainer.train_project(project.id)
    while iteration.status == "Training":
        time.sleep(0.1)
        iteration = trainer.get_iteration(project.id, iteration.id)
    assert iteration.status == "Completed", iteration.training_error_details
    return time.perf_counter() - began


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
