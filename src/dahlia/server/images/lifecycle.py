"""The beginning and the end of images: stored before any row names them, and removed.

New ones are fetched or decoded, and validated. Images are removed from the workspace, or from everything that
ever saw them.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import anyio
from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.orm import Session

from dahlia.errors import DahliaError, ServiceError
from dahlia.processes import usable_cores
from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.database.changes import among_named, locked, project_of, remove
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.images.adding import Rejected, StoredImage
from dahlia.server.images.validation import Limits, Received, Refused, receive_many
from dahlia.server.keys.audit import record
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.names import image_key, thumbnail_key

if TYPE_CHECKING:
    from dahlia.http.fetch import Bring
    from dahlia.server.context import Server
    from dahlia.server.keys.keys import Access
    from dahlia.settings.sections import LimitsSection

Incoming: TypeAlias = bytes | Rejected
"""The bytes of an image, or why there are none."""
FETCHED_AT_ONCE = 16
"""How many images of a batch are fetched, and are in memory, at once."""
REMOVED_AT_ONCE = 1000
"""Images removed in one transaction; other writers wait meanwhile."""
_DATA_URL = re.compile(r"\A\s{0,8}data:[^,]{0,100};base64,", re.IGNORECASE)
_USUAL = str.maketrans("-_", "+/")  # of the alphabet that is safe in addresses
_POOL = ThreadPoolExecutor(usable_cores(), "intake")  # of all requests together
_PAUSE = 0.005  # seconds; who takes a lock again at once never lets those in who wait for it
_BULK = {"synchronize_session": False}


def store_images(server: Server, images: Sequence[Incoming]) -> list[StoredImage | Rejected]:
    """Take a batch of images, and store those that can be taken.

    Returns:
        For each, what a row needs to know of it; or why it was refused. They are on disk.

    Raises:
        ServiceError: the storage cannot be used.
    """
    given = [image for image in images if isinstance(image, bytes)]
    taken = receive_many(given, intake_limits(server.settings.limits), _POOL)
    files: dict[str, bytes] = {}
    for one in taken:
        if isinstance(one, Received):
            files[image_key(one.sha256, one.suffix)] = one.data
            files[thumbnail_key(one.sha256)] = one.thumbnail
    try:
        server.storage.put_many(files)
    except StorageError as error:
        raise ServiceError("ErrorUnknown", str(error), status=503, retry_after=2) from error
    answers = iter([_stored(one) for one in taken])
    return [next(answers) if isinstance(image, bytes) else image for image in images]


def intake_limits(limits: LimitsSection) -> Limits:
    """What an image to train on, or to test with, may be."""
    return Limits(most_bytes(limits), limits.max_edge, limits.max_aspect)


def most_bytes(limits: LimitsSection) -> int:
    """What an image to train on, or to test with, may have."""
    return int(limits.max_image_mb * 1024 * 1024)


def decoded(contents: str) -> Incoming:
    """An image in base64: of either alphabet, with or without line breaks, padding and `data:` before it."""
    try:
        return base64.b64decode(contents, validate=True)
    except (binascii.Error, ValueError):  # the latter for letters beyond ASCII
        pass
    text = "".join(_DATA_URL.sub("", contents, count=1).split()).translate(_USUAL).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Rejected(
            ImageCreateStatus.ERROR_FORMAT,
            "Expected the bytes of an image in base64, received other text. Encode them again.",
        )


def too_large(most: int) -> Rejected:
    """The refusal of a text in base64 that no image of at most `most` bytes has."""
    return Rejected(
        ImageCreateStatus.ERROR_SIZE,
        f"Expected an image of at most {most:,} bytes, received a larger one. Scale it down, or save it with "
        "a lower quality.",
    )


async def fetch_images(urls: Sequence[str], bring: Bring, most: int) -> list[Incoming]:
    """The images at addresses, at once; in the addresses' order.

    Args:
        urls: the addresses.
        bring: gives the image at one.
        most: bytes that an image may have.
    """
    fetched: dict[int, Incoming] = {}

    async def one(place: int) -> None:
        fetched[place] = await _fetched(urls[place], bring, most)

    async with anyio.create_task_group() as tasks:
        for place in range(len(urls)):
            tasks.start_soon(one, place)
    return [fetched[place] for place in range(len(urls))]


def remove_images(
    session: Session, project: ProjectRow, identities: Sequence[str], *, everywhere: bool
) -> None:
    """Remove images by their ids; unknown ids are ignored.

    Args:
        session: that locked the project with `locked`.
        project: of the images.
        identities: their ids.
        everywhere: from the iterations too, and not just from the workspace.
    """
    chosen = select(ImageRow.key).where(
        among_named(project.key), ImageRow.id.in_(identities), *_present(everywhere)
    )
    _remove(session, project, list(session.scalars(chosen)), everywhere)


def remove_all_images(server: Server, access: Access, project_id: str, *, everywhere: bool) -> None:
    """Remove all images that a project has now, a part at a time, so that nobody waits long.

    Raises:
        ServiceError: there is no such project.
    """
    with server.database.read() as session:
        project = project_of(session, project_id)
        last = session.scalar(select(func.max(ImageRow.key)).where(ImageRow.project_key == project.key)) or 0
    with server.database.write() as session:
        record(session, server, access, "delete_images", project_id, images="all", everywhere=everywhere)
    after: int | None = 0
    while after is not None:
        with server.database.write() as session:
            project = locked(session, project_id, server.now())
            after = _remove_next(session, project, after, last, everywhere=everywhere)
        time.sleep(_PAUSE)


def _stored(one: Received | Refused) -> StoredImage | Rejected:
    if isinstance(one, Refused):
        return Rejected(ImageCreateStatus(one.status), one.message)
    return StoredImage(one.sha256, one.suffix, one.width, one.height, one.size)


async def _fetched(url: str, bring: Bring, most: int) -> Incoming:
    try:
        return await bring(url, most=most)
    except DahliaError as error:
        too_large = isinstance(error, ServiceError) and error.code == "BadRequestImageSizeBytes"
        status = ImageCreateStatus.ERROR_SIZE if too_large else ImageCreateStatus.ERROR_SOURCE
        return Rejected(status, str(error))


def _remove_next(
    session: Session, project: ProjectRow, after: int, last: int, *, everywhere: bool
) -> int | None:
    """Remove the next images by their keys; the last one's key, None where there are no more."""
    chosen = (
        select(ImageRow.key)
        .where(
            ImageRow.project_key == project.key,
            ImageRow.key > after,
            ImageRow.key <= last,
            *_present(everywhere),
        )
        .order_by(ImageRow.key)
        .limit(REMOVED_AT_ONCE)
    )
    keys = list(session.scalars(chosen))
    _remove(session, project, keys, everywhere)
    return keys[-1] if len(keys) == REMOVED_AT_ONCE else None


