"""HEIC and AVIF files for the tests: boxes around pictures, in every way that the formats allow.

Nothing here encodes HEVC, so the one picture of HEIC is given: 64 x 64 pixels in four colours, coded by x265.
"""

from __future__ import annotations

import base64
import io
import struct
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from dahlia.dataset.image_files.heif_boxes import read_heif_items

EDGE = 64
CONFIGURATION = base64.b85decode(
    b"0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|NjGU00093kN^M!000939=ZZRVE_RDD?$MQ18@KU0|1Z!00RI30{"
    b"|YNAb|yz>PacCZUPz%2mk;B0LTCU0{{p>VgLaE2SfqEa<C#m"
)
PICTURE = base64.b85decode(
    b"0000zC;_hy;535)$=CZ`#Q*<B9msz+mXY2+=2I{K)*Ao+a}v27Ki0SRAI#ow|I$KYV6Xo!LD+uo$$$GU{{"
)
NCLX = b"nclx" + struct.pack(">HHHB", 1, 13, 6, 0x80)
COLOURS = np.zeros((EDGE, EDGE, 3), np.uint8)
"""The pixels of the picture."""
COLOURS[:32, :32] = 220, 30, 30
COLOURS[:32, 32:] = 30, 200, 40
COLOURS[32:, :32] = 30, 40, 210
COLOURS[32:, 32:] = 240, 240, 240

Property = tuple[bytes, bytes]


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def extent(width: int, height: int) -> Property:
    return b"ispe", bytes(4) + struct.pack(">II", width, height)


def turn(times: int) -> Property:
    """So many quarters against the clock."""
    return b"irot", bytes([times])


def mirror(axis: int) -> Property:
    """0: top and bottom change places; 1: left and right."""
    return b"imir", bytes([axis])


def crop(width: int, height: int, aside: int = 0, below: int = 0) -> Property:
    """What is left, and by how many halves of a pixel its middle lies beside the image's."""
    return b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, aside, 2, below, 2)


HEVC: tuple[Property, ...] = ((b"hvcC", CONFIGURATION), (b"colr", NCLX), extent(EDGE, EDGE))


@dataclass
class Made:
    """An item of a file; `to` are references with their kinds."""

    kind: bytes
    data: bytes
    properties: tuple[Property, ...] = ()
    to: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    method: int = 0


def heic(*properties: Property, data: bytes = PICTURE) -> Made:
    """The picture, with properties behind its own."""
    return Made(b"hvc1", data, (*HEVC, *properties))


def grid(rows: int, columns: int, width: int, height: int, first: int, **options: int) -> Made:
    """Tiles from the item `first` on."""
    data = bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", width, height)
    tiles = tuple(range(first, first + rows * columns))
    return Made(b"grid", data, (extent(width, height),), {b"dimg": tiles}, **options)


def heif(
    *items: Made,
    brand: bytes = b"heic",
    primary: int = 1,
    others: bytes = b"mif1",
    extra: bytes = b"",
    wide: int = 0,
) -> bytes:
    """A file of items, numbered from 1; `wide` is the version of its tables."""
    number = ">I" if wide else ">H"
    head = box(b"ftyp", brand, bytes(4), others)
    kinds = [
        full(b"infe", 3 if wide else 2, 0, struct.pack(number, n), bytes(2), item.kind, b"\0")
        for n, item in enumerate(items, 1)
    ]
    known: list[Property] = []
    described = b""
    for n, item in enumerate(items, 1):
        known += [one for one in item.properties if one not in known]
        places = [known.index(one) + 1 for one in item.properties]
        described += struct.pack(number, n) + bytes([len(places)])
        described += b"".join(struct.pack(">H", place) if wide else bytes([place]) for place in places)
    references = b"".join(
        box(kind, struct.pack(">HH", n, len(to)), struct.pack(f">{len(to)}H", *to))
        for n, item in enumerate(items, 1)
        for kind, to in item.to.items()
    )
    inside = b"".join(item.data for item in items if item.method)
    parts = [
        full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
        full(b"pitm", 1 if wide else 0, 0, struct.pack(number, primary)),
        full(b"iinf", 1 if wide else 0, 0, struct.pack(number, len(items)), *kinds),
        full(b"iref", 0, 0, references) if references else b"",
        box(
            b"iprp",
            box(b"ipco", *(box(kind, content) for kind, content in known)),
            full(b"ipma", 1 if wide else 0, 1 if wide else 0, struct.pack(">I", len(items)), described),
        ),
        box(b"idat", inside) if inside else b"",
    ]

    def places_of(start: int) -> bytes:
        within, entries = 0, b""
        for n, item in enumerate(items, 1):
            place, within, start = (within, within + len(item.data), start) if item.method else (
                start, within, start + len(item.data),
            )  # fmt: skip
            entries += struct.pack(number, n)
            entries += struct.pack(">H", item.method) if wide else b""
            entries += struct.pack(">HHII", 0, 1, place, len(item.data))
        return full(b"iloc", 2 if wide else 0, 0, b"\x44\0", struct.pack(number, len(items)), entries)

    length = len(head) + len(extra) + 12 + sum(map(len, parts)) + len(places_of(0)) + 8
    meta = full(b"meta", 0, 0, *parts, places_of(length))
    return head + meta + extra + box(b"mdat", *(item.data for item in items if not item.method))


@cache
def av1(width: int = EDGE, height: int = EDGE) -> tuple[tuple[Property, ...], bytes]:
    """The properties and the data of the same colours in AV1."""
    return of_avif(avif(np.ascontiguousarray(np.resize(COLOURS, (height, width, 3)))))


def of_avif(data: bytes) -> tuple[tuple[Property, ...], bytes]:
    """What a file of one picture has."""
    found = read_heif_items(data)
    item = found.items[found.primary]
    return tuple(one for one in item.properties if one[0] in (b"av1C", b"ispe", b"colr")), item.data


def avif(pixels: npt.NDArray[np.uint8], **options: object) -> bytes:
    """What Pillow writes."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(
        file, "AVIF", **{"quality": 95, "speed": 10, "subsampling": "4:4:4"} | options
    )
    return file.getvalue()
