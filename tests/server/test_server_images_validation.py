"""Uploaded images: taken with a thumbnail, or refused with the status of the contract."""

from __future__ import annotations

import hashlib
import io
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dahlia.dataset.decoding_memory import DecodingMemory
from dahlia.dataset.headers import read_header
from dahlia.dataset.imaging import decode
from dahlia.dataset.pillow_formats import OPENERS
from dahlia.errors import ImageError
from dahlia.server.images import validation
from dahlia.server.images.validation import Limits, Refused, receive, receive_many, resized
from heif_samples import COLOURS, grid, heic, heif

LIMITS = Limits()


def photo(width: int = 90, height: int = 60, mode: str = "RGB") -> Image.Image:
    """Red above, blue below, with a little noise."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = 220
    pixels[height // 2 :, :, 2] = 220
    pixels[..., 1] = np.random.default_rng(0).integers(0, 20, (height, width))
    return Image.fromarray(pixels).convert(mode)


def saved(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(photo(), kind, exif=exif)


def mean_of(thumbnail: bytes, half: slice) -> list[int]:
    return [round(value) for value in decode(thumbnail)[half].mean(axis=(0, 1))]


@pytest.mark.parametrize(
    ("kind", "suffix", "options"),
    [
        ("JPEG", ".jpg", {}),
        ("JPEG", ".jpg", {"progressive": True}),
        ("PNG", ".png", {}),
        ("BMP", ".bmp", {}),
        ("GIF", ".gif", {}),
        ("WEBP", ".webp", {"lossless": True}),
        ("TIFF", ".tif", {"compression": "tiff_lzw"}),
        ("AVIF", ".avif", {"speed": 10, "quality": 90, "subsampling": "4:4:4"}),
    ],
)
@pytest.mark.parametrize("size", [(90, 60), (1400, 933), (20, 400)])
def test_every_format_is_taken(
    kind: str, suffix: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    data = saved(photo(*size), kind, **options)
    taken = receive(data, LIMITS)
    assert (taken.width, taken.height, taken.suffix, taken.size) == (*size, suffix, len(data))
    assert taken.sha256 == hashlib.sha256(data).hexdigest()
    assert taken.data is data
    small = read_header(taken.thumbnail)
    scale = min(1, 256 / max(size))
    assert small.format == "JPEG"
    assert (small.width, small.height) == pytest.approx([edge * scale for edge in size], abs=1)
    top, bottom = small.height * 2 // 5, small.height * 3 // 5
    assert mean_of(taken.thumbnail, slice(0, top)) == pytest.approx([220, 10, 0], abs=6)
    assert mean_of(taken.thumbnail, slice(bottom, None)) == pytest.approx([0, 10, 220], abs=6)


def transparent_palette() -> bytes:
    image = Image.new("P", (30, 30))
    image.putpalette([200, 0, 0] * 256)
    return saved(image, "PNG", transparency=0)


def animation() -> bytes:
    return saved(Image.new("P", (30, 30)), "GIF", save_all=True, append_images=[Image.new("P", (30, 30), 9)])


def sixteen_bits() -> bytes:
    return saved(Image.fromarray(np.full((700, 900), 200 << 8 | 77, np.uint16)), "PNG")


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (saved(Image.new("RGBA", (900, 700), (0, 0, 0, 0)), "PNG"), [255, 255, 255]),
        (saved(Image.new("RGBA", (30, 30), (200, 0, 0, 255)), "PNG"), [200, 0, 0]),
        (saved(Image.new("LA", (30, 30), (0, 0)), "PNG"), [255, 255, 255]),
        (transparent_palette(), [255, 255, 255]),
        (sixteen_bits(), [200, 200, 200]),
        (saved(Image.new("1", (30, 30), 1), "PNG"), [255, 255, 255]),
        (saved(Image.new("L", (30, 30), 90)), [90, 90, 90]),
        (saved(Image.new("CMYK", (3000, 2000), (0, 255, 255, 0))), [254, 0, 0]),
        (animation(), [0, 0, 0]),
    ],
    ids=["transparent", "opaque", "grey", "palette", "16 bits", "1 bit", "grey JPEG", "CMYK", "animation"],
)  # fmt: skip
def test_colours_are_those_one_sees(data: bytes, colour: list[int]) -> None:
    taken = receive(data, LIMITS)
    assert mean_of(taken.thumbnail, slice(None)) == pytest.approx(colour, abs=4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_stand_upright(kind: str, orientation: int) -> None:
    data = turned(orientation, kind)
    taken = receive(data, LIMITS)
    right = decode(data)
    assert (taken.height, taken.width) == right.shape[:2] == ((90, 60) if orientation > 4 else (60, 90))
    difference = decode(taken.thumbnail).astype(int) - right
    assert np.abs(difference).mean() < 12


def png_of(width: int, height: int) -> bytes:
    """A header that promises; nothing behind it."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = block(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + block(b"IDAT", zlib.compress(b"")) + block(b"IEND", b"")


