"""Files with faults that hurt no pixel, which browsers show: each is decoded to the pixels of the whole file.

The same files are uploaded in `tests/server/test_server_images_validation.py`, and predicted in
`tests/serving/test_hostile.py`.
"""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from test_imaging import GREY, HEIGHT, PALETTE, PHOTO, SCENE, SECOND_FRAME, WIDTH, block, encoded

from dahlia.dataset.imaging import decode, load, read_header
from dahlia.errors import ImageError
from dahlia.server.images.validation import shrink

BOMB = zlib.compress(bytes(100 << 20), 9)  # 100 kB, of 100 MB
PNG = encoded(PHOTO, "PNG")
START, HEAD = PNG[:8], PNG[8:33]
END = block(b"IEND", b"")
RAW = zlib.decompress(PNG[PNG.index(b"IDAT") + 4 : -16])
PACKED = zlib.compress(RAW)


def png(*blocks: bytes) -> bytes:
    return START + HEAD + b"".join(blocks)


def with_block(kind: bytes, content: bytes) -> bytes:
    return png(block(kind, content), block(b"IDAT", PACKED), END)


def wrong(made: bytes) -> bytes:
    """A block with another checksum."""
    return made[:-4] + bytes(byte ^ 0xFF for byte in made[-4:])


def frame_control(number: int) -> bytes:
    fields = struct.pack(">IIIIIHHBB", number, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    return block(b"fcTL", fields)


PIXELS = block(b"IDAT", PACKED)
PNGS: dict[str, tuple[bytes, bool]] = {  # -> whether it is cut off
    "zTXt of 100 MB": (with_block(b"zTXt", b"a\0\0" + BOMB), False),
    "iTXt of 100 MB": (with_block(b"iTXt", b"a\0\1\0\0\0" + BOMB), False),
    "iCCP of 100 MB": (with_block(b"iCCP", b"a\0\0" + BOMB), False),
    "many zTXt": (png(*[block(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20)))] * 80, PIXELS, END), False),
    "iCCP that is no profile": (with_block(b"iCCP", b"a\0\0no profile"), False),
    "text with another checksum": (png(wrong(block(b"tEXt", b"a\0b")), PIXELS, END), False),
    "text behind the pixels, too": (png(PIXELS, wrong(block(b"tEXt", b"a\0b")), END), False),
    "text between the pixels": (
        png(block(b"IDAT", PACKED[:90]), block(b"tEXt", b"a\0b"), block(b"IDAT", PACKED[90:]), END),
        False,
    ),
    "EXIF with another checksum": (png(wrong(block(b"eXIf", b"II*\0")), PIXELS, END), False),
    "short pHYs": (with_block(b"pHYs", b"ab"), False),
    "empty gAMA": (with_block(b"gAMA", b""), False),
    "empty sRGB": (with_block(b"sRGB", b""), False),
    "short cHRM": (with_block(b"cHRM", b"abc"), False),
    "short tRNS": (with_block(b"tRNS", b"ab"), False),
    "tRNS with another checksum": (png(wrong(block(b"tRNS", bytes(6))), PIXELS, END), False),
    "tRNS behind the pixels": (png(PIXELS, block(b"tRNS", bytes(6)), END), False),
    "palette of no use": (with_block(b"PLTE", bytes(9)), False),
    "block of a program's own": (with_block(b"prVt", bytes(9)), False),
    "two headers": (START + HEAD + HEAD + PIXELS + END, False),
    "animation": (
        png(block(b"acTL", struct.pack(">II", 2, 0)), frame_control(0), PIXELS, frame_control(1), END),
        False,
    ),
    "animation without frames": (with_block(b"acTL", struct.pack(">II", 9, 0)), False),
    "animation, damaged": (
        png(block(b"acTL", b"\0"), PIXELS, block(b"fdAT", b"damaged"), END),
        False,
    ),
    "animation in a frame that leaves the image": (
        png(
            block(b"acTL", struct.pack(">II", 2, 0)),
            block(b"fcTL", struct.pack(">IIIIIHHBB", 0, 9999, 9999, 9, 9, 1, 10, 0, 0)),
            PIXELS,
            END,
        ),
        False,
    ),
    "more pixels than its size": (png(block(b"IDAT", zlib.compress(RAW + bytes(999))), END), False),
    "more data than its pixels": (png(block(b"IDAT", PACKED + b"more"), END), False),
    "an empty part": (png(block(b"IDAT", b""), PIXELS, END), False),
    "pixels without their checksum": (png(block(b"IDAT", PACKED[:-4]), END), False),
    "bytes behind the end": (png(PIXELS, END) + b"and more", False),
    "end with another checksum": (png(PIXELS, wrong(END)), False),
    "without an end": (png(PIXELS), True),
    "cut in the end": (png(PIXELS, END)[:-3], True),
    "cut in the checksum of the pixels": (png(PIXELS)[:-6], True),
    "cut in a text behind the pixels": (png(PIXELS, block(b"tEXt", b"a\0" + b"b" * 99)[:50]), True),
}


