"""What would be read of a source, and what validation would find there.

Decoding photos takes most of the time, so what was found of each is kept in the user's cache folder, and
taken again as long as the file has the same size and time of change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from dahlia import __version__, layout
from dahlia.dataset import archives
from dahlia.dataset.groups import NamedGroups
from dahlia.dataset.photo_files import is_there
from dahlia.dataset.readers import read
from dahlia.dataset.readers.folder import Groups, SplitFolders
from dahlia.dataset.readers.reading import Reading
from dahlia.dataset.source_summary import SourceSummary, summarise
from dahlia.dataset.tag_rules import TAG_RULES
from dahlia.errors import DahliaError
from dahlia.files import write_text
from dahlia.kinds import Task
from dahlia.user_cache import is_own_file, user_cache

if TYPE_CHECKING:
    from dahlia.dataset.inspection import Inspection
    from dahlia.dataset.validation import Validation
    from dahlia.params import Params

_MISSING = "missing"
_MOST_KEPT = 1 << 30  # bytes of a file in the cache
Track = Callable[[Iterable["Inspection"], int], Iterable["Inspection"]]


class Kind(BaseModel):
    """The findings of one code: how grave, how many, and the first of them."""

    code: str
    severity: str
    title: str
    remedy: str
    count: int
    example: str


class Look(BaseModel):
    """What a source holds.

    Attributes:
        source: how it is read, and what becomes of its files.
        images: distinct images that can be used.
        tags: for each tag, by name, its usable images for training and in the test set.
        findings: by code, the gravest first.
        groups: how the usable training images are grouped by name; None where none of them is.
        boxes: likewise the boxes of each tag; empty where tags alone are learned.
        background: how many of `images` show no object.
    """

    source: SourceSummary
    images: int
    tags: dict[str, tuple[int, int]]
    findings: list[Kind]
    groups: NamedGroups | None = None
    boxes: dict[str, tuple[int, int]] = {}
    background: int = 0


@dataclass(frozen=True)
class _Kept:
    """Where the cache of a source is."""

    look: Path
    rows: Path


def look_at(
    source: Path,
    project: Path,
    *,
    format: str = "auto",
    split_folders: SplitFolders = "auto",
    groups: Groups = "auto",
    task: Task | None = None,
    track: Track = lambda rows, _: rows,
) -> Look:
    """Read a source, and validate it.

    Args:
        source: a folder, an annotation file or an archive.
        project: the project folder, whose parameters count; the defaults do where it is none.
        format: see `dahlia.dataset.readers.read`.
        split_folders: see `dahlia.dataset.readers.folder`.
        groups: see `dahlia.dataset.readers.read`.
        task: what the photos are for, with the defaults; None for what the parameters say.
        track: is given the rows of photos that are decoded, and their number.

    Raises:
        DahliaError: the source or the parameters cannot be read.
    """

    def boxed() -> bool:
        return TAG_RULES[_params(project, task).kind].boxed

    reading = read(source, format, split_folders=split_folders, groups=groups, boxed=boxed)
    facts = [_facts(annotation.path) for annotation in reading.annotations]
    parameters = f"{task}\n{_parameters(project)}"
    key = _key(reading, facts, parameters)
    kept = _kept(reading.root)
    found = _load(kept.look, key)
    if found is None:
        params = _params(project, task)
        rows = _rows(reading, facts, params, kept.rows, track)
        found = _validated(reading, rows, params)
        _keep(kept.look, found, key)
    return found


def _validated(reading: Reading, rows: list[Inspection], params: Params) -> Look:
    from dahlia.dataset.inspection import merge_copies
    from dahlia.dataset.stated_sizes import with_stated_sizes
    from dahlia.dataset.validation import validate

    rows, notes = with_stated_sizes(reading.annotations, rows, reading.root)
    source = summarise(reading, reading.root, notes)
    validation = validate(rows, merge_copies(rows), params, source)
    return Look(
        source=source,
        images=validation.images,
        tags=validation.tags,
        findings=_by_code(validation),
        groups=validation.groups,
        boxes=validation.boxes,
        background=validation.background,
    )


def _by_code(validation: Validation) -> list[Kind]:
    from dahlia.dataset.findings import RULES

    kinds: dict[str, Kind] = {}
    for finding in validation.findings:
        rule = RULES[finding.code]
        subject = ", ".join(finding.files[:2]) + (", ..." if len(finding.files) > 2 else "")
        example = f"{subject}: {finding.found}" if subject else finding.found
        first = Kind(
            code=finding.code,
            severity=rule.severity,
            title=rule.title,
            remedy=rule.remedy,
            count=0,
            example=example,
        )
        kinds.setdefault(finding.code, first).count += 1
    return list(kinds.values())


def _rows(
    reading: Reading, facts: Sequence[str], params: Params, path: Path, track: Track
) -> list[Inspection]:
    from dahlia.dataset.inspection import load_inspection, save_inspection
    from dahlia.dataset.inspector import inspect_all
    from dahlia.dataset.records import clipped, project_path

    path = path.with_stem(f"{path.stem}-{params.validate_.max_bytes}")
    try:
        known = (
            {(row.path, row.source): row for row in load_inspection(path) if row.problem or row.orientation}
            if is_own_file(path, _MOST_KEPT)
            else {}
        )
    except (DahliaError, ValueError, TypeError):
        known = {}
    names = [project_path(annotation.path, reading.root) for annotation in reading.annotations]
    pairs = list(zip(reading.annotations, names, facts, strict=True))
    waiting = [one for one, name, fact in pairs if fact == _MISSING or (name, fact) not in known]
    inspected = inspect_all(waiting, reading.root, max_bytes=params.validate_.max_bytes)
    fresh = {row.path: row for row in track(inspected, len(waiting))}
    found = [fresh[name] if name in fresh else known[name, fact] for _, name, fact in pairs]
    # The cache has the facts of each file in place of what the source says, which may change without it.
    kept = [
        replace(row, source=fact, tags=(), regions=(), group=None)
        for row, fact in zip(found, facts, strict=True)
    ]
    _quietly(lambda: save_inspection(path, kept))
    return [
        replace(
            row,
            source=annotation.source,
            subset=annotation.subset,
            tags=annotation.tags,
            regions=tuple(clipped(region, row.width, row.height) for region in annotation.regions)
            if row.width and row.height
            else annotation.regions,
            group=annotation.group,
        )
        for row, annotation in zip(found, reading.annotations, strict=True)
    ]


def _facts(path: Path) -> str:
    """What tells that a file is the one that was looked at: its size and its time of change."""
    try:
        facts = os.stat(path)  # noqa: PTH116
    except NotADirectoryError:
        place = archives.inside(path)
        return f"{_facts(place[0])} {is_there(path)}" if place else _MISSING
    except OSError:
        return _MISSING
    return f"{facts.st_size} {facts.st_mtime_ns}"


def _parameters(project: Path) -> str:
    try:
        return (project / layout.PARAMS).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _params(project: Path, task: Task | None) -> Params:
    from dahlia.composition import compose, template
    from dahlia.config import check_params, load_params
    from dahlia.project import STARTS

    if (project / layout.PARAMS).is_file():
        params = load_params(project / layout.PARAMS)
        if task in (None, params.domain.task):
            return params
    domain = [f"domain={STARTS[task].domain}"] if task else []
    return check_params(compose(template(), domain), "conf/")


def _key(reading: Reading, facts: Sequence[str], parameters: str) -> str:
    digest = hashlib.sha256(f"{__version__}\n{parameters}\n{reading.recognised()}\n".encode())
    for annotation, fact in zip(reading.annotations, facts, strict=True):
        digest.update(repr((annotation, fact)).encode(errors="surrogateescape"))
    said = (reading.notes, reading.litter, reading.documents, reading.unlabelled)
    digest.update(repr(said).encode(errors="surrogateescape"))
    return digest.hexdigest()


def _kept(root: Path) -> _Kept:
    name = hashlib.sha256(os.fsencode(root) + __version__.encode()).hexdigest()[:24]
    folder = user_cache("inspect")
    return _Kept(folder / f"{name}.json", folder / f"{name}.parquet")


def _load(path: Path, key: str) -> Look | None:
    if not is_own_file(path, _MOST_KEPT):
        return None
    try:
        first, _, rest = path.read_text("utf-8").partition("\n")
        return Look.model_validate_json(rest) if first == key else None
    except (OSError, UnicodeDecodeError, PydanticError):
        return None


def _keep(path: Path, look: Look, key: str) -> None:
    _quietly(lambda: write_text(path, f"{key}\n{look.model_dump_json()}"))


def _quietly(write: Callable[[], None]) -> None:
    """Write to the cache; without one, the next look takes longer and nothing else changes."""
    try:
        write()
    except (OSError, DahliaError, ValueError):
        return
