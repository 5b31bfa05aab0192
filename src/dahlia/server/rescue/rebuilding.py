"""What is rebuilt: the images that are whole, and a project's rows from what its iterations' files say.

Each image is decoded to its end and compared with its name, and gets a thumbnail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from dahlia.dataset.imaging import MAX_EDGE
from dahlia.dataset.tag_rules import TAG_RULES
from dahlia.server.contract.domains import domain_of
from dahlia.server.contract.enums import CLASSIFIERS, KINDS, IterationStatus, ProjectStatus, TrainingType
from dahlia.server.images.validation import Limits, Refused, receive
from dahlia.server.projects.choices import AUGMENTATION
from dahlia.server.rescue.finding import Found, read_view
from dahlia.server.rescue.timeline import Timeline
from dahlia.server.storage.backend import Entry, NotThere
from dahlia.server.storage.names import IMAGES, THUMBNAILS, image_key, sha256_of_key, thumbnail_key
from dahlia.server.storage.storage import Storage

THREADS = 8  # an image in a bucket is mostly waiting
BATCH = 64

_MOST_BYTES = 256 << 20  # no image that was ever taken has as many
# What was taken once is taken again, whatever the limits are now.
_LIMITS = Limits(max_bytes=_MOST_BYTES, max_edge=MAX_EDGE, max_aspect=MAX_EDGE)


@dataclass(frozen=True)
class Rebuilt:
    """A project as it will be.

    Attributes:
        columns: of its row.
        iterations: columns of their rows but for the project's key, and the keys of their exports' files.
        timeline: its tags and images.
    """

    columns: dict[str, Any]
    iterations: list[tuple[dict[str, Any], tuple[str, ...]]]
    timeline: Timeline


def rebuild(
    storage: Storage, found: Sequence[Found], photos: Mapping[str, StoredPhoto], problems: list[str]
) -> Rebuilt:
    """Rebuild a project.

    Args:
        storage: has the iterations' files.
        found: the project's iterations, the oldest first.
        photos: images that can be used, by their SHA-256.
        problems: gets a line for each file that cannot be used.

    Raises:
        StorageError: the storage cannot be read.
    """
    columns = _project(found)
    timeline = Timeline(photos, single=TAG_RULES[KINDS[columns["classification"]]].exclusive)
    iterations = []
    numbers = _numbers(found)
    for epoch, (one, number) in enumerate(zip(found, numbers, strict=True), 1):
        timeline.add(epoch, read_view(storage, one, problems))
        iterations.append((_iteration(one, epoch, number), one.exports))
    columns |= {
        "epoch": len(found) + 1,
        "revision": len(found) + 1,  # a training is never refused as one of what was trained already
        "iterations_made": max(numbers),
    }
    return Rebuilt(columns, iterations, timeline)


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


def _numbers(found: Sequence[Found]) -> list[int]:
    numbers: list[int] = []
    for one in found:
        after = numbers[-1] + 1 if numbers else 1
        numbers.append(max(after, one.record.iteration.number) if one.record else after)
    return numbers


def _project(found: Sequence[Found]) -> dict[str, Any]:
    newest_record = next((one.record for one in reversed(found) if one.record), None)
    newest, oldest = found[-1], found[0]
    common: dict[str, Any] = {
        "id": newest.project_id,
        "container_uri": None,
        "queue_uri": None,
        "status": ProjectStatus.SUCCEEDED,
        "modified": newest.moment,
    }
    if newest_record:
        part = newest_record.project
        names = (
            "name",
            "description",
            "pipeline_name",
            "domain_id",
            "classification",
            "use_negative_set",
            "augmentation",
            "created",
        )
        return (
            common
            | {name: getattr(part, name) for name in names}
            | {"export_platforms": list(part.export_platforms)}
        )
    card = newest.card
    return common | {
        "name": _plain_name(card.project, newest.project_id),
        "description": "",
        "pipeline_name": card.project,
        "domain_id": domain_of(card.domain_id).id,
        "classification": CLASSIFIERS[card.kind],
        "export_platforms": [],
        "use_negative_set": True,
        "augmentation": dict(AUGMENTATION),
        "created": oldest.moment,
    }


def _plain_name(pipeline_name: str, project_id: str) -> str:
    """A project's name out of `dahlia.server.workspaces.snapshot.pipeline_name`, as far as that kept it."""
    return pipeline_name.removesuffix(f"-{project_id[:8]}") or pipeline_name


def _iteration(found: Found, epoch: int, number: int) -> dict[str, Any]:
    common: dict[str, Any] = {
        "id": found.id,
        "number": number,
        "status": IterationStatus.COMPLETED,
        "modified": found.moment,
        "trained": found.moment,
        "epoch": epoch,
        "revision": epoch,
        "tag_ids": found.tag_ids,
        "publish_name": None,
        "publish_resource": None,
        "error": None,
        "files": True,
    }
    return common | (_recorded(found) if found.record else _guessed(found, number))


def _recorded(found: Found) -> dict[str, Any]:
    assert found.record is not None
    part = found.record.iteration
    names = (
        "name", "created", "domain_id", "classification", "use_negative_set", "training_type", "budget_hours",
        "base_project_id", "base_iteration_id",
    )  # fmt: skip
    return {name: getattr(part, name) for name in names} | {
        "chosen_tags": list(part.chosen_tags),
        "minutes": found.record.minutes,
        "run_id": found.record.run_id,
    }


def _guessed(found: Found, number: int) -> dict[str, Any]:
    card = found.card
    advanced = card.training.recipe == "advanced"
    return {
        "name": f"Iteration {number}",
        "created": found.moment,
        "domain_id": domain_of(card.domain_id).id,
        "classification": CLASSIFIERS[card.kind],
        "use_negative_set": False,  # versions that had one left a record
        "training_type": TrainingType.ADVANCED if advanced else TrainingType.REGULAR,
        "budget_hours": 0,
        "minutes": 1,
        "base_project_id": None,
        "base_iteration_id": None,
        "chosen_tags": [],
        "run_id": None,
    }


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
