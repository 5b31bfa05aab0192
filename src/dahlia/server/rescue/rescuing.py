"""`dahlia rescue`: rebuild a server from its storage, in an empty database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dahlia.errors import DahliaError
from dahlia.export.formats import form_of
from dahlia.server.backup.archive import is_empty
from dahlia.server.contract.domains import DEFAULT
from dahlia.server.contract.enums import Classifier, ExportStatus, ProjectStatus
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import ExportRow, IterationRow
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import create_first_keys
from dahlia.server.projects.choices import AUGMENTATION
from dahlia.server.rescue.finding import Found, by_project, find_iterations
from dahlia.server.rescue.rebuilding import Photos, Rebuilt, StoredPhoto, check_photos, rebuild
from dahlia.server.rescue.timeline import PastImage, PastTag
from dahlia.server.workspaces.snapshot import pipeline_name

if TYPE_CHECKING:
    from dahlia.server.context import Server
    from dahlia.server.keys.keys import Scope

RESCUED = "Rescued images"

_BATCH = 1000
_ABOUT = "Images of the storage that no iteration names: never trained, or of kept predictions."
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class RescuedProject:
    """What a project has again: images of its workspace, and of them those with tags."""

    id: str
    name: str
    iterations: int
    tags: int
    images: int
    tagged: int
    missing: int = 0


@dataclass
class Rescued:
    """What was found, or would be.

    Attributes:
        projects: the oldest first; images that no iteration names are in the last.
        problems: a line for each file that is not imported.
        images: that are whole.
        thumbnails: that were missing.
        exports: zips that can be downloaded again.
        keys: new ones; empty where nothing was written.
    """

    projects: list[RescuedProject] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    images: int = 0
    thumbnails: int = 0
    exports: int = 0
    keys: dict[Scope, str] = field(default_factory=dict)


def rescue(
    server: Server,
    progress: Callable[[int], None],
    show_keys: Callable[[dict[Scope, str]], None],
    *,
    write: bool = True,
) -> Rescued:
    """Rebuild what the files tell; all rows are written at once, or none is.

    Args:
        server: with an empty database. No file of its storage is changed or deleted; thumbnails are added.
        progress: is called with how many images were looked at.
        show_keys: shows the new keys, just before they are kept.
        write: False to tell what would be found.

    Raises:
        DahliaError: the database is not empty, the storage is, or one of them cannot be used. The command can
            be run again then.
    """
    with server.database.read() as session:
        _check_empty(session)
    rescued = Rescued()
    found = find_iterations(server.storage, rescued.problems)
    photos = check_photos(server.storage, progress, write=write)
    if not found and not photos.good:
        raise _nothing(server, rescued.problems + photos.damaged)
    rescued.problems += photos.damaged
    rescued.images, rescued.thumbnails = len(photos.good), photos.thumbnails
    if not write:
        _collect(server, None, found, photos, rescued)
        return rescued
    try:
        with server.database.write() as session:
            _lock(session)
            _check_empty(session)
            _collect(server, session, found, photos, rescued)
            rescued.keys = create_first_keys(session, server.now())
            record(
                session, server, None, "rescue", None, images=rescued.images, projects=len(rescued.projects)
            )
            show_keys(rescued.keys)
    except IntegrityError as error:
        raise DahliaError(
            "Expected iterations' files that name every project and every tag once, received some of two "
            "servers. Nothing was written. Move those that do not belong here out of iterations/, and run it "
            "again."
        ) from error
    return rescued


def insert_project(session: Session, rebuilt: Rebuilt, photos: Mapping[str, StoredPhoto]) -> int:
    """Insert a project with all that it holds.

    Returns:
        How many exports it has.
    """
    project = ProjectRow(**rebuilt.columns)
    session.add(project)
    session.flush()
    tags = _insert_tags(session, project.key, rebuilt.timeline.tags)
    for images in _batches(rebuilt.timeline.images):
        keys = _insert_images(session, [_image(project, image, photos[image.sha256]) for image in images])
        _insert_labels(session, project, list(zip(images, keys, strict=True)), tags)
    return _insert_iterations(session, project, rebuilt)


def insert_unnamed(session: Session, photos: Mapping[str, StoredPhoto], named: set[str], now: Any) -> str:
    """Insert a project of the images that nobody names, untagged.

    They are kept apart, since they may be of any project, or deleted from it on purpose.

    Returns:
        Its id.
    """
    identity = new_id()
    project = ProjectRow(
        id=identity, name=RESCUED, description=_ABOUT, pipeline_name=pipeline_name(RESCUED, identity),
        domain_id=DEFAULT.id, classification=Classifier.MULTILABEL, export_platforms=[],
        use_negative_set=True, augmentation=dict(AUGMENTATION), container_uri=None, queue_uri=None,
        status=ProjectStatus.SUCCEEDED, created=now, modified=now, epoch=1, revision=1, iterations_made=0,
    )  # fmt: skip
    session.add(project)
    session.flush()
    unnamed = (PastImage(new_id(), sha256, None, {}, 1) for sha256 in photos if sha256 not in named)
    for images in _batches(unnamed):
        _insert_images(session, [_image(project, image, photos[image.sha256]) for image in images])
    return identity


def _collect(
    server: Server, session: Session | None, found: list[Found], photos: Photos, rescued: Rescued
) -> None:
    named: set[str] = set()
    for rebuilt in _rebuilt(server, found, photos, rescued):
        if session is not None:
            rescued.exports += insert_project(session, rebuilt, photos.good)
        named.update(image.sha256 for image in rebuilt.timeline.images)
        rescued.projects.append(_summary(rebuilt))
    if unnamed := sum(sha256 not in named for sha256 in photos.good):
        now = server.now()
        identity = insert_unnamed(session, photos.good, named, now) if session is not None else ""
        rescued.projects.append(RescuedProject(identity, RESCUED, 0, 0, unnamed, 0))


def _rebuilt(server: Server, found: list[Found], photos: Photos, rescued: Rescued) -> Iterator[Rebuilt]:
    for ones in by_project(found).values():
        yield rebuild(server.storage, ones, photos.good, rescued.problems)


def _summary(rebuilt: Rebuilt) -> RescuedProject:
    images = [image for image in rebuilt.timeline.images if image.removed is None]
    return RescuedProject(
        id=rebuilt.columns["id"],
        name=rebuilt.columns["name"],
        iterations=len(rebuilt.iterations),
        tags=sum(tag.removed is None for tag in rebuilt.timeline.tags),
        images=len(images),
        tagged=sum(bool(image.live) for image in images),
        missing=rebuilt.timeline.missing,
    )


def _nothing(server: Server, problems: list[str]) -> DahliaError:
    received = f"{len(problems)} that cannot be used, such as {problems[0]}" if problems else "none"
    return DahliaError(
        f"Expected images or iterations in {server.storage.place}, received {received}. Nothing was written. "
        "See that DAHLIA_STORAGE_URL names the server's files; for a new server start `dahlia serve`."
    )


def _check_empty(session: Session) -> None:
    if not is_empty(session):
        raise DahliaError(
            "Expected an empty database, received one that has keys or projects; nothing was changed. If it "
            "is the server's own, start `dahlia serve`; if it was begun by mistake, name a new one with "
            "DAHLIA_DATABASE_URL, or move dahlia.db, dahlia.db-wal and dahlia.db-shm away, and run it again."
        )


def _lock(session: Session) -> None:
    # Of two rescues at once the second waits, and then finds that the database is not empty.
    if session.connection().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE projects IN EXCLUSIVE MODE"))


def _insert_tags(session: Session, project: int, tags: Sequence[PastTag]) -> dict[str, int]:
    rows = [
        TagRow(project_key=project, added=tag.added, removed=tag.removed, **tag.part.model_dump())
        for tag in tags
    ]
    session.add_all(rows)
    session.flush()
    return {row.id: row.key for row in rows}


def _image(project: ProjectRow, image: PastImage, photo: StoredPhoto) -> dict[str, Any]:
    return {
        "id": image.id,
        "project_key": project.key,
        "sha256": image.sha256,
        "suffix": photo.suffix,
        "width": photo.width,
        "height": photo.height,
        "size": photo.size,
        "details": image.metadata,
        "tagged": bool(image.live),
        "created": image.created or photo.modified,
        "added": image.added,
        "removed": image.removed,
    }


def _insert_images(session: Session, rows: Sequence[dict[str, Any]]) -> Sequence[int]:
    inserted = insert(ImageRow).returning(ImageRow.key, sort_by_parameter_order=True)
    return session.scalars(inserted, rows).all()


def _insert_labels(
    session: Session, project: ProjectRow, images: Sequence[tuple[PastImage, int]], tags: Mapping[str, int]
) -> None:
    labels: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    for image, key in images:
        for label in image.labels:
            row = {
                "image_key": key,
                "tag_key": tags[label.tag.part.id],
                "created": image.created or project.created,
                "added": label.added,
                "removed": label.removed,
            }
            if label.region is None:
                labels.append(row)
            else:
                sides = {side: getattr(label.region, side) for side in ("left", "top", "width", "height")}
                regions.append({"id": label.region.id, **sides, **row})
    for table, rows in ((ImageTagRow, labels), (RegionRow, regions)):
        if rows:
            session.execute(insert(table), rows)


def _insert_iterations(session: Session, project: ProjectRow, rebuilt: Rebuilt) -> int:
    count = 0
    for columns, exports in rebuilt.iterations:
        row = IterationRow(project_key=project.key, **columns)
        session.add(row)
        session.flush()
        for key in exports:
            if (export := _export(row, key)) is not None:
                session.add(export)
                count += 1
    return count


def _export(row: IterationRow, key: str) -> ExportRow | None:
    """An export by the name of its file: the iteration's id, platform and flavour; None for another name."""
    name = key.rpartition("/")[2].removesuffix(".zip")
    platform, _, flavor = name.removeprefix(f"{row.id}.").partition(".")
    if not name.startswith(f"{row.id}.") or form_of(platform, flavor or None) is None:
        return None
    return ExportRow(
        id=new_id(), iteration_key=row.key, platform=platform, flavor=flavor or None,
        status=ExportStatus.DONE, file_key=key, error=None, created=row.modified,
    )  # fmt: skip


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    left = iter(items)
    while batch := list(islice(left, _BATCH)):
        yield batch