def _present(everywhere: bool) -> list[ColumnElement[bool]]:
    return [] if everywhere else [ImageRow.removed.is_(None)]


def _remove(session: Session, project: ProjectRow, keys: list[int], everywhere: bool) -> None:
    if not keys:
        return
    project.revision += 1
    if everywhere:
        session.execute(delete(ImageRow).where(ImageRow.key.in_(keys)), execution_options=_BULK)
        return
    for table in (ImageTagRow, RegionRow):
        remove(session, table, table.image_key.in_(keys), project.epoch)
    remove(session, ImageRow, ImageRow.key.in_(keys), project.epoch)
    _forget_unseen(session, project, keys)


def _forget_unseen(session: Session, project: ProjectRow, images: Collection[int]) -> None:
    """Delete what was removed, and no iteration sees any more; cleaning deletes the files later."""
    keys = ((ImageTagRow, ImageTagRow.image_key), (RegionRow, RegionRow.image_key), (ImageRow, ImageRow.key))
    for table, key in keys:
        seen = exists().where(
            IterationRow.project_key == project.key,
            IterationRow.epoch >= table.added,
            IterationRow.epoch < table.removed,
        )
        unseen = delete(table).where(key.in_(images), table.removed.is_not(None), ~seen)
        session.execute(unseen, execution_options=_BULK)
