"""Laying out a workspace: its configuration, its photos, and the table of their tags."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dahlia import layout
from dahlia.dataset.readers import table
from dahlia.dataset.readers.sources import IMAGE_SUFFIXES, tags_of
from dahlia.dataset.records import Annotation
from dahlia.errors import DatasetError
from dahlia.files import flush, unfinished
from dahlia.server.workspaces.configuration import configure
from dahlia.server.workspaces.repository import recall_folds, start
from dahlia.server.workspaces.snapshot import Photo, Snapshot
from dahlia.server.workspaces.workspace import ANNOTATIONS, ARRIVING, FOLDS, IMAGES, PipelineError, occupied

Fetch = Callable[[Photo, Path], None]

_THREADS = 8  # a photo from a storage far away is mostly waiting
_BATCH = 256
_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z]+)")


def lay_out(folder: Path, snapshot: Snapshot, fetch: Fetch, *, graphs: Path | None = None) -> None:
    """Make the folder the project folder of this snapshot.

    Only what differs is touched: a workspace that is kept gets ten files after ten more photos. Killed at any
    moment, the next call ends what was begun.

    Args:
        folder: the workspace; made if it is not there.
        snapshot: what it is to hold. Photos without tags are skipped.
        fetch: puts a photo at a path that does not exist yet, by a hard link or a download; called in several
            threads at once.
        graphs: a folder for converted backbones, which all workspaces on this machine can share: a project's
            first export is then as quick as later ones.

    Raises:
        ConfigError: the domain or the project's name is not known, or a value is out of its range.
        DatasetError: a photo's name cannot be a file's.
        PipelineError: a photo could not be fetched, another process has the workspace, or Git failed.
        DahliaError: the disk is full, or the folder cannot be written. What else `fetch` raises passes.
    """
    photos = tagged(snapshot.photos)
    with occupied(folder):
        start(folder)
        for name in (layout.PARAMS, ANNOTATIONS, FOLDS):
            for path in unfinished(folder / name):
                path.unlink()
        configure(folder, snapshot)
        bring(folder, photos, fetch)
        annotate(folder, photos)
        recall_folds(folder)
        if graphs is not None:
            _share(folder / layout.GRAPH_CACHE, graphs)


def tagged(photos: Iterable[Photo]) -> dict[str, Photo]:
    """The photos with tags by the name of their file, sorted.

    Raises:
        DatasetError: a name that cannot be the file's, or two photos of one name.
    """
    chosen: dict[str, Photo] = {}
    for photo in photos:
        match = _NAME.fullmatch(photo.name)
        if match is None or match[1] not in IMAGE_SUFFIXES or photo.name in chosen:
            raise DatasetError(
                f"Expected photos with 64 hexadecimal digits and a suffix such as .jpg, each once, received "
                f"{photo.name!r}. Name it by its SHA-256 and its format."
            )
        if tags_of(photo.tags, photo.regions):
            chosen[photo.name] = photo
    return dict(sorted(chosen.items()))


def bring(folder: Path, photos: Mapping[str, Photo], fetch: Fetch) -> None:
    """Fetch the photos that are not there, and remove those that have left.

    A file that has its name is whole and on the disk.

    Args:
        folder: the workspace.
        photos: see `tagged`.
        fetch: puts a photo at a path that does not exist yet, in a folder that does; called in threads.

    Raises:
        PipelineError: a photo could not be fetched, or the disk is full or cannot be written. What `fetch`
            raises passes through unless it is an OSError.
    """
    try:
        _bring(folder, photos, fetch)
    except OSError as error:
        raise PipelineError(
            f"The photos could not be brought together ({error.strerror or error}). Free some space on the "
            "worker's disk, see that the storage can be reached, then train again."
        ) from error


def annotate(folder: Path, photos: Mapping[str, Photo]) -> None:
    """Write the table of tags and regions; the same photos give the same bytes.

    Raises:
        DahliaError: the disk is full, or cannot be written.
    """
    images = (folder / IMAGES).resolve()
    annotations = [
        Annotation(images / name, tags_of(photo.tags, photo.regions), photo.regions)
        for name, photo in photos.items()
    ]
    table.save(annotations, folder / ANNOTATIONS)


def _share(link: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.readlink() == target.resolve():
        return
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target.resolve(), target_is_directory=True)


def _bring(folder: Path, photos: Mapping[str, Photo], fetch: Fetch) -> None:
    images = folder / IMAGES
    images.mkdir(parents=True, exist_ok=True)
    present = {entry.name: entry.is_dir(follow_symlinks=False) for entry in os.scandir(images)}
    for name in present.keys() - photos.keys():
        if present[name]:
            shutil.rmtree(images / name)
        else:
            (images / name).unlink()
    missing = [name for name in photos if name not in present]
    if missing:
        _fetch_all(folder / ARRIVING, images, {name: photos[name] for name in missing}, fetch)


def _fetch_all(arriving: Path, images: Path, photos: Mapping[str, Photo], fetch: Fetch) -> None:
    shutil.rmtree(arriving, ignore_errors=True)  # of a run that was killed
    arriving.mkdir(parents=True)
    with ThreadPoolExecutor(_THREADS) as threads:
        for names in _batches(list(photos)):
            for _ in threads.map(lambda name: fetch(photos[name], arriving / name), names):
                pass
            for name in names:
                flush(arriving / name)
                (arriving / name).rename(images / name)
            flush(images)
    arriving.rmdir()


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), _BATCH):
        yield names[first : first + _BATCH]
