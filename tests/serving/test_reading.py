"""Reading kept predictions: times, order, deletion meanwhile, damage."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kept_predictions import facts_of, plant

from dahlia.errors import DatasetError
from dahlia.serving.stored.reading import Stored, latest_predictions, read_predictions, stored_in

NOW = 1_790_000_000.0


def moment(time: float) -> datetime:
    return datetime.fromtimestamp(NOW + time, UTC)


def ids(found: list[Stored]) -> str:
    return "".join(one.facts["id"] for one in found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two processes that wrote at the same time, and a later segment; images are their ids, doubled."""
    for times in ({"a": 0, "c": 20, "f": 50}, {"b": 10, "d": 30}, {"g": 60, "e": 40}):
        began = NOW + min(times.values())
        records = [(facts_of(name), name.encode() * 2, NOW + time) for name, time in times.items()]
        path = plant(tmp_path, began, records)
        os.utime(path, (began, NOW + max(times.values())))
    return tmp_path


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (None, None, "acfbdge"),
        (20, None, "cfdge"),
        (None, 20, "ab"),
        (20, 40, "cd"),
        (61, None, ""),
        (None, 0, ""),
    ],
)
def test_oldest_first_within_times(folder: Path, since: int | None, until: int | None, found: str) -> None:
    low, high = (None if time is None else moment(time) for time in (since, until))
    predictions = list(read_predictions(folder, low, high))
    assert ids(predictions) == found
    assert all(one.image() == one.facts["id"].encode() * 2 for one in predictions)


def test_one_segment_from_a_place_on(tmp_path: Path) -> None:
    path = plant(tmp_path, NOW, [(facts_of(name), b"image", NOW) for name in "abc"])
    found = list(stored_in(path))
    assert ids(found) == "abc"
    assert [ids(list(stored_in(path, one.record.end))) for one in found] == ["bc", "c", ""]
    path.unlink()
    assert list(stored_in(path)) == []


@pytest.mark.parametrize(
    ("limit", "since", "found"), [(1, None, "g"), (3, None, "gfe"), (99, None, "gfedcba"), (99, 45, "gf")]
)
def test_newest_first_over_processes(folder: Path, limit: int, since: int | None, found: str) -> None:
    low = None if since is None else moment(since)
    assert ids(latest_predictions(folder, limit, low)) == found


def test_times_without_a_zone_are_local(folder: Path) -> None:
    assert ids(list(read_predictions(folder, moment(45).astimezone().replace(tzinfo=None)))) == "fg"


def test_when_it_was_kept(folder: Path) -> None:
    assert latest_predictions(folder, 1)[0].kept == moment(60)


def test_deletion_meanwhile(folder: Path) -> None:
    reading = read_predictions(folder)
    first = next(reading)
    for path in folder.iterdir():
        path.unlink()
    assert ids(list(reading)) == "cf"
    with pytest.raises(DatasetError, match="predictions are deleted when they are old"):
        first.image()


def test_a_damaged_image(folder: Path) -> None:
    stored = next(read_predictions(folder))
    with stored.segment.open("r+b") as file:
        file.seek(stored.record.image_at)
        file.write(b"x")
    with pytest.raises(DatasetError, match=r"image of prediction a .* damaged bytes"):
        next(read_predictions(folder)).image()


def test_nothing_kept(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert list(read_predictions(tmp_path)) == []
    assert latest_predictions(tmp_path / "none", 5) == []


def test_a_segment_that_may_not_be_read(tmp_path: Path) -> None:
    path = plant(tmp_path, NOW, [])
    path.unlink()
    path.mkdir()
    with pytest.raises(DatasetError, match="cannot be read: Is a directory"):
        list(read_predictions(tmp_path))
