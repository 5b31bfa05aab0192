from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dahlia.dataset.imaging import OVERSAMPLING, load
from dahlia.errors import DatasetError
from dahlia.training.fine_tuning import tuning_data
from dahlia.training.fine_tuning.tuning_data import PhotoMemory

SIZE = 32


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    """Twenty photos of several shapes and formats, by id."""
    found = {}
    for number in range(20):
        shape = [(200, 300), (90, 64), (40, 50), (64, 900)][number % 4]
        pixels = np.random.default_rng(number).integers(0, 256, (*shape, 3)).astype(np.uint8)
        path = tmp_path / f"{number}.{'png' if number % 3 else 'jpg'}"
        Image.fromarray(pixels).save(path)
        found[hashlib.sha256(path.read_bytes()).hexdigest()] = path
    return found


def never() -> bool:
    return False


def test_what_is_held_is_what_would_be_decoded(photos: dict[str, Path]) -> None:
    full, empty = PhotoMemory(SIZE), PhotoMemory(SIZE)
    full.fill(list(photos), list(photos.values()), never)
    assert set(full.photos) == set(photos)
    for name, path in photos.items():
        held, decoded = full.get(name, path), empty.get(name, path)
        np.testing.assert_array_equal(held.plain, load(path.read_bytes(), SIZE))
        np.testing.assert_array_equal(held.plain, decoded.plain)
        np.testing.assert_array_equal(held.reduced, decoded.reduced)
        height, width = held.reduced.shape[:2]
        with Image.open(path) as image:
            original = image.size
        assert min(height, width) <= OVERSAMPLING * SIZE
        assert width / height == pytest.approx(original[0] / original[1], rel=0.02)
    assert full.held == sum(photo.bytes for photo in full.photos.values())
    assert empty.photos == {}


def test_nothing_is_decoded_twice(photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    decode = tuning_data.decode_then
    monkeypatch.setattr(
        tuning_data, "decode_then", lambda data, *more: decoded.append(len(data)) or decode(data, *more)
    )
    memory = PhotoMemory(SIZE)
    memory.fill(list(photos), list(photos.values()), never)
    for _ in range(3):
        for name, path in photos.items():
            memory.get(name, path)
    assert len(decoded) == len(photos)


@pytest.mark.parametrize("limit", [0, 40_000, 200_000])
def test_memory_has_a_bound(photos: dict[str, Path], limit: int) -> None:
    memory = PhotoMemory(SIZE, limit)
    memory.fill(list(photos), list(photos.values()), never)
    held = set(memory.photos)
    assert memory.held <= limit
    assert len(held) < len(photos)
    for name, path in photos.items():
        memory.get(name, path)
    assert set(memory.photos) == held


def test_filling_stops_when_told(photos: dict[str, Path]) -> None:
    memory = PhotoMemory(SIZE)
    memory.fill(list(photos), list(photos.values()), lambda: True)
    assert 0 < len(memory.photos) < len(photos)


def test_a_photo_that_changed_is_named(photos: dict[str, Path]) -> None:
    path = next(iter(photos.values()))
    path.write_bytes(b"something else")
    with pytest.raises(DatasetError, match="is not the photo that it was"):
        PhotoMemory(SIZE).fill(list(photos), list(photos.values()), never)
