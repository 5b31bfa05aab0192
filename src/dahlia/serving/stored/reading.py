"""Reading the predictions that are kept, also while they are written and deleted."""

from __future__ import annotations

import heapq
import itertools
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dahlia.errors import DatasetError
from dahlia.serving.stored.segments import Record, began, segments_in, walk

_SLACK = 1.0  # the clock of a file system runs a few milliseconds behind


@dataclass(frozen=True, slots=True)
class Stored:
    """A prediction that was kept.

    Attributes:
        facts: the answer (`id`, `project`, `iteration`, `created`, `predictions`), and `publishName`,
            `application` and `request`, the id of the request.
        segment: the file that holds it.
        record: where in it.
    """

    facts: dict[str, Any]
    segment: Path
    record: Record

    @property
    def kept(self) -> datetime:
        """When it was kept, UTC."""
        return datetime.fromtimestamp(self.record.time, UTC)

    def image(self) -> bytes:
        """Read the image.

        Raises:
            DatasetError: it was deleted meanwhile, or is damaged.
        """
        try:
            with self.segment.open("rb") as file:
                file.seek(self.record.image_at)
                image = file.read(self.record.image_size)
        except OSError as error:
            raise DatasetError(
                f"Expected {self.segment}, which cannot be read ({error.strerror}): predictions are deleted "
                "when they are old, or too many. List those that are left with `dahlia predictions`."
            ) from error
        if zlib.crc32(image) != self.record.image_crc:
            raise DatasetError(
                f"Expected the image of prediction {self.facts.get('id')} in {self.segment}, received "
                "damaged bytes. The machine or its disk failed when it was written; leave it out."
            )
        return image


def read_predictions(
    folder: Path, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Stored]:
    """The predictions kept in a folder, the oldest first within each process that kept them.

    What another process deletes meanwhile is left out; what it adds to a segment after that was reached too.

    Args:
        folder: of the segments.
        since: the first moment; without a time zone, local time.
        until: the moment before which all were kept.

    Raises:
        DatasetError: a segment may not be read.
    """
    low, high = _seconds(since, float("-inf")), _seconds(until, float("inf"))
    for segment in _segments(folder):
        if began(segment) < high and _changed(segment) >= low:
            yield from _of_segment(segment, low, high)


def stored_in(segment: Path, after: int = 0) -> Iterator[Stored]:
    """The predictions in one segment, in the order in which they were kept; none where it is gone.

    Args:
        segment: a file.
        after: the end of a record, as `Record.end` gives it: what follows is read; all where it is 0.

    Raises:
        DatasetError: it may not be read.
    """
    return _of_segment(segment, float("-inf"), float("inf"), after)


def latest_predictions(folder: Path, limit: int, since: datetime | None = None) -> list[Stored]:
    """At most `limit` predictions, the newest first; reads no more segments than that takes.

    Raises:
        DatasetError: a segment may not be read.
    """
    low = _seconds(since, float("-inf"))
    newest: list[tuple[float, int, Stored]] = []
    order = itertools.count()
    for changed, segment in sorted(((_changed(path), path) for path in _segments(folder)), reverse=True):
        if changed < low:
            break
        for stored in _of_segment(segment, low, float("inf")):
            heapq.heappush(newest, (stored.record.time, next(order), stored))
            if len(newest) > limit:
                low = heapq.heappop(newest)[0]
    return [stored for _, _, stored in sorted(newest, reverse=True)]


def _of_segment(segment: Path, low: float, high: float, after: int = 0) -> Iterator[Stored]:
    try:
        with segment.open("rb") as file:
            for record in walk(file, after):
                if low <= record.time < high:
                    yield Stored(json.loads(record.facts), segment, record)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(segment, error) from error


def _segments(folder: Path) -> list[Path]:
    try:
        return segments_in(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _changed(segment: Path) -> float:
    try:
        return segment.stat().st_mtime + _SLACK
    except OSError:
        return float("-inf")


def _seconds(moment: datetime | None, default: float) -> float:
    return default if moment is None else moment.timestamp()


def _unreadable(path: Path, error: OSError) -> DatasetError:
    return DatasetError(
        f"Expected predictions in {path}, which cannot be read: {error.strerror}. Run this as a user who may."
    )