JPEG = saved(photo(900, 600))


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", "ErrorImageFormat", "empty file"),
        (b"GIF89a is how some notes begin", "ErrorImageFormat", "GIF"),
        (b"{}", "ErrorImageFormat", "Expected a JPEG"),
        (saved(photo(), "PPM"), "ErrorImageFormat", "Netpbm"),
        (JPEG[:-3], "ErrorImageFormat", "lacks pixels"),
        (JPEG[: len(JPEG) // 2] + b"\xff\xd9", "ErrorImageFormat", "damaged"),
        (JPEG[:-500] + JPEG[-2:], "ErrorImageFormat", "damaged"),
        (saved(photo(), "PNG")[:-40], "ErrorImageFormat", "lacks pixels"),
        (png_of(100, 100), "ErrorImageFormat", "damaged"),
        (JPEG + b"<script>alert(1)</script>", "ErrorImageFormat", "a web page behind it"),
        (JPEG[:-2] + b"<script>alert(1)</script>", "ErrorImageFormat", "a web page behind it"),
        (saved(photo(), "PNG")[:-12] + b"<!doctype html>", "ErrorImageFormat", "a web page behind it"),
        (saved(photo(), "GIF")[:-1] + b"<html>", "ErrorImageFormat", "a web page behind it"),
        (JPEG + b"PK\x05\x06" + bytes(18), "ErrorImageFormat", "a ZIP archive behind it"),
        (bytes(6 * 1024 * 1024 + 1), "ErrorImageSize", "6,291,456 bytes"),
        (png_of(10241, 600), "ErrorImageDimensions", "10241x600"),
        (png_of(600, 10241), "ErrorImageDimensions", "600x10241"),
        (png_of(2**31 - 1, 2**31 - 1), "ErrorImageDimensions", "Scale it down"),
        (png_of(260, 10), "ErrorImageDimensions", "25 times"),
        (png_of(10, 260), "ErrorImageDimensions", "25 times"),
    ],
)
def test_what_is_refused(data: bytes, status: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        receive(data, LIMITS)
    assert refused.value.status == status
    assert refused.value.message == str(refused.value)


def test_the_edges_of_the_limits_are_taken() -> None:
    assert receive(saved(Image.new("L", (10240, 410))), LIMITS).width == 10240
    assert receive(saved(photo(250, 10)), LIMITS).width == 250
    exact = JPEG + bytes(LIMITS.max_bytes - len(JPEG))
    assert receive(exact, LIMITS).size == LIMITS.max_bytes


def test_limits_can_be_set() -> None:
    with pytest.raises(Refused, match="Expected one of JPEG, PNG, received BMP"):
        receive(saved(photo(), "BMP"), Limits(formats=frozenset({"JPEG", "PNG"})))
    for kind, name in (("WEBP", "WebP"), ("TIFF", "TIFF"), ("AVIF", "AVIF")):
        with pytest.raises(Refused, match=f"at most 1,000 pixels in a {name}"):
            receive(saved(photo(), kind), Limits(max_costly_pixels=1000))


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (JPEG[:-2], JPEG),
        (saved(photo(), "JPEG", progressive=True)[:-1], saved(photo(), "JPEG", progressive=True)),
        (saved(photo(), "PNG")[:-12], saved(photo(), "PNG")),
        (saved(photo(), "GIF")[:-1], saved(photo(), "GIF")),
        (saved(photo(), "PNG").replace(b"IEND\xae", b"IEND\0"), saved(photo(), "PNG")),
    ],
    ids=["JPEG", "progressive", "PNG", "GIF", "checksum"],
)
def test_a_file_with_all_of_its_pixels_is_taken(data: bytes, whole: bytes) -> None:
    taken = receive(data, LIMITS)
    assert taken.data is data
    assert taken.thumbnail == receive(whole, LIMITS).thumbnail


