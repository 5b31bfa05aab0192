"""TIFF: a directory of tags and their values; where the strips or tiles of an image lie.

Source: TIFF 6.0.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from dahlia.dataset.image_files.image_header import unreadable

UNCOMPRESSED = 1

_KINDS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i"}  # of values, by their number
_MOST_VALUES = 300_000  # of all tags: the places and lengths of 150,000 strips or tiles
_MOST_TAGS = 1000

Values = tuple[int, ...]


class Tag(IntEnum):
    """What is read of a directory."""

    SUBFILE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    COLOURS = 262
    FILL = 266
    STRIPS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS = 278
    STRIP_BYTES = 279
    PLANES = 284
    FAX3 = 292
    FAX4 = 293
    PREDICTOR = 317
    PALETTE = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILES = 324
    TILE_BYTES = 325
    EXTRA = 338
    FORMAT = 339
    TABLES = 347
    CHROMA = 530
    DNG = 50706


_LONG = frozenset(
    (
        Tag.WIDTH, Tag.HEIGHT, Tag.STRIPS, Tag.STRIP_BYTES, Tag.ROWS, Tag.TILES, Tag.TILE_BYTES, Tag.FAX3,
        Tag.FAX4, Tag.TILE_WIDTH, Tag.TILE_HEIGHT,
    )
)  # fmt: skip
_READ = frozenset(Tag)
_LISTS = frozenset(
    (
        Tag.BITS, Tag.STRIPS, Tag.STRIP_BYTES, Tag.TILES, Tag.TILE_BYTES, Tag.EXTRA, Tag.PALETTE, Tag.FORMAT,
        Tag.TABLES, Tag.CHROMA,
    )
)  # fmt: skip


@dataclass
class Page:
    """A directory: its tags with their values, and the shape of the image and of its strips or tiles."""

    order: str
    tags: dict[int, Values]

    def one(self, tag: int, otherwise: int = 0) -> int:
        """The first value of a tag."""
        values = self.tags.get(tag)
        return values[0] if values else otherwise

    @property
    def width(self) -> int:
        """Pixels."""
        return self.one(Tag.WIDTH)

    @property
    def height(self) -> int:
        """Pixels."""
        return self.one(Tag.HEIGHT)

    @property
    def is_tiled(self) -> bool:
        """Whether it has tiles, not strips."""
        return Tag.TILES in self.tags

    @property
    def rows(self) -> int:
        """Of a strip."""
        return min(self.one(Tag.ROWS, self.height) or self.height, self.height)

    @property
    def planes(self) -> int:
        """How many samples lie apart: all, or none."""
        return self.one(Tag.SAMPLES, 1) if self.one(Tag.PLANES, 1) == 2 else 1

    @property
    def piece(self) -> tuple[int, int]:
        """Width and height of a strip or tile."""
        if self.is_tiled:
            return self.one(Tag.TILE_WIDTH), self.one(Tag.TILE_HEIGHT)
        return self.width, self.rows

    @property
    def piece_bytes(self) -> int:
        """Bytes of a strip or tile with all samples, when it is unpacked."""
        width, height = self.piece
        return -(-width * self.one(Tag.BITS, 1) * self.one(Tag.SAMPLES, 1) // 8) * height

    @property
    def pieces(self) -> int:
        """How many strips or tiles there should be."""
        width, height = self.piece
        return -(-self.width // width) * -(-self.height // height) * self.planes

    @property
    def offsets(self) -> Values:
        """Where the strips or tiles begin in the file."""
        return self.tags.get(Tag.TILES if self.is_tiled else Tag.STRIPS, ())[: self.pieces]

    @property
    def lengths(self) -> Values:
        """Bytes of the strips or tiles in the file."""
        given = self.tags.get(Tag.TILE_BYTES if self.is_tiled else Tag.STRIP_BYTES, ())[: self.pieces]
        if given or self.one(Tag.COMPRESSION, UNCOMPRESSED) != UNCOMPRESSED or self.is_tiled:
            return given
        row = self.piece_bytes // self.rows // self.planes  # old writers leave the lengths out
        full = [min(self.rows, self.height - top) * row for top in range(0, self.height, self.rows)]
        return tuple(full * self.planes)


def read_page(data: bytes) -> Page:
    """The first directory of a file.

    Raises:
        ImageError: `unreadable`.
        struct.error: the file stops before its end.
    """
    order = "<" if data[:2] == b"II" else ">"
    (version, start) = struct.unpack_from(f"{order}HI", data, 2)
    if version != 42:
        raise unreadable("TIFF", "is a BigTIFF", "Save it as PNG or JPEG.")
    (count,) = struct.unpack_from(f"{order}H", data, start)
    if count > _MOST_TAGS:
        raise unreadable("TIFF", f"has {count:,} tags")
    tags: dict[int, Values] = {}
    left = _MOST_VALUES
    for index in range(count):
        tag, kind, many = struct.unpack_from(f"{order}HHI", data, start + 2 + 12 * index)
        if tag in _READ and tag not in tags:
            left -= many
            if kind not in _KINDS or left < 0:
                raise unreadable("TIFF", f"has a damaged tag {tag}")
            values = _values(data, f"{order}{many}{_KINDS[kind]}", start + 10 + 12 * index)
            tags[tag] = values if tag in _LISTS else values[:1]
    return Page(order, tags)


def _values(data: bytes, form: str, place: int) -> Values:
    if struct.calcsize(form) > 4:
        (place,) = struct.unpack_from(f"{form[0]}I", data, place)
    return struct.unpack_from(form, data, place)


def directory_of(order: str, start: int, tags: Mapping[int, Values]) -> bytes:
    """A directory at `start` with its values behind it, and none after it."""
    entries, values = [], b""
    behind = start + 2 + 12 * len(tags) + 4
    for tag, given in sorted(tags.items()):
        kind, letter = (7, "B") if tag == Tag.TABLES else (4, "I") if tag in _LONG else (3, "H")
        packed = struct.pack(f"{order}{len(given)}{letter}", *given)
        if len(packed) > 4:
            place = struct.pack(f"{order}I", behind + len(values))
            values += packed + bytes(len(packed) % 2)
        else:
            place = packed.ljust(4, b"\0")
        entries.append(struct.pack(f"{order}HHI", tag, kind, len(given)) + place)
    return struct.pack(f"{order}H", len(tags)) + b"".join(entries) + bytes(4) + values