@pytest.mark.parametrize(("data", "cut_off"), PNGS.values(), ids=PNGS)
def test_png(data: bytes, cut_off: bool) -> None:
    assert read_header(data).cut_off == cut_off
    assert np.array_equal(decode(data), SCENE)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (png(wrong(PIXELS), END), "unreadable"),
        (START + wrong(HEAD) + PIXELS + END, "unreadable"),
        (png(block(b"IDAT", PACKED[:300] + bytes(9) + PACKED[309:]), END), "unreadable"),
        (png(END), "unreadable"),
        (png(block(b"IDAT", PACKED[:-40]), END), "truncated"),
        (png(PIXELS[:-60]), "truncated"),
        (png(), "truncated"),
    ],
)
def test_a_png_that_lacks_pixels(data: bytes, code: str) -> None:
    with pytest.raises(ImageError) as refused:
        decode(data)
    assert refused.value.code == code


JPEG = encoded(PHOTO, "JPEG", quality=95, subsampling=0)
PROGRESSIVE = encoded(PHOTO, "JPEG", quality=95, subsampling=0, progressive=True)
SCAN = JPEG.index(b"\xff\xda")


def segment(code: int, content: bytes) -> bytes:
    return bytes([0xFF, code]) + struct.pack(">H", len(content) + 2) + content


def with_segments(*segments: bytes) -> bytes:
    return JPEG[:SCAN] + b"".join(segments) + JPEG[SCAN:]


def last_scan(data: bytes) -> int:
    return data.rindex(b"\xff\xda")


PROFILE = b"ICC_PROFILE\0"
JPEGS: dict[str, tuple[bytes, bool]] = {
    "without its end": (JPEG[:-2], True),
    "without its last byte": (JPEG[:-1], True),
    "zeros in place of its end": (JPEG[:-2] + bytes(700), True),
    "text in place of its end": (JPEG[:-2] + b"and more", True),
    "a profile's first part of two": (with_segments(segment(0xE2, PROFILE + b"\1\2ab")), False),
    "a profile's third part of two": (with_segments(segment(0xE2, PROFILE + b"\3\2ab")), False),
    "a profile's part twice": (with_segments(*[segment(0xE2, PROFILE + b"\1\1ab")] * 2), False),
    "an unknown revision of JFIF": (JPEG.replace(b"JFIF\0\1", b"JFIF\0\x09"), False),
    "an unknown transformation of Adobe": (
        with_segments(segment(0xEE, b"Adobe\0\x64\0\0\0\0\x07")),
        False,
    ),
    "EXIF that is none": (with_segments(segment(0xE1, b"Exif\0\0II")), False),
    "markers without a length": (with_segments(b"\xff\x01", b"\xff\xd0"), False),
    "a number of lines": (with_segments(segment(0xDC, struct.pack(">H", HEIGHT))), False),
    "an empty comment": (with_segments(segment(0xFE, b"")), False),
    "a comment with an end in it": (with_segments(segment(0xFE, b"\xff\xd9\xff\xda")), False),
    "a profile, stray bytes, no end": (
        with_segments(segment(0xE2, PROFILE + b"\3\2ab"), b"\0\1\2")[:-2],
        True,
    ),
}


@pytest.mark.parametrize(("data", "cut_off"), JPEGS.values(), ids=JPEGS)
def test_jpeg(data: bytes, cut_off: bool) -> None:
    assert read_header(data).cut_off == cut_off
    assert np.array_equal(decode(data), decode(JPEG))
    assert np.array_equal(load(data, 8), load(JPEG, 8))


def test_a_jpeg_without_its_end_whose_pixels_end_with_zeros() -> None:
    data = encoded(Image.new("RGB", (64, 48), (128, 128, 128)), "JPEG")
    assert data.endswith(b"\0\xff\xd9")
    for behind in (b"", bytes(3), bytes(500)):
        assert np.array_equal(decode(data[:-2] + behind), decode(data))


def ycck(image: Image.Image) -> bytes:
    """What Adobe's programs write: four colours, inverted, three of them as YCbCr."""
    data = encoded(image.convert("CMYK"), "JPEG", quality=95, subsampling=0)
    mark = data.index(b"Adobe")
    return data[: mark + 11] + b"\2" + data[mark + 12 :]


