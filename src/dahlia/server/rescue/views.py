"""What an iteration saw of its project, from the best of its files that can be read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dahlia.errors import DatasetError
from dahlia.modeling.predictions import load_truth
from dahlia.server.contract.enums import TagType
from dahlia.server.jobs.artefacts import PREDICTIONS, artefact_key
from dahlia.server.rescue.finding import Found
from dahlia.server.rescue.records import IMAGES_TABLE, ImageEntry, TagPart, read_images
from dahlia.server.storage.errors import NotThere
from dahlia.server.storage.names import ITERATIONS
from dahlia.server.storage.storage import Storage

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class View:
    """A project as an iteration saw it.

    Attributes:
        tags: that it names.
        images: that it names, each once.
        whole: whether that is all that the project had; otherwise it is what the iteration was judged on.
    """

    tags: tuple[TagPart, ...]
    images: Sequence[ImageEntry]
    whole: bool


def read_view(storage: Storage, found: Found, problems: list[str]) -> View:
    """What the iteration saw; without images where no file tells.

    Args:
        storage: has its files.
        found: the iteration.
        problems: gets a line for each file that cannot be used.

    Raises:
        StorageError: the storage cannot be read.
    """
    tags = found.record.tags if found.record else _tags(found)
    if found.record:
        images = _load(storage, found, IMAGES_TABLE, read_images, problems)
        if images is not None:
            return View(tags, list({image.sha256: image for image in images}.values()), whole=True)
    truth = _load(storage, found, PREDICTIONS, load_truth, problems)
    ids = found.tag_ids
    strange = sorted({name for names in (truth or {}).values() for name in names} - ids.keys())
    if strange:
        problems.append(
            f"{ITERATIONS}/{found.id}/{PREDICTIONS}: expected tags of its model, found {strange[0][:80]!r}; "
            "its images stay untagged"
        )
        truth = None
    images = [
        ImageEntry(None, sha256, tags=tuple(ids[name] for name in names))
        for sha256, names in (truth or {}).items()
    ]
    return View(tags, images, whole=False)


def _tags(found: Found) -> tuple[TagPart, ...]:
    return tuple(
        TagPart(id=tag.id, name=tag.name, description="", type=TagType(tag.type), created=found.moment)
        for tag in found.card.tags
    )


def _load(
    storage: Storage, found: Found, name: str, read: Callable[[Path], _Read], problems: list[str]
) -> _Read | None:
    if name not in found.files:
        problems.append(f"{ITERATIONS}/{found.id}: expected {name}, found none")
        return None
    with tempfile.TemporaryDirectory(prefix="dahlia-rescue-") as folder:
        path = Path(folder) / name
        try:
            storage.fetch(artefact_key(found.id, name), path, link=False)
            return read(path)
        except (DatasetError, NotThere):
            problems.append(
                f"{ITERATIONS}/{found.id}/{name}: expected a table of images, found a damaged file"
            )
            return None
