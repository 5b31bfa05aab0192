"""Files that no row names and that nobody is known to have deleted: listed, and kept for a month at least.

Most are what an upload left that was cut off between its files and its rows. But they may also be all that is
left of rows that were lost; so deleting them takes a month, a limit, and a database that is at least as old,
and images among them can become untagged images of a project (`dahlia orphans restore`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from dahlia.errors import ConfigError
from dahlia.server.database.changes import locked
from dahlia.server.database.tables import IdentityRow, OrphanRow
from dahlia.server.images.adding import Arrival, add_images
from dahlia.server.images.lifecycle import store_images
from dahlia.server.keys.audit import record
from dahlia.server.ownership import BATCH, FOLDERS, Owner, all_discarded, batches, named, owner_of
from dahlia.server.projects.projects import find_project
from dahlia.server.storage.names import IMAGES, resized_key, sha256_of_key, thumbnail_key

if TYPE_CHECKING:
    from dahlia.server.context import Server
    from dahlia.server.storage.storage import Entry

FRESH = timedelta(days=1)  # younger files may be an upload's, or an import's, whose rows come last
LEAST_LIMIT, MOST_LIMIT, SHARE = 10, 100, 0.01

_RESTORED_AT_ONCE = 32

_logger = logging.getLogger("dahlia.server")


class Found(NamedTuple):
    """What a search came to.

    Attributes:
        files: how many files there are in all.
        orphans: how many no row names.
        size: bytes of these.
        new: how many of these were not known before.
        young: how many files were too young to be looked at.
    """

    files: int
    orphans: int
    size: int
    new: int
    young: int


def find_orphans(server: Server, fresh: timedelta = FRESH) -> Found:
    """Look at every file, and bring the list of orphans up to date.

    Args:
        server: has database and files.
        fresh: younger files are not looked at.

    Raises:
        DahliaError: database or storage cannot be used.
    """
    now = server.now()
    with server.database.read() as session:
        gone, listed = all_discarded(session), set(session.scalars(select(OrphanRow.file)))
    files = orphans = size = new = young = 0
    for entries in batches(_entries(server), BATCH):
        files += len(entries)
        old = [entry for entry in entries if entry.modified < now - fresh]
        young += len(entries) - len(old)
        found = _nameless(server, old, gone)
        fresh_ones = [entry for entry in found if entry.key not in listed]
        _list(server, fresh_ones, now)
        listed.difference_update(entry.key for entry in found)
        orphans, new = orphans + len(found), new + len(fresh_ones)
        size += sum(entry.size for entry in found)
    unlist(server, listed)  # they have a row again, or no file
    return Found(files, orphans, size, new, young)


def due_orphans(server: Server, kept: timedelta) -> list[OrphanRow]:
    """The listed ones that may be deleted: found long enough ago, and not older than the database.

    Args:
        server: has the database.
        kept: how long ago they must have been found.
    """
    with server.database.read() as session:
        identity = session.get(IdentityRow, 1)
        if identity is None:
            return []
        due = OrphanRow.found <= server.now() - kept, OrphanRow.written >= identity.made
        return list(session.scalars(select(OrphanRow).where(*due).order_by(OrphanRow.file)))


def listed_orphans(server: Server, kept: timedelta) -> list[OrphanRow]:
    """The listed ones that were found long enough ago, also those that are older than the database.

    Args:
        server: has the database.
        kept: how long ago they must have been found.
    """
    with server.database.read() as session:
        found = OrphanRow.found <= server.now() - kept
        return list(session.scalars(select(OrphanRow).where(found).order_by(OrphanRow.file)))


def limit_of(files: int) -> int:
    """How many orphans one run may delete: a hundredth of the files, at least 10 and at most 100."""
    return min(MOST_LIMIT, max(LEAST_LIMIT, int(files * SHARE)))


def delete_orphans(server: Server, rows: Sequence[OrphanRow]) -> int:
    """Delete files of the list that no row names and that were not written again.

    Returns:
        How many are gone.

    Raises:
        DahliaError: database or storage cannot be used.
    """
    deleted = 0
    for some in batches(rows, BATCH):
        with server.database.read() as session:
            in_use = named(session, filter(None, (owner_of(row.file) for row in some)))
        gone = [row.file for row in some if owner_of(row.file) not in in_use and _delete(server, row)]
        unlist(server, [row.file for row in some if owner_of(row.file) in in_use or row.file in gone])
        deleted += len(gone)
    return deleted


def clean_orphans(server: Server, found: Found, kept: timedelta) -> int:
    """Delete the orphans that are due, if they are few.

    Returns:
        How many were deleted.

    Raises:
        DahliaError: database or storage cannot be used.
    """
    due, limit = due_orphans(server, kept), limit_of(found.files)
    if not due:
        return 0
    if len(due) > limit:
        _logger.error(
            "%d files that no row names could be deleted now, such as %s. That is more than the %d of %d "
            "files that one run may delete, so none was. `dahlia orphans list` shows them, `dahlia orphans "
            "restore` makes them images again, `dahlia orphans purge` deletes them.",
            len(due), due[0].file, limit, found.files,
        )  # fmt: skip
        return 0
    _logger.warning(
        "Deleting %d files that no row has named since %s, %s and others.",
        len(due), f"{max(row.found for row in due):%Y-%m-%d}", due[0].file,
    )  # fmt: skip
    return delete_orphans(server, due)


def unlist(server: Server, files: Iterable[str]) -> None:
    """Take files from the list."""
    for some in batches(sorted(files), BATCH):
        with server.database.write() as session:
            _delete_rows(session, some)


class Restored(NamedTuple):
    """What became of orphans.

    Attributes:
        images: how many are images of the project now, or were already.
        refused: why others are not, by their keys.
    """

    images: int
    refused: dict[str, str]


def restore_orphans(
    server: Server, which: str, files: Sequence[str], tell: Callable[[int], None] = lambda done: None
) -> Restored:
    """Make orphans untagged images of a project; they leave the list.

    Args:
        server: has them.
        which: the project's id or name.
        files: keys of images on the list; none for all of them.
        tell: hears after each batch how many files were looked at.

    Raises:
        ConfigError: there is no such project, or a key is not on the list.
        DahliaError: database or storage cannot be used.
    """
    with server.database.read() as session:
        project = find_project(session, which)
    images, refused, done = 0, dict[str, str](), 0
    for some in batches(_chosen(server, files), _RESTORED_AT_ONCE):
        statuses = _restore(server, project.id, some)
        images += sum(status.startswith("OK") for status in statuses.values())
        refused.update({key: status for key, status in statuses.items() if not status.startswith("OK")})
        done += len(some)
        tell(done)
    return Restored(images, refused)


def _entries(server: Server) -> Iterator[Entry]:
    for folder in FOLDERS:
        yield from server.storage.keys(folder)


def _nameless(server: Server, entries: Iterable[Entry], gone: set[Owner]) -> list[Entry]:
    owners = {entry: owner for entry in entries if (owner := owner_of(entry.key)) and owner not in gone}
    with server.database.read() as session:
        in_use = named(session, set(owners.values()))
    return [entry for entry, owner in owners.items() if owner not in in_use]


def _list(server: Server, entries: Sequence[Entry], now: datetime) -> None:
    if not entries:
        return
    rows = [
        {"file": entry.key, "size": entry.size, "written": entry.modified, "found": now} for entry in entries
    ]
    with server.database.write() as session:
        _delete_rows(session, [entry.key for entry in entries])  # another server may have been first
        session.execute(insert(OrphanRow), rows)


def _delete_rows(session: Session, files: Sequence[str]) -> None:
    rows = delete(OrphanRow).where(OrphanRow.file.in_(files))
    session.execute(rows.execution_options(synchronize_session=False))


def _delete(server: Server, row: OrphanRow) -> bool:
    return server.storage.delete_stale(row.file, row.found)


def _chosen(server: Server, files: Sequence[str]) -> list[str]:
    with server.database.read() as session:
        listed = set(session.scalars(select(OrphanRow.file)))
    images = sorted(key for key in listed if key.startswith(f"{IMAGES}/"))
    unknown = sorted(set(files) - set(images))
    if unknown:
        raise ConfigError(
            f"Expected keys of images on the list of orphans, received {unknown[0]}. `dahlia orphans list` "
            "shows them; files of iterations cannot be restored."
        )
    return list(files) or images


def _restore(server: Server, project_id: str, keys: Sequence[str]) -> dict[str, str]:
    """Store a batch again, which checks the images and makes thumbnails, and insert its rows."""
    stored = store_images(server, [server.storage.get(key) for key in keys])
    arrivals = [Arrival(key, file) for key, file in zip(keys, stored, strict=True)]
    with server.database.write() as session:
        project = locked(session, project_id, server.now())
        outcomes = add_images(session, project, arrivals, {}, server.settings.limits, server.now())
        done = [key for key, one in zip(keys, outcomes, strict=True) if one.image is not None]
        record(session, server, None, "restore_orphans", project_id, images=len(done))
    contents = [sha256_of_key(key) for key in done]
    unlist(server, [*done, *map(thumbnail_key, contents), *map(resized_key, contents)])
    return {key: one.status.value for key, one in zip(keys, outcomes, strict=True)}
