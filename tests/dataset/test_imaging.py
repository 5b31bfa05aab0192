from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import simplejpeg
from PIL import Image

from dahlia.dataset import imaging
from dahlia.dataset.image_files.jpeg_file import MAX_SCANS
from dahlia.dataset.imaging import decode, load, read_header, squash, thumbnail, to_tensor_layout
from dahlia.errors import ImageError

WIDTH, HEIGHT = 48, 36
ORIENTATION = 0x0112


def scene(width: int = WIDTH, height: int = HEIGHT, seed: int = 7) -> npt.NDArray[np.uint8]:
    """A smooth picture without symmetry, so that every turn of it is another picture."""
    coarse = np.random.default_rng(seed).integers(20, 235, (5, 6, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


SCENE = scene()
PHOTO = Image.fromarray(SCENE)
GREY = PHOTO.convert("L")
DEEP = np.asarray(GREY).astype(np.uint16) << 8 | 0xAB
HALF = Image.fromarray(np.dstack([SCENE, np.full((HEIGHT, WIDTH), 128, np.uint8)]))
ON_WHITE = np.round(SCENE * (128 / 255) + 255 * (127 / 255))
GREY_RGB = np.repeat(np.asarray(GREY)[..., None], 3, axis=2)
GREY_ON_WHITE = np.round(GREY_RGB * (128 / 255) + 255 * (127 / 255))
BITS = GREY.point(lambda value: 255 * (value > 128), "1")
BITS_RGB = np.repeat(np.asarray(BITS)[..., None] * np.uint8(255), 3, axis=2)
PALETTE = PHOTO.quantize(64)
HOLE = PALETTE.getpixel((0, 0))
HOLED = np.where((np.asarray(PALETTE) == HOLE)[..., None], 255, np.asarray(PALETTE.convert("RGB")))
SECOND_FRAME = {"save_all": True, "append_images": [PHOTO.transpose(Image.Transpose.ROTATE_180)]}

# name -> file, expected pixels, largest mean difference
MODES: dict[str, tuple[bytes, npt.NDArray[Any], float]] = {
    "jpeg": (encoded(PHOTO, "JPEG", quality=95, subsampling=0), SCENE, 2),
    "jpeg progressive": (encoded(PHOTO, "JPEG", quality=95, subsampling=0, progressive=True), SCENE, 2),
    "jpeg restarts": (encoded(PHOTO, "JPEG", quality=95, restart_marker_rows=1, subsampling=0), SCENE, 2),
    "jpeg grey": (encoded(GREY, "JPEG", quality=95), GREY_RGB, 2),
    "jpeg cmyk": (encoded(PHOTO.convert("CMYK"), "JPEG", quality=95, subsampling=0), SCENE, 3),
    "png": (encoded(PHOTO, "PNG"), SCENE, 0),
    "png grey": (encoded(GREY, "PNG"), GREY_RGB, 0),
    "png grey alpha": (
        encoded(Image.merge("LA", [GREY, HALF.getchannel("A")]), "PNG"),
        GREY_ON_WHITE,
        1,
    ),
    "png alpha": (encoded(HALF, "PNG"), ON_WHITE, 1),
    "png 16 bits grey": (encoded(Image.fromarray(DEEP), "PNG"), GREY_RGB, 0),
    "png 16 bits grey, one transparent": (
        encoded(Image.fromarray(DEEP), "PNG", transparency=int(DEEP[0, 0])),
        np.where(np.equal(DEEP, DEEP[0, 0])[..., None], 255, GREY_RGB),
        0,
    ),
    "png 16 bits": (
        cv2.imencode(".png", SCENE[..., ::-1].astype(np.uint16) << 8 | 0xAB)[1].tobytes(),
        SCENE,
        0,
    ),
    "png palette": (encoded(PALETTE, "PNG"), np.asarray(PALETTE.convert("RGB")), 0),
    "png palette transparent": (encoded(PALETTE, "PNG", transparency=HOLE), HOLED, 0),
    "png 1 bit": (encoded(BITS, "PNG"), BITS_RGB, 0),
    "bmp": (encoded(PHOTO, "BMP"), SCENE, 0),
    "bmp 1 bit": (encoded(BITS, "BMP"), BITS_RGB, 0),
    "bmp palette": (encoded(PALETTE, "BMP"), np.asarray(PALETTE.convert("RGB")), 0),
    "gif": (encoded(PALETTE, "GIF"), np.asarray(PALETTE.convert("RGB")), 0),
    "gif transparent": (encoded(PALETTE, "GIF", transparency=HOLE), HOLED, 0),
    "gif animated": (encoded(PHOTO, "GIF", **SECOND_FRAME), SCENE, 12),
    "webp": (encoded(PHOTO, "WEBP", quality=95), SCENE, 6),
    "webp lossless": (encoded(PHOTO, "WEBP", lossless=True), SCENE, 0),
    "webp alpha": (encoded(HALF, "WEBP", lossless=True), ON_WHITE, 1),
    "webp animated": (encoded(PHOTO, "WEBP", lossless=True, **SECOND_FRAME), SCENE, 0),
}
FORMATS = {"jpeg": "JPEG", "png": "PNG", "bmp": "BMP", "gif": "GIF", "webp": "WEBP"}
JPEG = MODES["jpeg"][0]


def block(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_of(width: int, height: int) -> bytes:
    header = block(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + block(b"IDAT", zlib.compress(b"\0" * 99)) + block(b"IEND", b"")


def jpeg_of_scans(count: int) -> bytes:
    start = JPEG.index(b"\xff\xda")
    return JPEG[:start] + JPEG[start:-2] * count + JPEG[-2:]


def jpeg_of_large_scans(count: int) -> bytes:
    written = io.BytesIO()
    Image.new("L", (10_240, 10_240), 128).save(written, "JPEG", progressive=True)
    data = written.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + data[-2:]


def before(marker: bytes, extra: bytes) -> bytes:
    position = JPEG.rindex(marker)
    return JPEG[:position] + extra + JPEG[position:]


def large_jpeg() -> bytes:
    noise = np.random.default_rng(3).normal(0, 12, (900, 1200, 3))
    pixels = np.clip(scene(1200, 900) + noise, 0, 255).astype(np.uint8)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=85, colorsubsampling="420"))


@pytest.mark.parametrize("name", MODES)
def test_every_mode_becomes_rgb(name: str) -> None:
    data, expected, tolerance = MODES[name]
    pixels = decode(data)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    assert np.abs(pixels - expected.astype(float)).mean() <= tolerance


@pytest.mark.parametrize("name", MODES)
def test_header_says_format_and_size(name: str) -> None:
    header = read_header(MODES[name][0])
    assert (header.format, header.width, header.height) == (FORMATS[name.split()[0]], WIDTH, HEIGHT)
    assert header.orientation == 1


@pytest.mark.parametrize("name", MODES)
def test_a_file_cut_anywhere_has_all_pixels_or_is_refused(name: str) -> None:
    data = MODES[name][0]
    whole = decode(data)
    step = max(1, len(data) // 60)
    taken = []
    for length in [*range(30, len(data), step), *range(len(data) - 30, len(data))]:
        try:
            pixels = decode(data[:length])
        except ImageError as error:
            assert error.code == "truncated", length  # noqa: PT017  # what is not refused is judged as well
        else:
            assert read_header(data[:length]).cut_off
            assert np.array_equal(pixels, whole), length
            taken.append(length)
    assert not name.startswith(("jpeg", "png", "gif")) or len(data) - 1 in taken
    assert name.endswith("animated") or all(length >= len(data) - 22 for length in taken)


@pytest.mark.parametrize("name", MODES)
def test_damage_is_an_image_error_or_harmless(name: str) -> None:
    random = np.random.default_rng(11)
    data = np.frombuffer(MODES[name][0], np.uint8)
    for _ in range(40):
        damaged = data.copy()
        damaged[random.integers(0, len(data), 2)] = random.integers(0, 256, 2)
        with contextlib.suppress(ImageError):
            assert decode(damaged.tobytes(), max_pixels=100_000).ndim == 3


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(format: str, orientation: int) -> None:
    turns: dict[int, npt.NDArray[np.uint8]] = {
        1: SCENE,
        2: SCENE[:, ::-1],
        3: SCENE[::-1, ::-1],
        4: SCENE[::-1],
        5: SCENE.transpose(1, 0, 2),
        6: np.rot90(SCENE, -1),
        7: SCENE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(SCENE),
    }
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}, "PNG": {}}[format]
    data = encoded(PHOTO, format, exif=exif, **options)
    expected = turns[orientation]
    header, pixels = read_header(data), decode(data)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected.astype(float)).mean() < 2
    assert (header.height, header.width, header.orientation) == (*expected.shape[:2], orientation)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0XX*\0\x08\0\0\0",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
    ],
)
def test_damaged_exif_is_passed_over(exif: bytes) -> None:
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    data = JPEG[:2] + segment + JPEG[2:]
    assert read_header(data).orientation == 1
    assert np.array_equal(decode(data), decode(JPEG))


