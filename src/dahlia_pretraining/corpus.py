"""A corpus: labelled photos of a folder or of zip files, decoded once into a memory-mapped array."""

from __future__ import annotations

import hashlib
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import OVERSAMPLING, decode_then
from dahlia.dataset.readers.litter import IMAGE_SUFFIXES
from dahlia.errors import DatasetError, ImageError
from dahlia.files import staged_directory, write_json

MAX_BYTES = 32 * 1024 * 1024
_LEAST_CLASSES = 2

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Corpus:
    """N decoded photos.

    Attributes:
        images: (N, S, S, 3) uint8 RGB, memory-mapped: a square from the middle of each photo.
        labels: (N,) int64, positions in `classes`.
        classes: names, sorted.
        unreadable: how many files were left out.
        digest: SHA-256 of the names, labels and sizes of its files.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    unreadable: int
    digest: str


@dataclass(frozen=True)
class _Photo:
    label: str
    name: str
    bytes: int
    archive: Path | None


def open_corpus(source: Path, cache: Path, size: int, progress: Progress = lambda done, of: None) -> Corpus:
    """Read a corpus, from the cache when it was decoded before.

    Args:
        source: a folder with a folder of photos per class, a zip file of such, or a folder of such zips.
        cache: folder for decoded corpora; one takes 3 * size² bytes a photo.
        size: edge S of the squares, pixels.
        progress: is told how many photos are decoded, and of how many.

    Raises:
        DatasetError: there is no such corpus, fewer than two classes are in it, or no photo can be read.
    """
    photos = _photos(source)
    classes = tuple(sorted({photo.label for photo in photos}))
    if len(classes) < _LEAST_CLASSES:
        raise DatasetError(
            f"{source}: expected photos as CLASS/NAME.jpg in at least two classes, in folders or zip files, "
            f"found {len(classes)} classes. Correct `corpus`."
        )
    digest = hashlib.sha256(repr([(p.label, p.name, p.bytes) for p in photos]).encode()).hexdigest()
    folder = cache / f"{digest[:16]}-{size}"
    if not (folder / "corpus.json").is_file():
        _decode_all(source, photos, classes, folder, size, progress)
    kept = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    labels = np.load(folder / "labels.npy")
    images = np.load(folder / "images.npy", mmap_mode="r")[: len(labels)]
    return Corpus(images, labels, tuple(kept["classes"]), kept["unreadable"], digest)


def _photos(source: Path) -> list[_Photo]:
    if not source.exists():
        raise DatasetError(f"The corpus {source} was expected and is not there. Correct `corpus`.")
    archives = [source] if source.is_file() else sorted(source.glob("*.zip"))
    found = [photo for archive in archives for photo in _of_archive(archive)]
    if not archives:
        for path in sorted(source.glob("*/*")):
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
                name = path.relative_to(source).as_posix()
                found.append(_Photo(path.parent.name, name, path.stat().st_size, None))
    return found


def _of_archive(archive: Path) -> Iterator[_Photo]:
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                path = PurePosixPath(member.filename)
                if path.suffix.lower() in IMAGE_SUFFIXES and len(path.parts) > 1:
                    yield _Photo(path.parent.name, member.filename, member.file_size, archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise DatasetError(
            f"{archive} is not a readable zip file ({error}). Give another `corpus`."
        ) from error


def _decode_all(
    source: Path,
    photos: list[_Photo],
    classes: tuple[str, ...],
    folder: Path,
    size: int,
    progress: Progress,
) -> None:
    number = {name: position for position, name in enumerate(classes)}
    labels: list[int] = []
    with staged_directory(folder) as staged:
        shape = (len(photos), size, size, 3)
        images = np.lib.format.open_memmap(staged / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        for done, (photo, data) in enumerate(_read(source, photos)):
            try:
                images[len(labels)] = decode_then(data, partial(_middle, size=size), OVERSAMPLING * size)
            except ImageError:
                continue
            labels.append(number[photo.label])
            progress(done + 1, len(photos))
        if not labels:
            raise DatasetError(
                f"{source}: expected photos, and none of its {len(photos):,} files could be decoded. Give "
                "another `corpus`."
            )
        images.flush()
        np.save(staged / "labels.npy", np.array(labels, np.int64))
        write_json(
            staged / "corpus.json", {"classes": list(classes), "unreadable": len(photos) - len(labels)}
        )


def _read(source: Path, photos: list[_Photo]) -> Iterator[tuple[_Photo, bytes]]:
    for archive, members in groupby(photos, lambda photo: photo.archive):
        with nullcontext() if archive is None else zipfile.ZipFile(archive) as opened:
            for photo in members:
                yield photo, b"" if photo.bytes > MAX_BYTES else _content(source, photo, opened)


def _content(source: Path, photo: _Photo, archive: zipfile.ZipFile | None) -> bytes:
    try:
        if archive is None:
            return (source / photo.name).read_bytes()
        with archive.open(photo.name) as member:
            # What the directory states may be a lie: no more than it states is ever inflated.
            return member.read(photo.bytes)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError):
        # Damaged, forbidden, encrypted, or of an unknown compression, which is a RuntimeError too.
        return b""


def _middle(pixels: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    import cv2

    height, width = pixels.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = np.ascontiguousarray(pixels[top : top + edge, left : left + edge])
    method = cv2.INTER_AREA if edge > size else cv2.INTER_CUBIC
    return np.asarray(square if edge == size else cv2.resize(square, (size, size), interpolation=method))
