"""The format of a segment: torn and damaged records."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pytest
from kept_predictions import MARKER, facts_of, record

from dahlia.serving.stored.segments import MAGIC, Record, began, segment_name, segments_in, walk

START = MAGIC + MARKER
RECORDS = [record(facts_of(name), name.encode() * 9, 1000.0 + place) for place, name in enumerate("abc")]
WHOLE = START + b"".join(RECORDS)


def names(data: bytes) -> str:
    return "".join(chr(record.facts[8]) for record in walk(io.BytesIO(data)))


def image_is_whole(data: bytes, found: Record) -> bool:
    return zlib.crc32(data[found.image_at :][: found.image_size]) == found.image_crc


def test_what_was_written_is_read() -> None:
    found = list(walk(io.BytesIO(WHOLE)))
    assert names(WHOLE) == "abc"
    assert [one.time for one in found] == [1000.0, 1001.0, 1002.0]
    assert all(image_is_whole(WHOLE, one) for one in found)


def test_a_tail_that_is_torn_anywhere_is_left_out() -> None:
    for end in range(len(WHOLE) - len(RECORDS[-1]), len(WHOLE)):
        assert names(WHOLE[:end]) == "ab", end


def test_a_tail_of_zeros_is_left_out() -> None:
    last = len(WHOLE) - len(RECORDS[-1])
    for end in range(last, len(WHOLE) - len(b"c" * 9)):
        assert names(WHOLE[:end] + bytes(len(WHOLE) - end)) == "ab", end


def test_a_start_that_is_torn_anywhere_has_no_records() -> None:
    for end in range(len(START) + 1):
        assert names(WHOLE[:end]) == "", end


def test_a_damaged_byte_costs_its_record_alone() -> None:
    first, second = len(START) + len(RECORDS[0]), len(WHOLE) - len(RECORDS[2])
    for place in range(first, second):
        damaged = bytearray(WHOLE)
        damaged[place] ^= 0x40
        data = bytes(damaged)
        in_image = place >= second - len(b"b" * 9)
        assert names(data) == ("abc" if in_image else "ac"), place
        whole = [image_is_whole(data, one) for one in walk(io.BytesIO(data))]
        assert whole == ([True, False, True] if in_image else [True, True]), place


def test_the_search_for_the_next_record_passes_a_long_gap() -> None:
    for gap in ((1 << 20) - 3, (1 << 20) - 8, 1 << 21):
        assert names(START + RECORDS[0] + b"x" * gap + RECORDS[1]) == "ab"


@pytest.mark.parametrize("other", [b"dahlia predictions 2\n", b"\x89PNG\r\n\x1a\n" + bytes(13)])
def test_files_of_another_kind_have_no_records(other: bytes) -> None:
    assert names(WHOLE.replace(MAGIC, other)) == ""


def test_an_image_cannot_pose_as_a_record() -> None:
    posing = record(facts_of("x"), b"x", 1.0).replace(MARKER, b"whatever")
    data = bytearray(START + record(facts_of("a"), posing, 1.0) + RECORDS[1])
    assert names(bytes(data)) == "ab"
    data[len(START) + 9] ^= 1
    assert names(bytes(data)) == "b"


def test_names_sort_by_time_and_are_unique(tmp_path: Path) -> None:
    assert began(Path(segment_name(1_790_000_000.25))) == 1_790_000_000.25
    for time in (1.7e9, 1.8e9, 1.7e9, 1.75e9):
        (tmp_path / segment_name(time)).touch()
    for other in ("images", "20261101T000000.000000Z.segment", "x.segment", ".hidden"):
        (tmp_path / other).mkdir()
    assert [began(path) for path in segments_in(tmp_path)] == [1.7e9, 1.7e9, 1.75e9, 1.8e9]
    assert segments_in(tmp_path / "none") == []