@pytest.mark.parametrize(
    "data",
    [
        JPEG + b"\0" * 500,
        JPEG + b"maker's notes",
        JPEG + JPEG,
        before(b"\xff\xd9", b"\x01\x02\x03\x04\x05\x06\x07\x08"),
        before(b"\xff\xda", b"\0\x01\x02"),
        before(b"\xff\xda", b"\xff\xff"),
        before(b"\xff\xc4", b"\xff\xfe\0\x06\xff\xd9\xff\xd9"),
    ],
    ids=["zeros after", "text after", "another after", "stray at the end", "stray", "fill", "end in comment"],
)
def test_harmless_oddities_of_jpeg_are_accepted(data: bytes) -> None:
    assert np.array_equal(decode(data), decode(JPEG))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "zero-byte"),
        (b"hello", "not-an-image"),
        (b"\0" * 100, "not-an-image"),
        (b"\xff\xd8", "not-an-image"),
        (b"<html><body>404</body></html>", "not-an-image"),
        (b"<!DOCTYPE html><!---->" + b"<!---->" * 140, "not-an-image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-format"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>", "unsupported-format"),
        (encoded(PHOTO, "ICO"), "unsupported-format"),
        (encoded(PHOTO, "PPM"), "unsupported-format"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "truncated"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "truncated"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", "unsupported-format"),
        (b"II+\0\x08\0\0\0", "unsupported-format"),
        (b"%PDF-1.7", "unsupported-format"),
        (JPEG[: len(JPEG) // 2], "truncated"),
        (JPEG[: len(JPEG) // 2] + b"\xff\xd9", "truncated"),
        (JPEG[:20], "truncated"),
        (b"\xff\xd8\xff\xd9", "unreadable"),
        (jpeg_of_scans(MAX_SCANS + 1), "unreadable"),
        (jpeg_of_large_scans(20), "unreadable"),
        (MODES["png"][0].replace(b"IDAT", b"IDAt", 1), "unreadable"),
        (png_of(0, 5), "unreadable"),
        (png_of(50_000, 50_000), "decompression-bomb"),
        (png_of(1, 1_000_000), "decompression-bomb"),
        (png_of(2**31 - 1, 2**31 - 1), "decompression-bomb"),
        (png_of(300, 300), "truncated"),
    ],
)
def test_what_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert caught.value.code == code
    told = caught.value
    assert str(told) == f"Expected {told.expected}, received {told.received}. {told.next}"


def test_max_pixels_bounds_what_is_decoded() -> None:
    assert decode(JPEG, max_pixels=WIDTH * HEIGHT).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ImageError, match="at most 1,727 pixels") as caught:
        decode(JPEG, max_pixels=WIDTH * HEIGHT - 1)
    assert caught.value.code == "decompression-bomb"


def test_max_decoded_counts_what_a_smaller_jpeg_is_decoded_to() -> None:
    large = encoded(PHOTO.resize((1200, 900)), "JPEG")
    assert decode(large, at_least=225, max_decoded=225 * 300).shape == (225, 300, 3)
    for data, at_least in ((large, 226), (large, None), (encoded(PHOTO.resize((1200, 900)), "PNG"), 225)):
        with pytest.raises(ImageError) as caught:
            decode(data, at_least=at_least, max_decoded=225 * 300)
        assert caught.value.code == "decompression-bomb"


@pytest.mark.parametrize(
    ("at_least", "shape"),
    [
        (None, (900, 1200)),
        (1000, (900, 1200)),
        (451, (900, 1200)),
        (450, (450, 600)),
        (226, (450, 600)),
        (225, (225, 300)),
        (112, (113, 150)),
        (1, (113, 150)),
    ],
)
def test_at_least_bounds_the_scaled_decoding(at_least: int | None, shape: tuple[int, int]) -> None:
    assert decode(large_jpeg(), at_least=at_least).shape[:2] == shape


@pytest.mark.parametrize("size", [64, 96, 160, 224, 288])
def test_scaled_decoding_is_close_to_the_full_one(size: int) -> None:
    data = large_jpeg()
    difference = np.abs(load(data, size).astype(int) - squash(decode(data), size))
    assert difference.mean() < 1


def test_scaled_decoding_of_a_turned_image() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(Image.fromarray(scene(1200, 900)), "JPEG", exif=exif)
    assert decode(data, at_least=400).shape == (600, 450, 3)
    assert np.abs(load(data, 96).astype(int) - squash(decode(data), 96)).mean() < 1


@pytest.mark.parametrize("shape", [(36, 48), (16, 16), (8, 8), (8, 48), (48, 8), (1, 1), (1, 500)])
def test_squash_keeps_the_mean(shape: tuple[int, int]) -> None:
    image = scene(shape[1], shape[0])
    small = squash(image, 16)
    assert small.shape == (16, 16, 3)
    assert small.dtype == np.uint8
    assert abs(small.mean() - image.mean()) < 3


def test_squash_averages_areas_and_grows_smoothly() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.all(squash(stripes, 16) == 100)
    ramp = np.repeat(np.array([[0, 90, 180]], np.uint8)[..., None], 3, axis=2).repeat(3, axis=0)
    grown = squash(ramp, 30)[0, :, 0].astype(int)
    assert np.all(np.diff(grown) >= 0)
    assert np.diff(grown).max() <= 10


def test_squash_of_the_right_size_changes_nothing() -> None:
    image = scene(32, 32)
    assert np.array_equal(squash(image, 32), image)


def test_tensor_layout() -> None:
    images = [scene(8, 8, seed) for seed in range(3)]
    batch = to_tensor_layout(images)
    assert batch.shape == (3, 3, 8, 8)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    assert batch[2, 1, 5, 6] == images[2][5, 6, 1]
    assert batch.max() <= 255


def test_tensor_layout_of_nothing() -> None:
    assert to_tensor_layout([]).shape[:2] == (0, 3)


@pytest.mark.parametrize(
    ("size", "edge", "expected"),
    [((1200, 900), 300, (300, 225)), ((900, 1200), 300, (225, 300)), ((40, 30), 300, (40, 30))],
)
def test_thumbnail_keeps_the_aspect(size: tuple[int, int], edge: int, expected: tuple[int, int]) -> None:
    data = thumbnail(encoded(Image.fromarray(scene(*size)), "JPEG"), edge)
    header = read_header(data)
    assert (header.format, header.width, header.height) == ("JPEG", *expected)


def test_thumbnail_of_a_thin_image() -> None:
    header = read_header(thumbnail(encoded(Image.fromarray(scene(500, 1)), "PNG"), 50))
    assert (header.width, header.height) == (50, 1)


def test_everything_public_is_listed() -> None:
    assert all(hasattr(imaging, name) for name in imaging.__all__)


@pytest.mark.portable
def test_averages_are_those_of_opencv_to_the_bit() -> None:
    """Floats are only the quicker way to them, on this processor too."""
    random = np.random.default_rng(5)
    shapes = [(450, 630), (480, 640), (448, 448), (448, 500), (224, 900), (1000, 1400), (1300, 1200)]
    shapes += [(int(height), int(width)) for height, width in random.integers(225, 900, (40, 2))]
    for height, width in shapes:
        image = random.integers(0, 256, (height, width, 3), np.uint8)
        expected = cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA)
        assert np.array_equal(squash(image, 224), expected), (height, width)
