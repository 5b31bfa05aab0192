"""The photos that were named, and what a model says of each."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dahlia.dataset.readers.tree import Tree
from dahlia.errors import DahliaError, DatasetError
from dahlia.processes import usable_cores

MAX_BYTES = 256 << 20  # of a photo: more is read by mistake

Predict = Callable[[bytes], list[tuple[str, float]]]


@dataclass(frozen=True)
class Predicted:
    """What came of one photo.

    Attributes:
        photo: its path, as it was named or found.
        scored: tags and probabilities, the most probable first; empty where there is a problem.
        problem: why there is no answer.
    """

    photo: Path
    scored: Sequence[tuple[str, float]] = ()
    problem: str | None = None


def find_photos(named: Iterable[Path]) -> list[Path]:
    """The photos to look at: files as they are named, and the images below folders, sorted by path.

    A folder without images stands for itself, so that it is reported like a file that is no image.
    """
    return [photo for path in named for photo in _below(path) or [path]]


def _below(path: Path) -> list[Path]:
    # `Path.is_dir` raises for a name that is too long.
    return [path / name for name in Tree(path).images] if os.path.isdir(path) else []  # noqa: PTH112


def predict_photos(photos: Sequence[Path], predict: Predict) -> Generator[Predicted, None, None]:
    """Ask about every photo, on all cores; the answers come in the order of the photos."""
    pool = ThreadPoolExecutor(usable_cores())
    try:
        yield from pool.map(lambda photo: _ask(photo, predict), photos)
    finally:
        pool.shutdown(cancel_futures=True)


def _ask(photo: Path, predict: Predict) -> Predicted:
    try:
        return Predicted(photo, predict(_read(photo)))
    except OSError as error:
        reason = f"Expected a photo, received a file that cannot be read: {error.strerror or error}."
        return Predicted(photo, problem=f"{reason} Name another.")
    except DahliaError as error:
        return Predicted(photo, problem=str(error))


def _read(photo: Path) -> bytes:
    facts = photo.stat()
    if not stat.S_ISREG(facts.st_mode):  # reading a pipe would wait for who writes
        raise DatasetError(f"Expected a photo, received {_kind(facts.st_mode)}. Name another.")
    if facts.st_size > MAX_BYTES:
        raise DatasetError(
            f"Expected at most {MAX_BYTES >> 20} MB, received {facts.st_size >> 20}. Scale the photo down."
        )
    with photo.open("rb") as file:
        return file.read(MAX_BYTES)


def _kind(mode: int) -> str:
    return "a folder without photos" if stat.S_ISDIR(mode) else "no file"
