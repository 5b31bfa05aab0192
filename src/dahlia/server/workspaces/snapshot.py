"""A project at one moment, as a workspace needs to know it, and names as the pipeline spells them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from dahlia.dataset.readers.sources import tag_name
from dahlia.dataset.records import Region
from dahlia.dataset.tag_rules import trouble_with
from dahlia.kinds import Kind

_MAX_PROJECT_LENGTH = 64


@dataclass(frozen=True)
class Photo:
    """An image of the project.

    Attributes:
        sha256: of its bytes, 64 lower-case hexadecimal digits.
        suffix: `.jpg`, `.png`, ...
        tags: names; an image without any is not in the workspace, unless it is `empty`.
        regions: tagged rectangles.
        group: see `dahlia.dataset.records.Annotation`.
        empty: whether somebody has looked at it and found none of the tags in it.
    """

    sha256: str
    suffix: str
    tags: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    group: str | None = None
    empty: bool = False

    @property
    def name(self) -> str:
        """Of its file in a workspace."""
        return self.sha256 + self.suffix


@dataclass(frozen=True)
class Snapshot:
    """What one training sees.

    Attributes:
        project: the pipeline's name of the project (see `pipeline_name`).
        kind: what its model is to say of a photo.
        negative_tag: the name of the project's negative tag, if it has one.
        use_negative_set: whether the model learns from the built-in negative set too.
        domain: a choice of `conf/domain`, such as `general_compact`.
        recipe: quick, or advanced within a budget.
        budget_minutes: of the advanced recipe; None: what `conf/training/advanced.yaml` ships.
        photos: all images, in any order.
    """

    project: str
    kind: Kind
    negative_tag: str | None
    use_negative_set: bool
    domain: str
    recipe: Literal["quick", "advanced"]
    budget_minutes: float | None
    photos: tuple[Photo, ...]


def pipeline_name(name: str, project_id: str) -> str:
    """A name that the pipeline accepts, from any project name and the project's UUID.

    `Grandma's garden` becomes `Grandma-s garden-1a2b3c4d`: at most 64 letters, digits, spaces and `_ . -`.
    """
    ending = "-" + re.sub(r"[^0-9a-f]", "", project_id.lower())[:8]
    readable = re.sub(r"\s*[^\w .-]+[^\w.]*", "-", unicodedata.normalize("NFC", name))
    readable = re.sub(r"^\W+", "", readable)[: _MAX_PROJECT_LENGTH - len(ending)].strip(" .-")
    return (readable or "project") + ending


def spelling(name: str) -> str:
    """A tag's name as models know it: in Unicode's composed form (NFC), without outer spaces."""
    return unicodedata.normalize("NFC", name).strip()


def check_tag_name(name: str) -> str | None:
    """Why a tag cannot have this name; None where it can.

    See `dahlia.dataset.tag_rules`; neither can a name that the annotation table would give back otherwise
    than it was written (see `spelling`).
    """
    if not name.strip():
        return "Expected the name of a tag, received nothing but spaces. Fill it in."
    if trouble := trouble_with(name):
        return trouble
    if tag_name(name, "the tag") != name:
        return (
            "Expected a name without spaces around it, in Unicode's composed form (NFC), "
            f"received {name!r}. Write {spelling(name)!r}."
        )
    return None
