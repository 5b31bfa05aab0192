"""The iterations whose files are in a storage, their projects, and what each of them saw of its project."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from dahlia.errors import DatasetError, ServiceError
from dahlia.modeling.card import FILE_NAME, ModelCard
from dahlia.server.contract.domains import domain_of
from dahlia.server.contract.enums import TagType
from dahlia.server.jobs.training_data import PREDICTIONS, SERVABLE, artifact_key
from dahlia.server.rescue.judged_images import TRUTH
from dahlia.server.rescue.records import IMAGES_TABLE, RECORD, ImageEntry, Record, TagPart, read_images
from dahlia.server.storage.backend import NotThere
from dahlia.server.storage.names import EXPORTS, ITERATIONS, is_id
from dahlia.server.storage.storage import Storage

_CARD = f"{SERVABLE}/{FILE_NAME}"
_NEEDED = (_CARD, f"{SERVABLE}/model.onnx")  # without them nothing can be predicted
_NAMED = (*_NEEDED, PREDICTIONS, RECORD, IMAGES_TABLE)

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Found:
    """An iteration that can be served.

    Attributes:
        id: of it.
        card: of its model, with the server's ids.
        record: what it says of its project; None for iterations of versions that wrote none.
        moment: when it was trained, as far as that is known.
        files: those of `_NAMED` that are there.
        exports: keys of its zips.
    """

    id: str
    card: ModelCard
    record: Record | None
    moment: datetime
    files: frozenset[str]
    exports: tuple[str, ...]

    @property
    def project_id(self) -> str:
        """Of its project."""
        return self.record.project.id if self.record else self.card.project_id

    @property
    def tag_ids(self) -> dict[str, str]:
        """Ids by the names that the model knows."""
        return self.record.iteration.tag_ids if self.record else {tag.name: tag.id for tag in self.card.tags}


def find_iterations(storage: Storage, problems: list[str]) -> list[Found]:
    """The iterations in a storage, the oldest first.

    Args:
        storage: is only read.
        problems: gets a line for each that cannot be used.

    Raises:
        StorageError: the storage cannot be read.
    """
    exports = _exports(storage)
    found = []
    for identity, files in _files(storage).items():
        problem = _unusable(identity, files)
        read = problem or _read(storage, identity, files, exports[identity], problems)
        if isinstance(read, str):
            problems.append(f"{ITERATIONS}/{identity}: {read}")
        else:
            found.append(read)
    # Those without a record are older than the versions that write one, whatever their files' times.
    return sorted(found, key=lambda one: (RECORD in one.files, one.moment, one.id))


def by_project(found: Iterable[Found]) -> dict[str, list[Found]]:
    """Iterations by the ids of their projects, in their order."""
    grouped: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        grouped[one.project_id].append(one)
    return dict(grouped)


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
    truth = _load(storage, found, PREDICTIONS, TRUTH[found.card.kind], problems)
    ids = found.tag_ids
    strange = sorted({name for one in (truth or {}).values() for name in one.tags} - ids.keys())
    if strange:
        problems.append(
            f"{ITERATIONS}/{found.id}/{PREDICTIONS}: expected tags of its model, found {strange[0][:80]!r}; "
            "its images stay untagged"
        )
        truth = None
    images = [one.entry(sha256, ids) for sha256, one in (truth or {}).items()]
    return View(tags, images, whole=False)


def _files(storage: Storage) -> dict[str, dict[str, datetime]]:
    files: dict[str, dict[str, datetime]] = defaultdict(dict)
    for entry in storage.keys(ITERATIONS):
        _, identity, *rest = entry.key.split("/", 2)
        present = files[identity]
        if rest and rest[0] in _NAMED:
            present[rest[0]] = entry.modified
    return files


def _exports(storage: Storage) -> dict[str, tuple[str, ...]]:
    exports: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for entry in storage.keys(EXPORTS):
        if entry.key.endswith(".zip") and entry.key.count("/") == 2:
            exports[entry.key.split("/")[1]] += (entry.key,)
    return exports


def _unusable(identity: str, files: Mapping[str, datetime]) -> str:
    if not is_id(identity):
        return "expected the id of an iteration as its name; it was not imported"
    if missing := [name for name in _NEEDED if name not in files]:
        return (
            f"expected {missing[0]}, found none; it was not imported. A training that was cut off leaves that"
        )
    return ""


def _read(
    storage: Storage,
    identity: str,
    files: Mapping[str, datetime],
    exports: tuple[str, ...],
    problems: list[str],
) -> Found | str:
    try:
        card = ModelCard.model_validate_json(storage.get(artifact_key(identity, _CARD)))
    except ValidationError:
        return f"expected the card of a model in {_CARD}, found something else; it was not imported"
    record = _record(storage, identity, files, problems)
    moment = record.trained if record else files[_CARD]
    found = Found(identity, card, record, moment, frozenset(files), exports)
    try:
        domain_of(record.iteration.domain_id if record else card.domain_id)
    except ServiceError:
        return f"expected a domain of this version, found {card.domain!r}; it was not imported"
    if not is_id(found.project_id):
        return "expected the id of a project in its files, found none; it was not imported"
    if {tag.name for tag in card.tags} - found.tag_ids.keys():
        return f"expected the tags of {_CARD} in {RECORD} too; it was not imported"
    return found


def _record(
    storage: Storage, identity: str, files: Mapping[str, datetime], problems: list[str]
) -> Record | None:
    if RECORD not in files:
        return None
    try:
        record = Record.model_validate_json(storage.get(artifact_key(identity, RECORD)))
        if record.iteration.id == identity:
            return record
    except ValidationError:
        pass
    problems.append(
        f"{ITERATIONS}/{identity}: expected its own {RECORD}, found another; what its model says is used"
    )
    return None


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
            storage.fetch(artifact_key(found.id, name), path, link=False)
            return read(path)
        except (DatasetError, NotThere):
            problems.append(
                f"{ITERATIONS}/{found.id}/{name}: expected a table of images, found a damaged file"
            )
            return None
