"""HEIF: boxes in boxes, which describe items and say where their data lies. HEIC and AVIF are both of it.

Source: ISO/IEC 14496-12 (boxes, items and their places), ISO/IEC 23008-12 (properties, references).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_ITEMS = 3000  # a photo of 100 megapixels in tiles of 512 pixels has 400
_MOST_PARTS = 20_000  # of all items
_MOST_PROPERTIES = 100_000  # of all items
_MOST_BOXES = 10_000  # in one box

_IMAGES = (b"hvc1", b"av01", b"grid")

Property = tuple[bytes, bytes]


@dataclass
class Item:
    """An image, tile, or metadata.

    Attributes:
        kind: `hvc1`, `av01`, `grid`, ...
        properties: boxes that describe it: their kinds and contents, in the order in which they apply.
        data: its bytes; none where the file does not have all of them.
    """

    kind: bytes = b""
    properties: list[Property] = field(default_factory=list)
    data: bytes = b""

    def get(self, kind: bytes) -> bytes | None:
        """The content of its first property of a kind."""
        return next((content for name, content in self.properties if name == kind), None)


@dataclass
class Heif:
    """The items of a file.

    Attributes:
        primary: the number of the image that the file is about.
        items: by their numbers.
        references: from an item to others, each with its kind: `dimg`, `auxl`, ...
    """

    primary: int
    items: dict[int, Item]
    references: list[tuple[bytes, int, tuple[int, ...]]]


def read_heif_items(data: bytes) -> Heif:
    """Read the boxes that describe a still image.

    Raises:
        IndexError, struct.error: the file stops before its end.
        ValueError: it is damaged otherwise; says how.
    """
    meta = _box(data, b"meta", 0, len(data))
    inner = {kind: (start, end) for kind, start, end in boxes(data, meta[0] + 4, meta[1])}
    missing = {b"pitm", b"iinf", b"iloc", b"iprp"} - inner.keys()
    if missing:
        raise ValueError(f"has no box {min(missing).decode()}")
    items = dict(_kinds(data, *inner[b"iinf"]))
    _add_properties(data, items, *inner[b"iprp"])
    own = inner.get(b"idat", (0, 0))
    _add_data(data, items, inner[b"iloc"], own)
    start = inner[b"pitm"][0]
    primary = int.from_bytes(data[start + 4 : start + (8 if data[start] else 6)], "big")
    if primary not in items:
        raise ValueError("has no main image")
    references = list(_references(data, *inner[b"iref"])) if b"iref" in inner else []
    return Heif(primary, items, references)


def is_whole(data: bytes) -> bool:
    """Whether the file's last box ends where the file does, or before."""
    start = 0
    for _, _, start in boxes(data, 0, len(data)):  # noqa: B007
        pass
    return start <= len(data)


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two places: their kinds, and where their contents begin and end."""
    for _ in range(_MOST_BOXES):
        if start >= end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head:
            raise ValueError("has a damaged box")
        if start + size > len(data) and kind != b"mdat":  # what that lacks, the items' places say
            raise IndexError(size)
        yield kind, start + head, start + size
        start += size
    raise ValueError(f"has more than {_MOST_BOXES:,} boxes in one")


def _box(data: bytes, wanted: bytes, start: int, end: int) -> tuple[int, int]:
    for kind, inner, last in boxes(data, start, end):
        if kind == wanted:
            return inner, last
    raise IndexError(wanted)


def _kinds(data: bytes, start: int, end: int) -> Iterator[tuple[int, Item]]:
    head = 8 if data[start] else 6
    for count, (kind, inner, last) in enumerate(boxes(data, start + head, end)):
        if count >= MOST_ITEMS:
            raise ValueError(f"has more than {MOST_ITEMS:,} items")
        version = data[inner]
        if kind == b"infe" and version >= 2 and last - inner >= 12:
            wide = 4 if version >= 3 else 2
            number = int.from_bytes(data[inner + 4 : inner + 4 + wide], "big")
            yield number, Item(data[inner + 6 + wide : inner + 10 + wide])


def _add_properties(data: bytes, items: dict[int, Item], start: int, end: int) -> None:
    inner = {kind: (first, last) for kind, first, last in boxes(data, start, end)}
    if b"ipco" not in inner:
        raise ValueError("has no properties")
    known = [(kind, data[first:last]) for kind, first, last in boxes(data, *inner[b"ipco"])]
    left = _MOST_PROPERTIES
    for kind, first, last in boxes(data, start, end):
        if kind != b"ipma":
            continue
        wide, long = (4 if data[first] else 2), data[first + 3] & 1
        position = first + 8
        for _ in range(struct.unpack_from(">I", data, first + 4)[0]):
            number = int.from_bytes(data[position : position + wide], "big")
            count = data[position + wide]
            position += wide + 1
            left -= count + 1
            if position > last or left < 0:
                raise ValueError("has damaged properties")
            for _ in range(count):
                index = int.from_bytes(data[position : position + 1 + long], "big")
                index &= 0x7FFF if long else 0x7F
                if number in items and index:
                    items[number].properties.append(known[index - 1])
                position += 1 + long


def _add_data(data: bytes, items: dict[int, Item], places: tuple[int, int], own: tuple[int, int]) -> None:
    fields = _Fields(data, *places)
    version = fields.take(1)
    fields.take(3)
    sizes = fields.take(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    start, end = own
    taken: dict[int, list[bytes]] = defaultdict(list)
    missing: set[int] = set()
    left, bytes_left = _MOST_PARTS, len(data)
    for _ in range(fields.take(4 if version == 2 else 2)):
        number = fields.take(4 if version == 2 else 2)
        method = fields.take(2) & 15 if version else 0
        fields.take(2)
        first = fields.take(base)
        for _ in range(fields.take(2)):
            fields.take(index if version else 0)
            place, size = first + fields.take(offset), fields.take(length)
            left -= 1
            if left < 0:
                raise ValueError("has its data in too many parts")
            if number not in items or items[number].kind not in _IMAGES:
                continue
            if method > 1:
                raise ValueError("has data that is put together from other items")
            begin, most = (start + place, end) if method else (place, len(data))
            size = size or most - begin  # 0 stands for all
            if begin + size > most or size < 0:
                missing.add(number)
                continue
            bytes_left -= size
            if bytes_left < 0:
                raise ValueError("uses the same data for several items")
            taken[number].append(data[begin : begin + size])
    for number in taken.keys() - missing:
        items[number].data = b"".join(taken[number])


class _Fields:
    """Numbers of any count of bytes, in their order, between two places."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data, self._place, self._end = data, start, end

    def take(self, count: int) -> int:
        place = self._place
        self._place += count
        if self._place > self._end:
            raise IndexError(count)
        return int.from_bytes(self._data[place : self._place], "big")


def _references(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    wide = "I" if data[start] else "H"
    for kind, inner, _ in boxes(data, start + 4, end):
        origin, count = struct.unpack_from(f">{wide}H", data, inner)
        yield kind, origin, struct.unpack_from(f">{count}{wide}", data, inner + struct.calcsize(f">{wide}H"))
