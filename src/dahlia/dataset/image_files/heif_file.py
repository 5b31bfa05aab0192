"""HEIC and AVIF: one picture, or a grid of tiles; written again as nothing but what its pixels need.

The decoders believe what is in a file: they are given the main image alone, without previews, films, metadata
and rotation, and only if each picture in it has the size that the container says.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from dahlia.dataset.formats import ImageFormat
from dahlia.dataset.image_files.av1 import av1_sizes
from dahlia.dataset.image_files.heif_boxes import Heif, Item, is_whole, read_heif_items
from dahlia.dataset.image_files.heif_writing import write_heif
from dahlia.dataset.image_files.hevc import hevc_sizes
from dahlia.dataset.image_files.image_header import Box, ImageHeader, unreadable

_CONVERT = "Save it as JPEG."
_OPACITY = (b"urn:mpeg:hevc:2015:auxid:1\0", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
# Turns against the clock, and whether the image is mirrored before them -> EXIF's orientation.
_UPRIGHT = {(0, 0): 1, (1, 0): 8, (2, 0): 3, (3, 0): 6, (0, 1): 2, (1, 1): 5, (2, 1): 4, (3, 1): 7}

# Bytes per pixel that decoders keep: of colours, and of opacity; twice as many of more than 8 bits.
_COLOUR_BYTES, _OPACITY_BYTES = 7, 3

Sizes = Callable[[bytes, bytes], list[tuple[int, int, int]]]


@dataclass(frozen=True)
class _Codec:
    """How pictures of a kind are described.

    Attributes:
        format: of files of them.
        configuration: the property that says how they are coded.
        sizes: reads the sizes that they say themselves.
        margin: pixels by which these may be larger than what is shown.
    """

    format: ImageFormat
    configuration: bytes
    sizes: Sizes
    margin: int


_CODECS = {
    b"hvc1": _Codec("HEIC", b"hvcC", hevc_sizes, 64),
    b"av01": _Codec("AVIF", b"av1C", av1_sizes, 0),
}


@dataclass(frozen=True)
class _Picture:
    """An image: its item and, where it is a grid, its tiles in rows."""

    item: Item
    width: int
    height: int
    tiles: tuple[Item, ...] = ()

    @property
    def coded(self) -> tuple[Item, ...]:
        return self.tiles or (self.item,)


def read_heif(data: bytes) -> ImageHeader:
    """The header of the main image.

    Raises:
        ImageError: `unreadable`.
        IndexError, struct.error: the file stops before its end.
    """
    try:
        heif = read_heif_items(data)
        main = _picture(heif, heif.primary)
        opacity = _opacity(heif, main)
        bits = max(_check(picture) for picture in (main, opacity) if picture)
        kept = (_COLOUR_BYTES + (_OPACITY_BYTES if opacity else 0)) * (2 if bits > 8 else 1)
        header = ImageHeader(
            _CODECS[main.coded[0].kind].format,
            main.width,
            main.height,
            coefficients=kept * main.width * main.height,
            cut_off=not is_whole(data),
        )
        return _displayed(header, main.item)
    except ValueError as error:
        raise unreadable("HEIC or AVIF", str(error), _CONVERT) from None


def tidy_heif(data: bytes) -> bytes:
    """A HEIC or AVIF of the main image, as it is coded, with its opacity.

    Raises:
        ImageError: `unreadable`.
    """
    try:
        heif = read_heif_items(data)
        main = _picture(heif, heif.primary)
        opacity = _opacity(heif, main)
        pictures = [(picture.item, picture.tiles) for picture in (main, opacity) if picture]
        return write_heif(_CODECS[main.coded[0].kind].format, pictures)
    except ValueError as error:
        raise unreadable("HEIC or AVIF", str(error), _CONVERT) from None


def _picture(heif: Heif, number: int) -> _Picture:
    item = heif.items[number]
    width, height = _extent(item)
    if item.kind in _CODECS:
        return _Picture(item, width, height)
    if item.kind != b"grid":
        raise ValueError(f"is built of other images ({item.kind.decode('latin-1')})")
    parts = [to for kind, origin, to in heif.references if kind == b"dimg" and origin == number]
    tiles = tuple(heif.items[part] for part in (parts[0] if parts else ()) if part in heif.items)
    rows, columns = item.data[2] + 1, item.data[3] + 1
    across, down = struct.unpack_from(">II" if item.data[1] & 1 else ">HH", item.data, 4)
    if (
        (across, down) != (width, height)
        or len(tiles) != rows * columns
        or len(set(map(id, tiles))) != len(tiles)
    ):
        raise ValueError("has a damaged grid")
    tile_width, tile_height = _extent(tiles[0])
    fits = (columns - 1) * tile_width < width <= columns * tile_width
    if not fits or not (rows - 1) * tile_height < height <= rows * tile_height:
        raise ValueError("has a grid of another size")
    if len({(_extent(tile), tile.kind) for tile in tiles}) != 1 or tiles[0].kind not in _CODECS:
        raise ValueError("has a grid of different tiles")
    return _Picture(item, width, height, tiles)


def _opacity(heif: Heif, main: _Picture) -> _Picture | None:
    for kind, origin, to in heif.references:
        described = heif.items.get(origin, Item()).get(b"auxC") or b""
        if kind == b"auxl" and to == (heif.primary,) and described[4:].startswith(_OPACITY):
            found = _picture(heif, origin)
            same = (found.width, found.height, found.coded[0].kind) == (
                main.width, main.height, main.coded[0].kind,
            )  # fmt: skip
            return found if same else None
    return None


def _extent(item: Item) -> tuple[int, int]:
    found = item.get(b"ispe")
    if found is None:
        raise ValueError("does not say its size")
    width, height = struct.unpack_from(">II", found, 4)
    return width, height


def _check(picture: _Picture) -> int:
    """Let images pass whose pictures have the size that the container says.

    Returns:
        The bits of a sample.

    Raises:
        IndexError: the data of a picture is not whole.
        ValueError: says why not.
    """
    codec, bits = _CODECS[picture.coded[0].kind], 8
    for item in picture.coded:
        width, height = _extent(item)
        configuration = item.get(codec.configuration)
        if configuration is None:
            raise ValueError("does not say how it is coded")
        if not item.data:
            raise IndexError(item.kind)
        try:
            sizes = codec.sizes(configuration, item.data)
        except IndexError:
            raise ValueError("has a damaged picture in it") from None
        except ValueError as error:
            raise ValueError(f"has {error} pictures in the place of one") from None
        most = (width + codec.margin, height + codec.margin)
        if not sizes or any(across > most[0] or down > most[1] for across, down, _ in sizes):
            raise ValueError(f"says {width}x{height} pixels, and has others in it")
        bits = max(bits, *(each for *_, each in sizes))
    return bits


def _displayed(header: ImageHeader, item: Item) -> ImageHeader:
    """The header with the image's own crop and turns, in their order; EXIF says the same, or nothing."""
    turns = mirrored = 0
    for kind, content in item.properties:
        if kind == b"clap" and header.crop is None and not (turns or mirrored):
            header = _cropped(header, content)
        elif kind == b"irot":
            turns = (turns + (content[0] & 3)) % 4
        elif kind == b"imir":
            # A mirrored image that is turned is one that is turned the other way, and then mirrored.
            turns = (-turns + 2 * (1 - (content[0] & 1))) % 4
            mirrored = 1 - mirrored
    return replace(header, orientation=_UPRIGHT[turns, mirrored])


def _cropped(header: ImageHeader, content: bytes) -> ImageHeader:
    box = _clean_aperture(header.width, header.height, content)
    if box is None:
        return header
    left, top, right, bottom = box
    coded = header.width * header.height
    return replace(header, width=right - left, height=bottom - top, crop=box, coded=coded)


def _clean_aperture(width: int, height: int, content: bytes) -> Box | None:
    """The pixels that a `clap` property leaves; None where it leaves all, or makes no sense."""
    values = struct.unpack_from(">IIIIiIiI", content)
    if not all(values[1::2]):
        return None
    across, down, aside, below = (over / under for over, under in zip(values[::2], values[1::2], strict=True))
    left, top = round(aside + (width - across) / 2), round(below + (height - down) / 2)
    right, bottom = left + round(across), top + round(down)
    fits = 0 <= left < right <= width and 0 <= top < bottom <= height
    return (
        (left, top, right, bottom) if fits and (left, top, right, bottom) != (0, 0, width, height) else None
    )
