"""The images of a storage: each decoded to its end and compared with its name, with a thumbnail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from dahlia.dataset.imaging import MAX_EDGE
from dahlia.server.images.validation import Limits, Refused, receive
from dahlia.server.storage.backend import Entry
from dahlia.server.storage.errors import NotThere
from dahlia.server.storage.names import IMAGES, THUMBNAILS, image_key, sha256_of_key, thumbnail_key
from dahlia.server.storage.storage import Storage

THREADS = 8  # an image in a bucket is mostly waiting
BATCH = 64

_MOST_BYTES = 256 << 20  # no image that was ever taken has as many
# What was taken once is taken again, whatever the limits are now.
_LIMITS = Limits(max_bytes=_MOST_BYTES, max_edge=MAX_EDGE, max_aspect=MAX_EDGE)


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """An image whose file is as it was taken; see `dahlia.server.database.tables.ImageRow`."""

    suffix: str
    width: int
    height: int
    size: int
    modified: datetime


@dataclass
class Photos:
    """What was found.

    Attributes:
        good: images by their SHA-256.
        damaged: a line for each that is not imported.
        thumbnails: how many were made again, or would be.
    """

    good: dict[str, StoredPhoto] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    thumbnails: int = 0


def check_photos(storage: Storage, progress: Callable[[int], None], *, write: bool) -> Photos:
    """Look at every image of a storage.

    Args:
        storage: of which no file is changed or deleted.
        progress: is called with how many were looked at, every `BATCH` of them.
        write: whether thumbnails that are missing are made.

    Raises:
        StorageError: the storage cannot be read, or a thumbnail cannot be written.
    """
    present = {sha256_of_key(entry.key) for entry in storage.keys(THUMBNAILS) if entry.size}
    photos, done = Photos(), 0
    with ThreadPoolExecutor(THREADS, "rescue") as pool:
        for entries in _batches(storage.keys(IMAGES)):
            made: dict[str, bytes] = {}
            for entry, (sha256, found, thumbnail) in zip(
                entries, _in_order(pool, storage, entries), strict=True
            ):
                if isinstance(found, str):
                    photos.damaged.append(f"{entry.key}: {found}")
                    continue
                photos.good[sha256] = found
                if sha256 not in present:
                    made[thumbnail_key(sha256)] = thumbnail
            photos.thumbnails += len(made)
            if write:
                storage.put_many(made)
            done += len(entries)
            progress(done)
    return photos


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    left = iter(entries)
    while batch := list(islice(left, BATCH)):
        yield batch


_Looked = tuple[str, StoredPhoto | str, bytes]


def _in_order(pool: ThreadPoolExecutor, storage: Storage, entries: Sequence[Entry]) -> Iterator[_Looked]:
    return pool.map(lambda entry: _look(storage, entry), entries)


def _look(storage: Storage, entry: Entry) -> _Looked:
    sha256 = sha256_of_key(entry.key)
    if not sha256:
        return "", "its name is not that of an image; it was not imported", b""
    if entry.size > _MOST_BYTES:
        return sha256, "it is too large for an image; it was not imported", b""
    try:
        data = storage.get(entry.key)
        if hashlib.sha256(data).hexdigest() != sha256:
            return sha256, "its content is not what its name says; it was not imported", b""
        taken = receive(data, _LIMITS)
    except NotThere:
        return sha256, "it was deleted meanwhile", b""
    except Refused as refused:
        return sha256, f"{refused.message} It was not imported", b""
    if image_key(sha256, taken.suffix) != entry.key:
        return (
            sha256,
            f"expected as {image_key(sha256, taken.suffix)}; it was not imported. Upload it again",
            b"",
        )
    photo = StoredPhoto(taken.suffix, taken.width, taken.height, taken.size, entry.modified)
    return sha256, photo, taken.thumbnail
