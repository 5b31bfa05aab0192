"""TIFF: kinds that are read, written by Pillow, OpenCV and this file; kinds that are refused; and bombs."""

from __future__ import annotations

import contextlib
import struct
import time
import zlib
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from test_imaging import (
    BITS,
    BITS_RGB,
    GREY,
    GREY_RGB,
    HALF,
    HEIGHT,
    ON_WHITE,
    PALETTE,
    PHOTO,
    SCENE,
    WIDTH,
    encoded,
)

from dahlia.dataset.imaging import decode, load, read_header
from dahlia.errors import ImageError
from dahlia.server.images.validation import shrink

PIXELS = npt.NDArray[Any]
WIDE = {256, 257, 273, 278, 279, 322, 323, 324, 325}  # tags of four bytes
Tags = Mapping[int, int | tuple[int, ...] | list[int]]


def tiff(tags: Tags, pieces: list[bytes], order: str = "<", following: int = 0) -> bytes:
    """A TIFF of one directory; tags 273 and 279, or 324 and 325, are filled in from the pieces."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    places = []
    for piece in pieces:
        places.append(len(data))
        data += piece + bytes(len(piece) % 2)
    starts, lengths = (324, 325) if 322 in tags else (273, 279)
    every: dict[int, Any] = {starts: places, lengths: [len(piece) for piece in pieces], **tags}
    every = {tag: value for tag, value in every.items() if value is not None}
    entries = b""
    for tag, value in sorted(every.items()):
        given = list(value) if isinstance(value, tuple | list) else [value]
        kind, letter = (4, "I") if tag in WIDE else (3, "H")
        packed = struct.pack(f"{order}{len(given)}{letter}", *given)
        if len(packed) > 4:
            place = len(data)
            data += packed + bytes(len(packed) % 2)
            packed = struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, kind, len(given)) + packed.ljust(4, b"\0")
    struct.pack_into(f"{order}I", data, 4, len(data))
    return bytes(data) + struct.pack(f"{order}H", len(every)) + entries + struct.pack(f"{order}I", following)


RGB = {256: WIDTH, 257: HEIGHT, 258: (8, 8, 8), 259: 1, 262: 2, 277: 3, 278: HEIGHT}
GREYS = {256: WIDTH, 257: HEIGHT, 258: 8, 259: 1, 262: 1, 277: 1, 278: HEIGHT}


def rows(pixels: PIXELS, count: int) -> list[bytes]:
    return [pixels[top : top + count].tobytes() for top in range(0, len(pixels), count)]


def tiles(pixels: PIXELS, edge: int) -> list[bytes]:
    padded = np.pad(pixels, ((0, -len(pixels) % edge), (0, -pixels.shape[1] % edge), (0, 0)), mode="edge")
    return [
        padded[top : top + edge, left : left + edge].tobytes()
        for top in range(0, len(pixels), edge)
        for left in range(0, pixels.shape[1], edge)
    ]


def deflated(pieces: list[bytes]) -> list[bytes]:
    return [zlib.compress(piece) for piece in pieces]


def differences(pixels: PIXELS) -> PIXELS:
    """Predictor 2: each sample less that on its left."""
    made = pixels.copy()
    made[:, 1:] = pixels[:, 1:] - pixels[:, :-1]
    return made


def saved(image: Image.Image, compression: str, **options: Any) -> bytes:
    return encoded(image, "TIFF", compression=compression, **options)


def turned(orientation: int) -> bytes:
    return tiff({**RGB, 274: orientation}, rows(SCENE, HEIGHT))


PLANES = [np.ascontiguousarray(SCENE[..., n]) for n in range(3)]
LUMA = np.asarray(GREY)
MULTIPLIED = np.dstack([(SCENE * (128 / 255)).round(), np.full((HEIGHT, WIDTH), 128)]).astype(np.uint8)
G16 = np.asarray(GREY).astype(np.uint16) << 8 | 0xAB
PALETTE_RGB = np.asarray(PALETTE.convert("RGB"))
EXACT: dict[str, tuple[bytes, PIXELS]] = {
    **{f"colour, {name}": (saved(PHOTO, name), SCENE) for name in
       ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits")},
    **{f"grey, {name}": (saved(GREY, name), GREY_RGB) for name in ("raw", "tiff_lzw", "packbits")},
    **{f"palette, {name}": (saved(PALETTE, name), PALETTE_RGB) for name in ("raw", "tiff_lzw")},
    **{f"1 bit, {name}": (saved(BITS, name), BITS_RGB) for name in
       ("raw", "packbits", "tiff_ccitt", "group3", "group4", "tiff_adobe_deflate")},
    "CMYK": (saved(PHOTO.convert("CMYK"), "tiff_lzw"), SCENE),
    "two pages": (saved(PHOTO, "raw", save_all=True, append_images=[GREY]), SCENE),
    "strips": (tiff({**RGB, 278: 5}, rows(SCENE, 5)), SCENE),
    "strips, big-endian": (tiff({**RGB, 278: 5}, rows(SCENE, 5), ">"), SCENE),
    "strips without lengths": (tiff({**RGB, 278: 5, 279: None}, rows(SCENE, 5)), SCENE),
    "strip without rows": (tiff({**RGB, 278: None}, rows(SCENE, HEIGHT)), SCENE),
    "strips, Deflate": (tiff({**RGB, 278: 5, 259: 8}, deflated(rows(SCENE, 5))), SCENE),
    "strips, Deflate, predictor": (
        tiff({**RGB, 278: 5, 259: 8, 317: 2}, deflated(rows(differences(SCENE), 5))),
        SCENE,
    ),
    "tiles": (tiff({**RGB, 278: None, 322: 16, 323: 16}, tiles(SCENE, 16)), SCENE),
    "tiles larger than the image": (tiff({**RGB, 278: None, 322: 64, 323: 64}, tiles(SCENE, 64)), SCENE),
    "tiles, Deflate": (
        tiff({**RGB, 278: None, 322: 32, 323: 32, 259: 8}, deflated(tiles(SCENE, 32))),
        SCENE,
    ),
    "planes": (tiff({**RGB, 284: 2}, [plane.tobytes() for plane in PLANES]), SCENE),
    "planes in strips, Deflate": (
        tiff(
            {**RGB, 284: 2, 278: 7, 259: 8},
            deflated([strip for plane in PLANES for strip in rows(plane, 7)]),
        ),
        SCENE,
    ),
    "planes in tiles, Deflate": (
        tiff(
            {**RGB, 284: 2, 278: None, 322: 16, 323: 16, 259: 8},
            deflated([tile for plane in PLANES for tile in tiles(plane[..., None], 16)]),
        ),
        SCENE,
    ),
    "white is 0": (tiff({**GREYS, 262: 0}, rows(255 - np.asarray(GREY), HEIGHT)), GREY_RGB),
    "4 bits": (
        tiff({**GREYS, 258: 4}, [(LUMA[:, ::2] >> 4 << 4 | LUMA[:, 1::2] >> 4).tobytes()]),
        (GREY_RGB >> 4) * 17,
    ),
    "16 bits": (tiff({**GREYS, 258: 16}, rows(G16, HEIGHT)), GREY_RGB),
    "16 bits, big-endian": (tiff({**GREYS, 258: 16}, rows(G16.astype(">u2"), HEIGHT), ">"), GREY_RGB),
    "16 bits, big-endian, Deflate": (
        tiff({**GREYS, 258: 16, 259: 8}, deflated(rows(G16.astype(">u2"), HEIGHT)), ">"),
        GREY_RGB,
    ),
    "16 bits, white is 0": (tiff({**GREYS, 258: 16, 262: 0}, rows(65535 - G16, HEIGHT)), GREY_RGB),
    "16 bits, big-endian, white is 0": (
        tiff({**GREYS, 258: 16, 262: 0}, rows((65535 - G16).astype(">u2"), HEIGHT), ">"),
        GREY_RGB,
    ),
    "16 bits in planes, Deflate": (
        tiff(
            {**RGB, 258: (16, 16, 16), 284: 2, 259: 8},
            deflated([(plane.astype(np.uint16) << 8 | 9).tobytes() for plane in PLANES]),
        ),
        SCENE,
    ),
    "a fourth sample of no meaning": (
        tiff(
            {**RGB, 258: (8, 8, 8, 8), 277: 4, 338: 0},
            rows(np.dstack([SCENE, np.zeros((HEIGHT, WIDTH), np.uint8)]), HEIGHT),
        ),
        SCENE,
    ),
    "bytes behind the end": (saved(PHOTO, "raw") + b"and more", SCENE),
}  # fmt: skip
CLOSE: dict[str, tuple[bytes, PIXELS, float]] = {
    "JPEG": (saved(PHOTO, "jpeg", quality=95), SCENE, 3),
    "JPEG, grey": (saved(GREY, "jpeg", quality=95), GREY_RGB, 3),
    "JPEG, YCbCr": (saved(PHOTO.convert("YCbCr"), "jpeg", quality=95), SCENE, 4),
    "opacity": (saved(HALF, "tiff_lzw"), ON_WHITE, 1),
    "opacity, multiplied": (
        tiff(
            {**RGB, 258: (8, 8, 8, 8), 277: 4, 338: 1},
            rows(MULTIPLIED, HEIGHT),
        ),
        ON_WHITE,
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_what_is_read(name: str) -> None:
    data, expected = EXACT[name]
    header = read_header(data)
    assert (header.format, header.width, header.height, header.cut_off) == ("TIFF", WIDTH, HEIGHT, False)
    assert np.array_equal(decode(data), expected)


@pytest.mark.parametrize(("data", "expected", "tolerance"), CLOSE.values(), ids=CLOSE)
def test_what_is_read_nearly(data: bytes, expected: PIXELS, tolerance: float) -> None:
    assert np.abs(decode(data) - expected.astype(float)).mean() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_page_is_turned_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    as_png = encoded(PHOTO, "PNG", exif=exif)
    for data in (turned(orientation), saved(PHOTO, "tiff_lzw", tiffinfo={274: orientation})):
        assert np.array_equal(decode(data), decode(as_png))
        assert np.array_equal(load(data, 8), load(as_png, 8))
        small = decode(shrink(data, read_header(data), 48)).astype(int)
        assert np.abs(small - decode(shrink(as_png, read_header(as_png), 48))).mean() < 2


def float_tiff() -> bytes:
    return bytes(cv2.imencode(".tif", SCENE.astype(np.float32))[1].tobytes())


def cut(data: bytes, tag: int) -> bytes:
    """The value of a tag's first entry set to what is far behind the end."""
    order = "<" if data[:2] == b"II" else ">"
    place = data.index(struct.pack(f"{order}HH", tag, 4))
    return data[: place + 8] + struct.pack(f"{order}I", 1 << 30) + data[place + 12 :]


