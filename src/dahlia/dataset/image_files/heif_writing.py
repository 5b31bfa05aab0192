"""Writes a HEIF file of one image: what a decoder needs of its pictures, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from dahlia.dataset.formats import ImageFormat
from dahlia.dataset.image_files.heif_boxes import Item, Property

_BRANDS: dict[ImageFormat, bytes] = {"HEIC": b"heic", "AVIF": b"avif"}
_KEPT = (b"ispe", b"hvcC", b"av1C", b"pixi", b"auxC")
_COLOURS = (b"colr", b"nclx")  # how brightness and colours become red, green and blue; no profile
_ESSENTIAL = (b"hvcC", b"av1C")

_Described = tuple[Item, Sequence[Item]]


def write_heif(format: ImageFormat, pictures: Sequence[_Described]) -> bytes:
    """A file of images.

    Args:
        format: HEIC or AVIF.
        pictures: each with its tiles, if it is a grid; the second is the opacity of the first.
    """
    items: list[Item] = []
    references, firsts = b"", []
    for item, tiles in pictures:
        firsts.append(len(items) + 1)
        items += [item, *tiles]
        numbers = range(firsts[-1] + 1, firsts[-1] + 1 + len(tiles))
        if tiles:
            references += _reference(b"dimg", firsts[-1], *numbers)
    if len(firsts) > 1:
        references += _reference(b"auxl", firsts[1], firsts[0])
    brand = _BRANDS[format]
    head = _box(b"ftyp", brand, bytes(4), b"mif1", b"miaf", brand)
    handler = _full(b"hdlr", bytes(4), b"pict", bytes(13))
    described = [
        handler,
        _full(b"pitm", struct.pack(">H", 1)),
        _kinds(items),
        _full(b"iref", references) if references else b"",
        _properties(items),
    ]
    length = sum(map(len, described)) + len(_places(items, 0)) + 12
    meta = _full(b"meta", *described, _places(items, len(head) + length + 8))
    return head + meta + _box(b"mdat", *(item.data for item in items))


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _reference(kind: bytes, origin: int, *to: int) -> bytes:
    return _box(kind, struct.pack(f">HH{len(to)}H", origin, len(to), *to))


def _kinds(items: Sequence[Item]) -> bytes:
    entries = [
        _full(b"infe", struct.pack(">HH4sB", number, 0, item.kind, 0), version=2)
        for number, item in enumerate(items, 1)
    ]
    return _full(b"iinf", struct.pack(">H", len(entries)), *entries)


def _properties(items: Sequence[Item]) -> bytes:
    known: dict[Property, int] = {}
    entries = []
    for number, item in enumerate(items, 1):
        kept = [
            one for one in item.properties if one[0] in _KEPT or (one[0] == b"colr" and one[1][:4] == b"nclx")
        ]
        indices = [known.setdefault(one, len(known) + 1) | 0x8000 * (one[0] in _ESSENTIAL) for one in kept]
        entries.append(struct.pack(f">HB{len(indices)}H", number, len(indices), *indices))
    boxes = [_box(kind, content) for kind, content in known]
    associations = _full(b"ipma", struct.pack(">I", len(entries)), *entries, flags=1)
    return _box(b"iprp", _box(b"ipco", *boxes), associations)


def _places(items: Sequence[Item], start: int) -> bytes:
    entries = []
    for number, item in enumerate(items, 1):
        entries.append(struct.pack(">HHHII", number, 0, 1, start, len(item.data)))
        start += len(item.data)
    return _full(b"iloc", b"\x44\0", struct.pack(">H", len(items)), *entries)
