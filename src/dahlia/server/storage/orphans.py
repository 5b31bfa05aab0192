"""Images that no row names: an upload was cut off between its files and its rows, or the rows are deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeAlias

from dahlia.server.storage.names import IMAGES, RESIZED, THUMBNAILS, sha256_of_key
from dahlia.server.storage.storage import Entry, Storage

KEPT = timedelta(days=1)  # an upload writes its files first, and may be at work
BATCH = 500  # images asked about at once

Known: TypeAlias = Callable[[Sequence[str]], set[str]]
"""Given SHA-256s of images, those that some row names."""


def orphans(storage: Storage, known: Known, older_than: timedelta = KEPT) -> Iterator[str]:
    """Keys of images, thumbnails and scaled images whose image no row names.

    Args:
        storage: the files.
        known: is asked about at most `BATCH` images at a time.
        older_than: younger files are left alone.
    """
    before = datetime.now(UTC) - older_than
    old = (entry.key for entry in _images(storage) if entry.modified < before and sha256_of_key(entry.key))
    for keys in _batches(old):
        named = known(sorted({sha256_of_key(key) for key in keys}))
        yield from (key for key in keys if sha256_of_key(key) not in named)


def remove_orphans(storage: Storage, known: Known, older_than: timedelta = KEPT) -> int:
    """Delete what `orphans` finds; a file that is being uploaded again just now stays.

    Returns:
        How many files are gone.
    """
    before = datetime.now(UTC) - older_than
    return sum(storage.delete_stale(key, before) for key in orphans(storage, known, older_than))


def _images(storage: Storage) -> Iterator[Entry]:
    for folder in (IMAGES, THUMBNAILS, RESIZED):
        yield from storage.keys(folder)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    left = iter(keys)
    while batch := list(islice(left, BATCH)):
        yield batch