REFUSED: dict[str, tuple[bytes, str, str]] = {
    "floating point": (float_tiff(), "unreadable", "floating-point"),
    "with a sign": (tiff({**GREYS, 339: 2}, rows(np.asarray(GREY), HEIGHT)), "unreadable", "sign"),
    "32 bits": (tiff({**GREYS, 258: 32}, [bytes(4 * WIDTH * HEIGHT)]), "unreadable", "32 bits"),
    "of different bits": (tiff({**RGB, 258: (5, 6, 5)}, [bytes(9999)]), "unreadable", "5 and 6 bits"),
    "CIELab": (encoded(Image.new("LAB", (9, 9)), "TIFF"), "unreadable", "CIELab"),
    "raw data": (tiff({**GREYS, 262: 32803}, [bytes(9999)]), "unreadable", "camera's raw"),
    "preview": (tiff({**RGB, 254: 1}, rows(SCENE, HEIGHT)), "unreadable", "preview"),
    "DNG": (tiff({**RGB, 50706: 1}, rows(SCENE, HEIGHT)), "unreadable", "preview"),
    "YCbCr": (saved(PHOTO.convert("YCbCr"), "tiff_lzw"), "unreadable", "YCbCr"),
    "Zstandard": (saved(PHOTO, "zstd"), "unreadable", "Zstandard"),
    "LZMA": (saved(PHOTO, "lzma"), "unreadable", "LZMA"),
    "old JPEG": (tiff({**RGB, 259: 6}, [bytes(99)]), "unreadable", "JPEG of the old kind"),
    "unknown compression": (tiff({**RGB, 259: 77}, [bytes(99)]), "unreadable", "compression of kind 77"),
    "BigTIFF": (b"II+\0\x08\0\0\0" + bytes(99), "unsupported-format", "BigTIFF"),
    "no pixels": (tiff({**RGB, 256: 0}, [b""]), "unreadable", "is 0x36 pixels"),
    "no tags": (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "unreadable", "is 0x0 pixels"),
    "a directory in itself": (b"II*\0\0\0\0\0" + bytes(99), "unreadable", "18,761 tags"),
    "huge": (tiff({**RGB, 256: 1 << 31, 257: 1 << 31}, [b"a"]), "truncated", "stop"),
    "a bomb": (tiff({**GREYS, 256: 60_000, 257: 60_000, 278: 60_000, 259: 8}, deflated([b"a"])),
               "decompression-bomb", "60000x60000"),
    "huge tiles": (tiff({**RGB, 278: None, 322: 60_000, 323: 60_000, 259: 8}, [b"a"]), "unreadable", "tiles"),
    "tiles of nothing": (tiff({**RGB, 278: None, 322: 0, 323: 16}, [b"a"]), "unreadable", "tiles of 0"),
    "strips that are not there": (tiff({**RGB, 278: 5}, rows(SCENE, 5)[:3]), "truncated", "stop"),
    "strips behind the end": (cut(tiff(RGB, rows(SCENE, HEIGHT)), 273), "truncated", "stop"),
    "a strip that is too short": (tiff({**RGB, 259: 8}, deflated([b"short"])), "unreadable", "damaged"),
    "a damaged strip": (tiff({**RGB, 259: 8}, [b"damaged"]), "unreadable", "damaged"),
    "no JPEG": (tiff({**RGB, 259: 7}, [b"damaged"]), "unreadable", "damaged JPEG"),
    "a progressive JPEG": (
        tiff({**RGB, 259: 7, 262: 6}, [encoded(PHOTO, "JPEG", progressive=True)]),
        "unreadable", "progressive",
    ),
    "a large JPEG": (
        tiff({**RGB, 259: 7, 262: 6}, [encoded(PHOTO.resize((900, 900)), "JPEG")]), "unreadable", "too large",
    ),
    "9 samples": (tiff({**RGB, 258: (8,) * 9, 277: 9}, [bytes(99_999)]), "unreadable", "9 samples"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(data: bytes, code: str, words: str) -> None:
    with pytest.raises(ImageError) as refused:
        decode(data)
    assert (refused.value.code, words in str(refused.value)) == (code, True), str(refused.value)


def test_a_directory_that_follows_itself_is_not_followed() -> None:
    plain = tiff(RGB, rows(SCENE, HEIGHT))
    (start,) = struct.unpack_from("<I", plain, 4)
    assert np.array_equal(decode(tiff(RGB, rows(SCENE, HEIGHT), following=start)), SCENE)


def test_tags_that_all_lead_to_one_place_cost_nothing() -> None:
    """Each of 900 tags of a million values would take 40 MB."""
    body = bytes(4_000_000)
    tags = b"".join(struct.pack("<HHII", tag, 4, 1_000_000, 8) for tag in range(254, 1154))
    data = b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", 900) + tags + bytes(4)
    with pytest.raises(ImageError, match="damaged tag"):
        read_header(data)


@pytest.mark.parametrize(
    "name", ["strips", "tiles, Deflate", "planes", "16 bits, big-endian", "1 bit, group4"]
)
def test_damage_is_an_image_error_or_harmless(name: str) -> None:
    random = np.random.default_rng(5)
    data = np.frombuffer(EXACT[name][0], np.uint8)
    took = time.monotonic()
    for _ in range(150):
        damaged = data.copy()
        damaged[random.integers(0, len(data), 3)] = random.integers(0, 256, 3)
        for place in random.integers(len(data) - 130, len(data), 2):  # among the tags
            damaged[place] = random.integers(0, 256)
        with contextlib.suppress(ImageError):
            assert decode(damaged.tobytes(), max_pixels=100_000).ndim == 3
    assert time.monotonic() - took < 30


@pytest.mark.parametrize("name", ["strips", "tiles, Deflate", "colour, tiff_lzw", "CMYK"])
def test_a_file_cut_anywhere_is_refused(name: str) -> None:
    data, expected = EXACT[name]
    for length in range(8, len(data), 97):
        with contextlib.suppress(ImageError):
            assert np.array_equal(decode(data[:length]), expected)


@pytest.mark.parametrize("compression", [1, 5, 8])
def test_what_opencv_writes(compression: int) -> None:
    pixels, options = np.ascontiguousarray(SCENE[..., ::-1]), [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    assert np.array_equal(decode(cv2.imencode(".tif", pixels, options)[1].tobytes()), SCENE)
