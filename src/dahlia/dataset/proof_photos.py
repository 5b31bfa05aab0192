"""Photos that travel with a model, at the size that it sees, to compare other ways of computing it.

`photos.zip` has a JPEG for each, and `photos.json`, which says their tags. It is read where a model is
served, without the project's own photos.
"""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import simplejpeg

from dahlia import layout
from dahlia.dataset.imaging import Pixels
from dahlia.errors import DatasetError

_INDEX = "photos.json"
_MOST_PHOTOS = 1000
_MOST_BYTES = 8 << 20  # of a photo, or of the index
_MOST_TOGETHER = 256 << 20
_QUALITY = 92


class ProofPhoto(NamedTuple):
    """A photo and what is in it.

    Attributes:
        jpeg: (size, size) pixels, in full colour resolution.
        tags: names of its tags.
    """

    jpeg: bytes
    tags: tuple[str, ...]


def proof_photo(pixels: Pixels, tags: Sequence[str]) -> ProofPhoto:
    """Keep (size, size, 3) RGB pixels."""
    jpeg = simplejpeg.encode_jpeg(pixels, quality=_QUALITY, colorspace="RGB", colorsubsampling="444")
    return ProofPhoto(jpeg, tuple(tags))


def save_photos(folder: Path, photos: Sequence[ProofPhoto]) -> None:
    """Write `photos.zip` into a folder that is being staged; the same photos give the same bytes."""
    index = {"photos": [{"file": f"{place:03}.jpg", "tags": one.tags} for place, one in enumerate(photos)]}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_INDEX), json.dumps(index, indent=1))
        for place, one in enumerate(photos):
            archive.writestr(zipfile.ZipInfo(f"{place:03}.jpg"), one.jpeg)
    (folder / layout.PHOTOS).write_bytes(data.getvalue())


_DAMAGE = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


def load_photos(folder: Path, size: int) -> list[ProofPhoto]:
    """Read `photos.zip`.

    Args:
        folder: where it is.
        size: pixels of an edge that the photos must have.

    Returns:
        None of them where there is no such file: models of earlier versions have none.

    Raises:
        DatasetError: it is damaged, or of another model.
    """
    path = folder / layout.PHOTOS
    if not path.exists():
        return []
    if not path.is_file():  # opening another kind of file may never end
        raise _unusable(path, size, "something that is no file")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(one.file_size for one in archive.infolist()) > _MOST_TOGETHER:
                raise ValueError(f"they have more than {_MOST_TOGETHER:,} bytes")
            listed = json.loads(_member(archive, _INDEX))["photos"][:_MOST_PHOTOS]
            if len({str(one["file"]) for one in listed}) < len(listed):
                raise ValueError("its index names a photo twice")
            photos = [
                ProofPhoto(_member(archive, str(one["file"])), tuple(map(str, one["tags"]))) for one in listed
            ]
        sizes = {simplejpeg.decode_jpeg_header(one.jpeg)[:2] for one in photos}
    except _DAMAGE as error:
        raise _unusable(path, size, f"one that cannot be read ({error})") from error
    if sizes - {(size, size)}:
        raise _unusable(path, size, f"photos of {', '.join(f'{w} x {h}' for h, w in sorted(sizes))} pixels")
    return photos


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    facts = archive.getinfo(name)
    if facts.file_size > _MOST_BYTES:
        raise ValueError(f"{name} has {facts.file_size:,} bytes")
    return archive.read(facts)


def _unusable(path: Path, size: int, received: str) -> DatasetError:
    return DatasetError(
        f"Expected {path} to have JPEGs of {size} x {size} pixels and an index, received "
        f"{received}. Train and record the model again, or delete the file: then only ONNX Runtime is used."
    )
