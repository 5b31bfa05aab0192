"""Photos that travel with a model: kept whole, and refused where they are damaged or hostile."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from dahlia import layout
from dahlia.dataset import proof_photos
from dahlia.dataset.proof_photos import load_photos, proof_photo, save_photos
from dahlia.errors import DatasetError
from dahlia.serving.choice.remembered import key_of


def test_photos_are_kept_with_their_tags(tmp_path: Path) -> None:
    pixels = np.full((32, 32, 3), 90, np.uint8)
    save_photos(tmp_path, [proof_photo(pixels, ["a", "ü"]), proof_photo(pixels, [])])
    first, second = load_photos(tmp_path, 32)
    assert (first.tags, second.tags) == (("a", "ü"), ())
    assert np.abs(simplejpeg.decode_jpeg(first.jpeg, "RGB").astype(int) - 90).max() <= 2
    again = (tmp_path / layout.PHOTOS).read_bytes()
    save_photos(tmp_path, [proof_photo(pixels, ["a", "ü"]), proof_photo(pixels, [])])
    assert (tmp_path / layout.PHOTOS).read_bytes() == again
    with pytest.raises(DatasetError, match="64 x 64"):
        load_photos(tmp_path, 64)


@pytest.mark.parametrize(
    "index",
    ["[]", "3", '{"photos": 3}', '{"photos": [1]}', '{"photos": [{"file": "x.jpg", "tags": []}]}', "{"],
)
def test_photos_with_a_wrong_index_are_refused(tmp_path: Path, index: str) -> None:
    with zipfile.ZipFile(tmp_path / layout.PHOTOS, "w") as archive:
        archive.writestr("photos.json", index)
    with pytest.raises(DatasetError, match="cannot be read"):
        load_photos(tmp_path, 32)


def test_photos_that_unpack_to_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_photos(tmp_path, [proof_photo(np.zeros((32, 32, 3), np.uint8), [])] * 20)
    monkeypatch.setattr(proof_photos, "_MOST_TOGETHER", 5000)
    with pytest.raises(DatasetError, match="more than 5,000 bytes"):
        load_photos(tmp_path, 32)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"no zip file"])
def test_damaged_photos_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / layout.PHOTOS).write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read"):
        load_photos(tmp_path, 32)
    assert load_photos(tmp_path / "elsewhere", 32) == []


def test_an_index_that_repeats_a_photo_is_refused(tmp_path: Path) -> None:
    """Small files would take gigabytes in memory."""
    photo = proof_photo(np.zeros((16, 16, 3), np.uint8), ["ash"])
    index = {"photos": [{"file": "000.jpg", "tags": ["ash"]}] * 2}
    with zipfile.ZipFile(tmp_path / layout.PHOTOS, "w") as archive:
        archive.writestr("photos.json", json.dumps(index))
        archive.writestr("000.jpg", photo.jpeg)
    with pytest.raises(DatasetError, match="twice"):
        load_photos(tmp_path, 16)


@pytest.mark.parametrize("kind", ["fifo", "endless", "folder"])
def test_photos_that_are_no_file_are_refused(folder: Path, kind: str) -> None:
    path = folder / layout.PHOTOS
    path.unlink()
    {"fifo": lambda: os.mkfifo(path), "endless": lambda: path.symlink_to("/dev/zero"), "folder": path.mkdir}[
        kind
    ]()
    with pytest.raises(DatasetError, match="no file"):
        load_photos(folder, 16)
    assert key_of(folder)
