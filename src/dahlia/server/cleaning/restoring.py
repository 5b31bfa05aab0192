"""`dahlia orphans restore`: files that no row names become untagged images of a project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from dahlia.errors import ConfigError
from dahlia.server.cleaning.orphans import unlist
from dahlia.server.cleaning.owners import batches
from dahlia.server.database.changes import locked
from dahlia.server.database.server_tables import OrphanRow
from dahlia.server.images.adding import Arrival, add_images
from dahlia.server.images.lifecycle import store_images
from dahlia.server.keys.audit import record
from dahlia.server.projects.projects import find_project
from dahlia.server.storage.names import IMAGES, resized_key, sha256_of_key, thumbnail_key

if TYPE_CHECKING:
    from dahlia.server.context import Server

_BATCH = 32


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
    for some in batches(_chosen(server, files), _BATCH):
        statuses = _restore(server, project.id, some)
        images += sum(status.startswith("OK") for status in statuses.values())
        refused.update({key: status for key, status in statuses.items() if not status.startswith("OK")})
        done += len(some)
        tell(done)
    return Restored(images, refused)


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