def test_a_heic_is_taken() -> None:
    taken = receive(heif(grid(3, 2, 128, 192, 2), *[heic()] * 6), LIMITS)
    assert (taken.width, taken.height, taken.suffix) == (128, 192, ".heic")
    assert np.abs(decode(taken.thumbnail).astype(int) - np.tile(COLOURS, (3, 2, 1))).mean() < 8
    turned = receive(heif(grid(3, 2, 128, 192, 2), *[heic()] * 6), Limits(max_costly_pixels=128 * 192))
    assert turned.thumbnail == taken.thumbnail
    with pytest.raises(Refused, match="in a HEIC image") as refused:
        receive(heif(heic()), Limits(max_costly_pixels=64 * 64 - 1))
    assert refused.value.status == "ErrorImageDimensions"


def test_a_batch_keeps_its_order() -> None:
    images = [saved(photo(100 + number, 60)) if number % 3 else b"no image" for number in range(12)]
    with ThreadPoolExecutor(3) as pool:
        answers = receive_many(images, LIMITS, pool)
    widths = [None if isinstance(answer, Refused) else answer.width for answer in answers]
    assert widths == [100 + number if number % 3 else None for number in range(12)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(("size", "expected"), [((3200, 1000), (1600, 500)), ((800, 600), (800, 600))])
def test_scaled_for_looking_at(kind: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    header = read_header(resized(saved(photo(*size), kind)))
    assert (header.format, header.width, header.height) == ("JPEG", *expected)


def test_what_was_never_taken_is_not_scaled() -> None:
    with pytest.raises(ImageError):
        resized(JPEG[:-500])


def test_an_image_beyond_the_memory_is_refused_as_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = DecodingMemory(1 << 20)
    memory.limit(1 << 20, patience=1)
    monkeypatch.setattr(validation, "MEMORY", memory)
    with pytest.raises(Refused, match="at most 1 MB of memory") as refused:
        receive(saved(photo(1000, 1000), "PNG"), LIMITS)
    assert refused.value.status == "ErrorImageDimensions"
    assert receive(saved(photo(40, 40), "PNG"), LIMITS).width == 40


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mode", "edge"), [("PNG", "RGB", 4000), ("JPEG", "CMYK", 1000), ("JPEG", "CMYK", 7000)]
)
@pytest.mark.parametrize("target", [256, 1600])
def test_the_need_covers_what_is_decoded(kind: str, mode: str, edge: int, target: int) -> None:
    data = saved(photo(edge, edge // 2, mode), kind)
    sizes: list[int] = []
    with OPENERS[kind](io.BytesIO(data)) as image:
        image.draft(None, (2 * target, 2 * target))
        sizes.append(image.size[0] * image.size[1])
    assert validation.need_of(read_header(data), target) >= 4 * sizes[0]


_GREEDY = """
import io, resource, sys
from concurrent.futures import ThreadPoolExecutor
from PIL import Image
from dahlia.dataset.decoding_memory import MEMORY
from dahlia.server.images.validation import receive_many
from dahlia.server.images.validation import Limits
def saved(mode, kind, **options):
    file = io.BytesIO()
    Image.new(mode, (5120, 5120)).save(file, kind, **options)
    return file.getvalue()
MEMORY.limit(int(sys.argv[1]) << 20, patience=60)
images = [saved("RGB", "PNG"), saved("RGB", "JPEG", progressive=True, subsampling=0)] * 4
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(3) as clients:
    batches = list(clients.map(lambda _: receive_many(images, Limits(), pool), range(3)))
print(*{answer.width for batch in batches for answer in batch}, sum(map(len, batches)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_large_images_of_several_clients_stay_below_the_bound() -> None:
    """Each takes 120 or 150 MB; eight at a time would take a gigabyte."""
    command = [sys.executable, "-c", _GREEDY, "320"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    answers, kilobytes = ended.stdout.splitlines()
    assert answers.split() == ["5120", "24"]
    assert int(kilobytes) < (320 + 64) * 1024
