"""What is deleted of the predictions that are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from kept_predictions import DAY, MARKER, facts_of, plant

from dahlia.serving.stored.segments import MAGIC, Segment, segment_name, segments_in
from dahlia.serving.stored.store import delete_old

NOW = 1_790_000_000.0
KEPT = 30 * DAY


def tidy(folder: Path, *, max_bytes: int = 10**9, reserve: int = 0, now: float = NOW) -> list[Path]:
    delete_old(folder, max_bytes=max_bytes, keep_seconds=KEPT, reserve=reserve, now=now)
    return segments_in(folder)


def aged(folder: Path, *days: float, image: bytes = b"image") -> Path:
    times = [NOW - age * DAY for age in days]
    return plant(folder, min(times), [(facts_of("a"), image, time) for time in times])


def test_the_newest_record_decides(tmp_path: Path) -> None:
    aged(tmp_path, 32, 31)
    straddling, young = aged(tmp_path, 31, 29), aged(tmp_path, 1)
    assert tidy(tmp_path) == [straddling, young]
    assert tidy(tmp_path, now=NOW + 2 * DAY) == [young]


@pytest.mark.parametrize(("age", "left"), [(59, True), (61, False)])
def test_segments_of_killed_processes_without_a_record(tmp_path: Path, age: float, left: bool) -> None:
    for start in (b"", (MAGIC + MARKER)[:9], MAGIC + MARKER):
        (tmp_path / segment_name(NOW - age)).write_bytes(start)
    assert len(tidy(tmp_path)) == 3 * left


def test_what_cannot_be_read_goes_by_the_time_of_its_file(tmp_path: Path) -> None:
    (tmp_path / segment_name(NOW - 40 * DAY)).write_bytes(b"dahlia predictions 2\n" + bytes(99))
    file = tidy(tmp_path, now=0.0)[0].stat().st_mtime
    assert len(tidy(tmp_path, now=file + KEPT - 1)) == 1
    assert tidy(tmp_path, now=file + KEPT + 1) == []


def test_the_oldest_make_room(tmp_path: Path) -> None:
    made = [aged(tmp_path, age, image=bytes(1000)) for age in (4, 3, 2, 1)]
    size = made[0].stat().st_size
    assert tidy(tmp_path, max_bytes=4 * size) == made
    assert tidy(tmp_path, max_bytes=4 * size - 1) == made[1:]
    assert tidy(tmp_path, max_bytes=size) == made[3:]
    assert tidy(tmp_path, max_bytes=0) == []


def test_what_is_being_written_is_left_and_has_room_to_grow(tmp_path: Path) -> None:
    live = Segment(tmp_path, MARKER, NOW - 40 * DAY)
    closed = aged(tmp_path, 2, image=bytes(1000))
    path = tidy(tmp_path)[0]
    assert tidy(tmp_path, max_bytes=5000, reserve=3000) == [path, closed]
    assert tidy(tmp_path, max_bytes=4000, reserve=3000) == [path]
    assert tidy(tmp_path, max_bytes=0) == [path]
    live.close()
    assert tidy(tmp_path) == []


def test_other_files_are_left(tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "a.json").write_text("{}")
    (tmp_path / "notes.segment").write_text("mine")
    tidy(tmp_path, max_bytes=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers", "notes.segment"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert tidy(tmp_path / "none") == []