CMYK = encoded(PHOTO.convert("CMYK"), "JPEG", quality=95, subsampling=0)


@pytest.mark.parametrize(
    ("data", "whole"), [(PROGRESSIVE[:-2], PROGRESSIVE), (CMYK[:-2], CMYK), (ycck(PHOTO)[:-2], ycck(PHOTO))]
)
def test_other_jpegs_without_their_end(data: bytes, whole: bytes) -> None:
    assert read_header(data).cut_off
    assert np.array_equal(decode(data), decode(whole))
    assert np.array_equal(
        decode(shrink(data, read_header(data), 30)), decode(shrink(whole, read_header(whole), 30))
    )


@pytest.mark.parametrize(
    "data",
    [
        JPEG[:-3],
        JPEG[:-20],
        JPEG[:-40] + bytes(40),
        JPEG[: len(JPEG) // 2] + bytes(len(JPEG) // 2),
        JPEG[: SCAN + 14],
        PROGRESSIVE[:-3],
        PROGRESSIVE[: last_scan(PROGRESSIVE)],  # between scans: all pixels, not all of their detail
        CMYK[:-30],
        CMYK[:-30] + b"\xff\xd9",
        with_segments(segment(0xE2, PROFILE + b"\3\2ab"))[:-30],
    ],
    ids=["last", "some", "zeros", "half", "scan", "progressive", "scans", "cmyk", "cmyk with end", "odd"],
)
def test_a_jpeg_that_lacks_pixels(data: bytes) -> None:
    with pytest.raises(ImageError) as refused:
        decode(data)
    assert refused.value.code == "truncated"
    with pytest.raises(ImageError):
        shrink(data, read_header(data), 30)


GIF = encoded(PALETTE, "GIF")
ANIMATION = encoded(PHOTO.quantize(64), "GIF", save_all=True, append_images=[GREY.convert("P")] * 3, loop=0)
FIRST = np.asarray(PALETTE.convert("RGB"))


@pytest.mark.parametrize("kept", [0.4, 0.6, 0.99])
def test_a_gif_is_its_first_frame_whatever_follows(kept: float) -> None:
    whole = decode(ANIMATION)
    cut = ANIMATION[: int(len(ANIMATION) * kept)]
    assert read_header(cut).cut_off
    assert np.array_equal(decode(cut), whole)
    damaged = cut + bytes(np.random.default_rng(0).integers(0, 256, 200, np.uint8))
    assert np.array_equal(decode(damaged), whole)


def test_a_gif_without_its_end() -> None:
    assert read_header(GIF[:-1]).cut_off
    assert np.array_equal(decode(GIF[:-1]), FIRST)
    with pytest.raises(ImageError) as refused:
        decode(GIF[:-2])
    assert refused.value.code == "truncated"


def bmp(
    bits: int,
    masks: tuple[int, ...],
    pixels: npt.NDArray[np.integer],
    header: int = 108,
    *,
    down: bool = False,
) -> bytes:
    """A BMP with masks, from (H, W) values."""
    height, width = pixels.shape
    head = struct.pack("<IiiHHIIiiII", header, width, -height if down else height, 1, bits, 3, 0, 0, 0, 0, 0)
    packed = struct.pack(f"<{len(masks)}I", *masks)
    head += packed if header == 40 else (packed + bytes(header))[: header - 40]
    rows = pixels if down else pixels[::-1]
    data = b"".join((row.tobytes() + bytes(3))[: -(-len(row.tobytes()) // 4) * 4] for row in rows)
    return b"BM" + struct.pack("<III", 0, 0, 14 + len(head)) + head + data


def packed(bits: tuple[int, int, int], kind: str, alpha: int = 0) -> npt.NDArray[np.integer]:
    """The scene with so many bits for red, green and blue, red highest, below `alpha` bits of opacity."""
    red, green, blue = (
        np.asarray(SCENE[..., place]).astype(np.uint32) >> 8 - bits[place] for place in range(3)
    )
    return (red << bits[1] + bits[2] | green << bits[2] | blue | alpha).astype(kind)


def expected(bits: tuple[int, int, int]) -> npt.NDArray[np.float64]:
    most = [(1 << each) - 1 for each in bits]
    return np.round(np.dstack([(SCENE[..., n] >> 8 - bits[n]) * (255.0 / most[n]) for n in range(3)]))


FOUR = (0xF00, 0xF0, 0xF, 0xF000)
EIGHT = (0xFF0000, 0xFF00, 0xFF, 0xFF << 24)
BMPS: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "565": (bmp(16, (0xF800, 0x7E0, 0x1F), packed((5, 6, 5), "<u2"), 40), (5, 6, 5)),
    "565, from the top": (bmp(16, (0xF800, 0x7E0, 0x1F), packed((5, 6, 5), "<u2"), down=True), (5, 6, 5)),
    "555": (bmp(16, (0x7C00, 0x3E0, 0x1F), packed((5, 5, 5), "<u2"), 40), (5, 5, 5)),
    "1555": (bmp(16, (0x7C00, 0x3E0, 0x1F, 0x8000), packed((5, 5, 5), "<u2", 0x8000)), (5, 5, 5)),
    "4444": (bmp(16, FOUR, packed((4, 4, 4), "<u2", 0xF000)), (4, 4, 4)),
    "4444 with no opacity at all": (bmp(16, FOUR, packed((4, 4, 4), "<u2")), (4, 4, 4)),
    "444": (bmp(16, FOUR[:3], packed((4, 4, 4), "<u2"), 52), (4, 4, 4)),
    "8888": (
        bmp(32, (0xFF0000, 0xFF00, 0xFF, 0xFF << 24), packed((8, 8, 8), "<u4", 0xFF << 24), 124),
        (8, 8, 8),
    ),
    "8888 with no opacity at all": (
        bmp(32, (0xFF0000, 0xFF00, 0xFF, 0xFF << 24), packed((8, 8, 8), "<u4"), 124),
        (8, 8, 8),
    ),
    "888 without a mask": (bmp(32, (0, 0, 0, 0), packed((8, 8, 8), "<u4")), (8, 8, 8)),
    "787": (bmp(32, (0x7F8000, 0x7F80, 0x7F, 0), packed((8, 8, 7), "<u4")), (8, 8, 7)),
    "666": (bmp(32, (0x3F000, 0xFC0, 0x3F, 0), packed((6, 6, 6), "<u4")), (6, 6, 6)),
}


@pytest.mark.parametrize(("data", "bits"), BMPS.values(), ids=BMPS)
def test_bmp(data: bytes, bits: tuple[int, int, int]) -> None:
    assert np.abs(decode(data) - expected(bits)).max() <= 1


def test_a_bmp_without_what_fills_its_last_row() -> None:
    data = encoded(Image.fromarray(SCENE[:, :47]), "BMP")
    for missing in (1, 2, 3):
        assert read_header(data[:-missing]).cut_off
        assert np.array_equal(decode(data[:-missing]), SCENE[:, :47])
    with pytest.raises(ImageError) as refused:
        decode(data[:-4])
    assert refused.value.code == "truncated"


@pytest.mark.parametrize("bits", [4, 8])
def test_a_compressed_bmp_of_runs(bits: int) -> None:
    """Runs, values one by one, an early end of a line, and a jump."""
    runs = bytes([3, 0x11, 0, 4, *((0x12, 0x34) if bits == 4 else (1, 2, 3, 4)), 0, 0, 2, 0x22, 0, 0])
    jump = bytes([0, 2, 1, 0, 1, 0x33, 0, 1])
    palette = bytes(value for n in range(1 << bits) for value in (n * 9 % 256, n * 5 % 256, n * 3 % 256, 0))
    head = struct.pack("<IiiHHIIiiII", 40, 7, 3, 1, bits, 2 if bits == 4 else 1, 0, 0, 0, 0, 0)
    start = 14 + len(head) + len(palette)
    data = b"BM" + struct.pack("<III", 0, 0, start) + head + palette + runs + jump
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decode(data), seen[..., ::-1])


def webp_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A lossless WebP with chunks behind its pixels."""
    plain = encoded(PHOTO, "WEBP", lossless=True)
    size = struct.pack("<I", WIDTH - 1)[:3] + struct.pack("<I", HEIGHT - 1)[:3]
    parts = [
        (b"VP8X", b"\x0c\0\0\0" + size),
        (b"VP8L", plain[20 : 20 + int.from_bytes(plain[16:20], "little")]),
    ]
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in [*parts, *chunks]
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_a_webp_that_is_cut_behind_its_pixels() -> None:
    whole = webp_with((b"EXIF", b"II*\0" + bytes(50)), (b"XMP ", b"<x/>" * 20))
    assert np.array_equal(decode(whole), SCENE)
    for missing in (1, 60, 90, 130):
        assert read_header(whole[:-missing]).cut_off
        assert np.array_equal(decode(whole[:-missing]), SCENE)
    with pytest.raises(ImageError) as refused:
        decode(whole[:-200])
    assert refused.value.code == "truncated"


def test_a_first_frame_that_is_all_there_is_needed() -> None:
    data = encoded(PHOTO, "WEBP", lossless=True, **SECOND_FRAME)
    assert np.array_equal(decode(data[: int(len(data) * 0.7)]), SCENE)
