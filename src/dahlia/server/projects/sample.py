"""The sample that fills an empty project: photos of flowers with tags, or scenes of them with regions.

Another process draws them, so that requests of others are answered meanwhile.
"""

from __future__ import annotations

import csv
import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.kinds import TASKS, Task
from dahlia.server.context import Server
from dahlia.server.database.changes import locked, project_of, visible
from dahlia.server.database.tables import ImageRow, ProjectRow, TagRow
from dahlia.server.images.adding import Arrival, Rejected, StoredImage, add_images
from dahlia.server.images.labels import Box, live_tags, takes_regions
from dahlia.server.images.lifecycle import store_images
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access
from dahlia.server.projects.tags import create_tag

PHOTOS = 30
"""Of each tag of a classifier."""
SCENES = 60
"""Of a detector: some of each tag, and 15 images with a region of it are what a training needs."""
_EDGE = 400  # pixels, about; more than the networks of most domains see
_AT_ONCE = 30  # images in a transaction
_REGIONS = "regions.csv"
_WAITED = 60  # seconds, while another sample is being drawn
_DRAWN = 300  # seconds; it takes ten
_drawing = threading.Lock()
_logger = logging.getLogger("dahlia")


@dataclass(frozen=True)
class Sample:
    """What a project was filled with."""

    images: int
    tags: int


@dataclass(frozen=True)
class _Picture:
    """A file with its tags, by their names; in a scene each with its box."""

    data: bytes
    tags: tuple[str, ...] = ()
    boxes: tuple[tuple[str, Box], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.tags, *(tag for tag, _ in self.boxes))


def fill_with_sample(server: Server, access: Access, project_id: str) -> Sample:
    """Fill an empty project.

    Raises:
        ServiceError: there is none, it has images or tags, or the sample cannot be drawn or stored.
    """
    with server.database.read() as session:
        project = project_of(session, project_id)
        _check_empty(session, project)
        boxed = takes_regions(project.kind)
    pictures = _drawn(boxed=boxed)
    tags = tuple(dict.fromkeys(name for one in pictures for name in one.names))
    images = 0
    for start in range(0, len(pictures), _AT_ONCE):
        part = pictures[start : start + _AT_ONCE]
        files = store_images(server, [one.data for one in part])
        with server.database.write() as session:
            project = locked(session, project_id, server.now())
            if start == 0:
                _check_empty(session, project)
                known = {name: create_tag(session, server, project_id, name, None, None).id for name in tags}
            # A client that deletes a tag meanwhile wants no images of it.
            live = live_tags(session, project, known.values())
            arrivals = [
                _arrival(one, file, {name: tag for name, tag in known.items() if tag in live})
                for one, file in zip(part, files, strict=True)
            ]
            outcomes = add_images(session, project, arrivals, {}, server.settings.limits, server.now())
            taken = [one for one in outcomes if one.image is not None]
            if start == 0 and not taken:
                raise ServiceError("BadRequestImageBatch", outcomes[0].reason)
            images += len(taken)
            record(session, server, access, "add_sample", project_id, images=len(taken))
    return Sample(images, len(tags))


def _check_empty(session: Session, project: ProjectRow) -> None:
    for table, what in ((ImageRow, "images"), (TagRow, "tags")):
        if session.scalar(
            select(table.key).where(table.project_key == project.key, visible(table, None)).limit(1)
        ):
            raise ServiceError(
                "BadRequestInvalid",
                f"Expected a project without images and tags, received {project.name!r}, which has {what}: "
                "they would be mixed with the sample. Make a new project for it.",
            )


def _arrival(one: _Picture, file: StoredImage | Rejected, tags: Mapping[str, str]) -> Arrival:
    return Arrival(
        None,
        file,
        tuple(tags[name] for name in one.tags if name in tags),
        tuple((tags[name], box) for name, box in one.boxes if name in tags),
    )


def _drawn(*, boxed: bool) -> Sequence[_Picture]:
    if not _drawing.acquire(timeout=_WAITED):
        raise _busy("others are being drawn")
    try:
        with tempfile.TemporaryDirectory(prefix="dahlia-sample-") as name:
            folder = Path(name) / "sample"
            _draw(folder, next(task for task, rules in TASKS.items() if rules.boxed == boxed))
            return tuple(_scenes(folder) if boxed else _photos(folder))
    finally:
        _drawing.release()


def _draw(folder: Path, task: Task) -> None:
    command = [sys.executable, "-m", "dahlia", "sample", "--out", str(folder), "--task", task]
    command += ["--images-per-tag", str(PHOTOS), "--scenes", str(SCENES if TASKS[task].boxed else 0)]
    try:
        done = subprocess.run(
            [*command, "--size", str(_EDGE)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=folder.parent,
            timeout=_DRAWN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _busy("this machine does not draw them") from error
    if done.returncode:
        _logger.error("The sample was not drawn: %s", done.stderr.decode(errors="replace")[-2000:])
        raise _busy("drawing them failed; the server's log says why")


def _busy(reason: str) -> ServiceError:
    return ServiceError(
        "ErrorUnknown",
        f"Expected the sample photos, and {reason}. Try again in a minute, or add photos of your own.",
        status=503,
        retry_after=60,
    )


def _photos(folder: Path) -> Iterator[_Picture]:
    """One tag after the other: the first of each, the second of each, so that every part has all."""
    files = sorted(folder.glob("*/*.jpg"), key=lambda file: (file.stem.rpartition("_")[2], file.parent.name))
    for file in files:
        yield _Picture(file.read_bytes(), (file.parent.name,))


def _scenes(folder: Path) -> Iterator[_Picture]:
    boxes: dict[str, list[tuple[str, Box]]] = {file.name: [] for file in sorted(folder.glob("*.jpg"))}
    with (folder / _REGIONS).open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            left, top, width, height = (float(row[name]) for name in ("left", "top", "width", "height"))
            boxes[row["file"]].append((row["tag"], (left, top, min(width, 1 - left), min(height, 1 - top))))
    for name, drawn in boxes.items():
        yield _Picture((folder / name).read_bytes(), boxes=tuple(drawn))
