"""The garden on disk: a folder of photos per tag, or scenes with a table of regions."""

from __future__ import annotations

import csv
import multiprocessing
import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dahlia.dataset.records import Annotation, Region
from dahlia.errors import ConfigError, DatasetError
from dahlia.files import staged_directory
from dahlia_samples.flowers import TAGS
from dahlia_samples.photos import draw_flower_photo, draw_scene

COLUMNS = ("file", "tag", "left", "top", "width", "height")

_Result = TypeVar("_Result")
REGIONS = "regions.csv"
_OURS = re.compile(r"((test/)?([a-z]+)/\3_\d+\.jpg|scene_\d+\.jpg|(regions|labels)\.csv)")
_WORTH_A_POOL = 24
_SMALLEST = 64


@dataclass(frozen=True, slots=True)
class _Job:
    path: Path
    tag: str
    seed: tuple[int, int, int]
    size: int


def generate_garden(
    target: Path,
    *,
    images_per_tag: int = 60,
    seed: int = 0,
    size: int = 512,
    test_images_per_tag: int = 0,
    start: int = 0,
    workers: int = 2,
) -> None:
    """Write `target/<tag>/<tag>_000.jpg` and so on for daisy, daffodil and dahlia, whole or not at all.

    Each image depends on the seed, its tag and its number alone, so a larger garden has the same
    first images. With `start` above 0 the images join those already in `target`; otherwise they
    take the place of an earlier garden.

    Args:
        target: the folder.
        images_per_tag: how many to write of each tag.
        seed: other seeds give other gardens.
        size: typical long edge, pixels; see `draw_flower_photo`.
        test_images_per_tag: how many more to write to `target/test/<tag>/`, all unlike the others.
        start: number of the first image.
        workers: processes that draw; they are started by "spawn", so a script that calls this needs
            `if __name__ == "__main__":`.

    Raises:
        ConfigError: a number is out of its range.
        DatasetError: `target` holds files that are not of a garden.
        DahliaError: the folder cannot be written.
    """
    _check(images_per_tag=(images_per_tag, 1), seed=(seed, 0), size=(size, _SMALLEST), start=(start, 0))
    _check(test_images_per_tag=(test_images_per_tag, 0), workers=(workers, 1))
    if start == 0:
        _refuse_strangers(target)
    with staged_directory(target) as staged:
        if start > 0 and target.is_dir():
            shutil.copytree(target, staged, dirs_exist_ok=True)
        jobs = _jobs(staged, "train", range(start, start + images_per_tag), seed, size)
        jobs += _jobs(staged / "test", "test", range(test_images_per_tag), seed, size)
        for folder in {job.path.parent for job in jobs}:
            folder.mkdir(parents=True, exist_ok=True)
        _map(_photograph, jobs, workers)


def generate_scenes(
    target: Path, *, images: int, seed: int, size: int = 512, workers: int = 2
) -> list[Annotation]:
    """Write `target/scene_000.jpg` and so on, and `target/regions.csv`, whole or not at all.

    The table has the columns `COLUMNS`, a row per region in fractions of the image.

    Args:
        target: the folder; an earlier set of scenes there is replaced.
        images: how many scenes.
        seed: other seeds give other scenes.
        size: typical long edge, pixels.
        workers: as in `generate_garden`.

    Returns:
        What the table says, an annotation per image.

    Raises:
        ConfigError: a number is out of its range.
        DatasetError: `target` holds files that are not of a garden.
        DahliaError: the folder cannot be written.
    """
    _check(images=(images, 1), seed=(seed, 0), size=(size, _SMALLEST), workers=(workers, 1))
    _refuse_strangers(target)
    with staged_directory(target) as staged:
        jobs = [
            _Job(staged / f"scene_{index:03d}.jpg", "", _entropy(seed, "scene", index), size)
            for index in range(images)
        ]
        regions = _map(_stage_scene, jobs, workers)
        names = [job.path.name for job in jobs]
        _write_regions(staged / REGIONS, names, regions)
    return _annotations(target.resolve(), names, regions)


def _jobs(folder: Path, subset: str, numbers: range, seed: int, size: int) -> list[_Job]:
    return [
        _Job(folder / tag / f"{tag}_{index:03d}.jpg", tag, _entropy(seed, f"{subset}/{tag}", index), size)
        for tag in TAGS
        for index in numbers
    ]


def _entropy(seed: int, name: str, index: int) -> tuple[int, int, int]:
    return seed, zlib.crc32(name.encode()), index


def _photograph(job: _Job) -> None:
    rng = np.random.default_rng(job.seed)
    _save(job.path, draw_flower_photo(job.tag, rng, size=job.size), rng)


def _stage_scene(job: _Job) -> tuple[Region, ...]:
    rng = np.random.default_rng(job.seed)
    scene = draw_scene(rng, size=job.size)
    _save(job.path, scene.image, rng)
    return scene.regions


def _save(path: Path, image: NDArray[np.uint8], rng: Generator) -> None:
    quality = int(rng.integers(78, 95))
    encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    path.write_bytes(encoded.tobytes())


def _map(draw: Callable[[_Job], _Result], jobs: Sequence[_Job], workers: int) -> list[_Result]:
    if workers > 1 and len(jobs) >= _WORTH_A_POOL:
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(workers, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
                return list(pool.map(draw, jobs, chunksize=4))
        except BrokenProcessPool:
            # A script without a main guard, or a system that starts no processes: draw here instead.
            return [draw(job) for job in jobs]
    return [draw(job) for job in jobs]


def _write_regions(path: Path, names: Sequence[str], regions: Sequence[tuple[Region, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, boxes in zip(names, regions, strict=True):
            writer.writerows((name, box.tag, box.left, box.top, box.width, box.height) for box in boxes)


def _annotations(
    folder: Path, names: Sequence[str], regions: Sequence[tuple[Region, ...]]
) -> list[Annotation]:
    annotations, line = [], 2
    for name, boxes in zip(names, regions, strict=True):
        tags = tuple(dict.fromkeys(box.tag for box in boxes))
        annotations.append(Annotation(folder / name, tags, boxes, source=f"{REGIONS}:{line}"))
        line += len(boxes)
    return annotations


def _check(**numbers: tuple[int, int]) -> None:
    for name, (value, least) in numbers.items():
        if value < least:
            raise ConfigError(f"`{name}` must be at least {least}, received {value}. Choose a larger number.")


def _refuse_strangers(target: Path) -> None:
    files = (file for file in sorted(target.rglob("*")) if file.is_file())
    for file in files:
        if not _OURS.fullmatch(file.relative_to(target).as_posix()):
            raise DatasetError(
                f"{target} was expected to be new, empty or an earlier garden, and holds {file.name}. "
                "Choose another folder; nothing was changed."
            )
