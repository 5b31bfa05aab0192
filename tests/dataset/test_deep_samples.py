"""Which 8 of 16 bits count: in PNG and TIFF, grey and colour, with and without opacity."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from test_imaging import HEIGHT, SCENE, WIDTH, block

from dahlia.dataset.deep_samples import shift_of
from dahlia.dataset.imaging import decode, read_header
from dahlia.server.images.validation import shrink

Deep = npt.NDArray[np.uint16]

GREY = SCENE[..., 1]
KINDS = ["grey", "colour", "opacity"]


def values(kind: str, shift: int, low: int) -> Deep:
    """The scene, shifted up, with something in the bits below."""
    deep: Deep = (GREY if kind == "grey" else SCENE).astype(np.uint16) << shift | low
    if kind == "opacity":
        deep = np.dstack([deep, np.full(deep.shape[:2], 0xFFFF, np.uint16)])
    return deep


def file_of(deep: Deep, suffix: str) -> bytes:
    places = {2: [0], 3: [2, 1, 0]}.get(deep.ndim if deep.ndim == 2 else deep.shape[2], [2, 1, 0, 3])
    pixels = deep if deep.ndim == 2 else np.ascontiguousarray(deep[..., places])
    return bytes(cv2.imencode(suffix, pixels)[1].tobytes())


def with_significant(data: bytes, *bits: int) -> bytes:
    return data[:33] + block(b"sBIT", bytes(bits)) + data[33:]


def grey_and_opacity(deep: Deep) -> bytes:
    """A PNG of two samples of 16 bits, which OpenCV does not write."""
    rows = np.dstack([deep, np.full(deep.shape, 0xFFFF, np.uint16)]).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    head = block(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 4, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + block(b"IDAT", zlib.compress(raw)) + block(b"IEND", b"")


def seen(kind: str) -> npt.NDArray[np.uint8]:
    return np.repeat(GREY[..., None], 3, axis=2) if kind == "grey" else SCENE


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shift", "low"), [(8, 0xAB), (8, 0), (4, 5), (4, 0), (0, 0)])
def test_values_that_all_fit_fewer_bits_have_fewer(suffix: str, kind: str, shift: int, low: int) -> None:
    data = file_of(values(kind, shift, low), suffix)
    assert np.array_equal(decode(data), seen(kind))
    small, whole = decode(shrink(data, read_header(data), 48)), seen(kind)
    assert np.abs(small.astype(int) - whole).mean() < 4


@pytest.mark.parametrize("shift", [8, 4, 0])
def test_grey_with_opacity(shift: int) -> None:
    data = grey_and_opacity(GREY.astype(np.uint16) << shift | ((1 << shift) - 1 if shift else 0))
    assert np.array_equal(decode(data), seen("grey"))


@pytest.mark.parametrize("kind", KINDS)
def test_ten_bits_are_known_only_where_the_file_says_so(kind: str) -> None:
    data = file_of(values(kind, 2, 3), ".png")
    assert decode(data).mean() < SCENE.mean() / 3  # taken for 12: darker, as a dark photo of 12 bits is
    samples = {"grey": 1, "colour": 3, "opacity": 4}[kind]
    assert np.array_equal(decode(with_significant(data, *[10] * samples)), seen(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_significant_bits_that_are_the_upper_ones(kind: str) -> None:
    """As the standard wants them; a dark photo stays dark."""
    dark = values(kind, 8, 0)
    dark[..., : 3 if kind == "opacity" else None] >>= 4  # only the lower half of what 12 bits can be
    dark[..., : 3 if kind == "opacity" else None] &= 0xFFF0
    samples = {"grey": 1, "colour": 3, "opacity": 4}[kind]
    data = with_significant(file_of(dark, ".png"), *[12] * samples)
    assert np.array_equal(decode(data), seen(kind) >> 4)


@pytest.mark.parametrize(
    ("most", "used", "bits", "significant", "shift"),
    [
        (65535, 0xFFFF, 16, 0, 8),
        (4096, 0x1FFF, 16, 0, 8),
        (4095, 0xFFF, 16, 0, 4),
        (256, 0x1FF, 16, 0, 4),
        (255, 0xFF, 16, 0, 0),
        (0, 0, 16, 0, 0),
        (0xFFF0, 0xFFF0, 16, 12, 8),
        (0xFF0, 0xFF0, 16, 12, 8),
        (0xFFF, 0xFFF, 16, 12, 4),
        (0x1000, 0x1FFF, 16, 12, 8),
        (0x3FFF, 0x3FFF, 16, 14, 6),
        (0x3FF, 0x3FF, 16, 10, 2),
        (0xFF, 0xFF, 16, 5, 0),
        (0xFF, 0xFF, 16, 16, 8),
        (0xFF, 0xFF, 12, 0, 4),
        (0xFF, 0xFF, 12, 12, 4),
    ],
)
def test_shift(most: int, used: int, bits: int, significant: int, shift: int) -> None:
    assert shift_of(most, used, bits, significant) == shift


def test_a_transparent_colour_of_16_bits() -> None:
    deep = values("colour", 8, 0xAB)
    key = deep[0, 0]
    data = file_of(deep, ".png")
    data = data[:33] + block(b"tRNS", key.astype(">u2").tobytes()) + data[33:]
    expected = np.where((SCENE[0, 0] == SCENE).all(axis=2)[..., None], 255, SCENE)
    assert np.array_equal(decode(data), expected)


def test_12_bits_that_the_file_has() -> None:
    """A TIFF may pack two samples in three bytes."""
    deep = GREY.astype(np.uint16) << 4 | 0xF
    pairs = deep.reshape(-1, 2)
    packed = np.dstack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255]
    ).astype(np.uint8)
    tags = [(256, WIDTH), (257, HEIGHT), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, HEIGHT)]
    tags.append((279, packed.size))
    place = 8 + packed.size
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = b"II*\0" + struct.pack("<I", place) + packed.tobytes()
    data += struct.pack("<H", len(tags)) + entries + bytes(4)
    assert np.array_equal(decode(data), seen("grey"))


def test_one_large_image_is_decoded_in_strips() -> None:
    deep = np.random.default_rng(0).integers(0, 4096, (1200, 1100, 3)).astype(np.uint16)
    file = io.BytesIO(file_of(deep, ".png"))
    assert np.array_equal(decode(file.getvalue()), deep >> 4)
    assert Image.open(file).mode == "RGB"
