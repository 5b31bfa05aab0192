"""The photos on which an export is proven, laid out as a project folder has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from dahlia import layout
from dahlia.dataset.manifest import save_manifest
from dahlia.dataset.records import ImageRecord
from dahlia.server.jobs.snapshots import Sitter
from dahlia.server.storage.names import image_key
from dahlia.server.storage.storage import Storage
from dahlia.server.workspaces.workspace import IMAGES

_NO_HASH = "0" * 16  # what finds near-duplicates; nobody looks for them here


def lay_album(
    storage: Storage, sitters: Sequence[Sitter], bundle: Path, folder: Path, *, calibrates: bool
) -> None:
    """Bring the photos that an export needs, and the manifest of them.

    Args:
        storage: has the photos.
        sitters: all of the iteration.
        bundle: the trained model, which says of some photos what it answers.
        folder: the project folder to be.
        calibrates: whether the format also learns the ranges of its numbers from photos.

    Raises:
        StorageError: a photo is missing, or cannot be written.
        DatasetError: the bundle's answers cannot be read.
    """
    from dahlia.export.photos import CALIBRATION_PHOTOS, one_of_each_in_turn
    from dahlia.modeling.reference import load_reference

    asked = set(load_reference(bundle).ids)
    chosen = {sitter.photo.sha256: sitter for sitter in sitters if sitter.photo.sha256 in asked}
    if calibrates:
        in_turn = one_of_each_in_turn(_by_tag(sitters), lambda sitter: sitter.photo.sha256)
        chosen |= {sitter.photo.sha256: sitter for sitter in in_turn[:CALIBRATION_PHOTOS]}
    photos = [sitter.photo for sitter in chosen.values()]
    storage.fetch_many(
        {image_key(photo.sha256, photo.suffix): folder / IMAGES / photo.name for photo in photos}
    )
    save_manifest(folder / layout.MANIFEST, [_record(sitter) for sitter in chosen.values()])


def _by_tag(sitters: Sequence[Sitter]) -> Iterable[list[Sitter]]:
    by_tag: dict[str, list[Sitter]] = defaultdict(list)
    for sitter in sitters:
        for tag in sitter.photo.tags:
            by_tag[tag].append(sitter)
    return by_tag.values()


def _record(sitter: Sitter) -> ImageRecord:
    photo = sitter.photo
    return ImageRecord(
        id=photo.sha256,
        path=(IMAGES / photo.name).as_posix(),
        width=sitter.width,
        height=sitter.height,
        tags=photo.tags,
        regions=(),
        subset="train",
        source="server",
        phash=_NO_HASH,
    )
