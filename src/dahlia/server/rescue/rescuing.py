"""`dahlia rescue`: rebuild a server from its storage, in an empty database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from dahlia.errors import DahliaError
from dahlia.server.backup.archive import is_empty
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import create_first_keys
from dahlia.server.rescue.finding import Found, by_project, find_iterations
from dahlia.server.rescue.inserting import RESCUED, insert_project, insert_unnamed
from dahlia.server.rescue.photos import Photos, check_photos
from dahlia.server.rescue.rebuilding import Rebuilt, rebuild

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from dahlia.server.context import Server
    from dahlia.server.keys.keys import Scope


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
