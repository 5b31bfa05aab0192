"""A project's past from what its iterations saw, one after the other.

Everything has the epochs between which it was there, as `dahlia.server.database.tables` keeps them: what the
iteration of epoch e saw first was added in e, what it saw no more was removed in e.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from dahlia.server.database.types import new_id
from dahlia.server.rescue.finding import View
from dahlia.server.rescue.records import ImageEntry, RegionEntry, TagPart


@dataclass(slots=True, eq=False)
class PastTag:
    """A tag; its name is the last."""

    part: TagPart
    added: int
    removed: int | None = None


@dataclass(slots=True, eq=False)
class PastLabel:
    """A tag of an image, or a region of it."""

    tag: PastTag
    added: int
    region: RegionEntry | None = None
    removed: int | None = None

    @property
    def content(self) -> tuple[str, RegionEntry | None]:
        """What tells it from others of the image."""
        return self.tag.part.id, self.region


@dataclass(slots=True, eq=False)
class PastImage:
    """An image; `seen` is the last epoch that names it."""

    id: str
    sha256: str
    created: datetime | None
    metadata: dict[str, str]
    added: int
    removed: int | None = None
    seen: int = 0
    labels: list[PastLabel] = field(default_factory=list)

    @property
    def live(self) -> list[PastLabel]:
        """Its present labels."""
        return [label for label in self.labels if label.removed is None]


class Timeline:
    """Takes what iterations saw, the oldest first.

    Args:
        present: SHA-256s of the images whose files are there; others are not taken.
        single: whether images should have one tag; it ends with the first that is seen with more.

    Attributes:
        tags: all that there ever were.
        images: the same.
        missing: how many images were named whose files are not there.
    """

    def __init__(self, present: Container[str], *, single: bool) -> None:
        self._present = present
        self._single = single
        self._tags: dict[str, PastTag] = {}
        self._live: dict[str, PastImage] = {}
        self._ids: set[str] = set()
        self._missing: set[str] = set()
        self.images: list[PastImage] = []

    @property
    def tags(self) -> list[PastTag]:
        """All tags, the oldest first."""
        return list(self._tags.values())

    @property
    def missing(self) -> int:
        """Images that were named and are not there."""
        return len(self._missing)

    def add(self, epoch: int, view: View) -> None:
        """Take what the iteration of an epoch saw.

        Args:
            epoch: higher than those before.
            view: a whole one takes away what it does not name; another says nothing of the rest.
        """
        self._single = self._single and all(len(entry.tags) < 2 for entry in view.images)
        self._add_tags(epoch, view)
        known = {tag.id for tag in view.tags}
        for entry in view.images:
            if entry.sha256 not in self._present:
                self._missing.add(entry.sha256)
                continue
            image = self._image(epoch, entry)
            self._label(epoch, image, entry, None if view.whole else known)
        if view.whole:
            for image in [one for one in self._live.values() if one.seen != epoch]:
                self._remove(epoch, image)

    def _add_tags(self, epoch: int, view: View) -> None:
        ids, names = {tag.id for tag in view.tags}, {tag.name for tag in view.tags}
        gone = [
            tag
            for identity, tag in self._tags.items()
            if tag.removed is None and identity not in ids and (view.whole or tag.part.name in names)
        ]
        for tag in gone:
            tag.removed = epoch
        if gone:
            _close(epoch, (label for image in self._live.values() for label in image.live), gone)
        for part in view.tags:
            past = self._tags.setdefault(part.id, PastTag(part, epoch))
            past.removed = None
            past.part = part if view.whole else past.part.model_copy(update={"name": part.name})

    def _image(self, epoch: int, entry: ImageEntry) -> PastImage:
        image = self._live.get(entry.sha256)
        if image and entry.id and entry.id != image.id:
            if image.id in self._ids:  # it was deleted and uploaded again
                self._remove(epoch, image)
                image = None
            elif entry.id not in self._ids:  # the id was made up, as long as no file named it
                image.id = entry.id
        if image is None:
            identity = entry.id if entry.id and entry.id not in self._ids else new_id()
            image = PastImage(identity, entry.sha256, entry.created, entry.metadata or {}, epoch)
            self._live[entry.sha256] = image
            self.images.append(image)
        if entry.id:
            self._ids.add(image.id)
            image.created, image.metadata = entry.created, entry.metadata or {}
        image.seen = epoch
        return image

    def _label(self, epoch: int, image: PastImage, entry: ImageEntry, known: Container[str] | None) -> None:
        """Give an image the labels of an entry, and take from it those that the entry would name."""
        wanted = {(tag, None): None for tag in entry.tags if tag in self._tags} | {
            (region.tag, region): region for region in entry.regions if region.tag in self._tags
        }
        alone = self._single and bool(wanted)
        for label in image.live:
            if label.content in wanted:
                del wanted[label.content]
            elif known is None or alone or label.tag.part.id in known:
                label.removed = epoch
        image.labels += [PastLabel(self._tags[tag], epoch, region) for (tag, _), region in wanted.items()]

    def _remove(self, epoch: int, image: PastImage) -> None:
        image.removed = epoch
        _close(epoch, image.live)
        del self._live[image.sha256]


def _close(epoch: int, labels: Iterable[PastLabel], tags: list[PastTag] | None = None) -> None:
    for label in labels:
        if tags is None or label.tag in tags:
            label.removed = epoch
