"""Photos of the manifest, read again by the stages after ingest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dahlia.errors import DatasetError


def read_photo(path: Path, image_id: str) -> bytes:
    """The bytes of a photo, which must be those that ingest read.

    Args:
        path: the file.
        image_id: SHA-256 of the bytes that are expected.

    Raises:
        DatasetError: the file vanished or changed after ingest.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path} could be read by ingest and cannot be now ({error.strerror}). Put it back, or run "
            "`dvc repro` to take the change in."
        ) from error
    if hashlib.sha256(data).hexdigest() != image_id:
        raise DatasetError(
            f"{path} is not the photo that it was when ingest read it. Put the old one back, or run "
            "`dvc repro` to take the change in."
        )
    return data
