"""HEIC and AVIF: decoded upright and once, whole or in tiles; what lies about its size is refused."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from test_imaging import PHOTO, SCENE, encoded

from dahlia.dataset.image_files.av1 import av1_sizes
from dahlia.dataset.image_files.hevc import hevc_sizes
from dahlia.dataset.imaging import decode, load, read_header
from dahlia.errors import ImageError
from dahlia.server.images.validation import shrink
from heif_samples import (
    COLOURS,
    CONFIGURATION,
    EDGE,
    HEVC,
    PICTURE,
    Made,
    Property,
    av1,
    avif,
    box,
    crop,
    extent,
    grid,
    heic,
    heif,
    mirror,
    of_avif,
    turn,
)

Pixels = npt.NDArray[np.uint8]

EXIF = Image.Exif()
EXIF[0x0112] = 6


def near(data: bytes, expected: npt.NDArray[np.generic], tolerance: float = 4) -> bool:
    header, pixels = read_header(data), decode(data)
    assert pixels.shape == expected.shape == (header.height, header.width, 3)
    small = decode(shrink(data, header, 64)) if max(pixels.shape) <= 64 else None
    assert small is None or np.abs(small - expected.astype(float)).mean() < 12
    return bool(np.abs(pixels - expected.astype(float)).mean() < tolerance)


def of_av1(*properties: Property) -> Made:
    own, data = av1()
    return Made(b"av01", data, (*own, *properties))


TILED = np.tile(COLOURS, (2, 3, 1))
READ: dict[str, tuple[bytes, str, npt.NDArray[np.generic]]] = {
    "plain": (heif(heic()), "HEIC", COLOURS),
    "of the kind mif1": (heif(heic(), brand=b"mif1", others=b"heic"), "HEIC", COLOURS),
    "of the kind mif1, and AVIF": (heif(of_av1(), brand=b"mif1", others=b"avif"), "AVIF", COLOURS),
    "of the kind mif1 alone": (heif(of_av1(), brand=b"mif1", others=b"mif1"), "AVIF", COLOURS),
    "with wide tables": (heif(heic(), wide=1), "HEIC", COLOURS),
    "AVIF": (heif(of_av1(), brand=b"avif"), "AVIF", COLOURS),
    "AVIF of Pillow": (avif(SCENE), "AVIF", SCENE),
    "grid": (heif(grid(2, 3, 192, 128, 2), *[heic()] * 6), "HEIC", TILED),
    "grid whose last tiles reach out": (
        heif(grid(2, 3, 150, 100, 2), *[heic()] * 6), "HEIC", TILED[:100, :150],
    ),
    "grid in its own box": (heif(grid(2, 3, 192, 128, 2, method=1), *[heic()] * 6, wide=1), "HEIC", TILED),
    "grid of AVIF": (heif(grid(2, 3, 192, 128, 2), *[of_av1()] * 6, brand=b"avif"), "AVIF", TILED),
    "not the first item": (
        heif(Made(b"Exif", b"\0\0\0\0II*\0"), heic(), primary=2, others=b"mif1heic"), "HEIC", COLOURS,
    ),
    "a preview beside it": (
        heif(heic(), Made(b"hvc1", b"damaged", HEVC, {b"thmb": (1,)})), "HEIC", COLOURS,
    ),
    "metadata that is no image": (heif(heic(), Made(b"mime", bytes(500))), "HEIC", COLOURS),
    "a film beside it": (heif(heic(), extra=box(b"moov", bytes(500)), brand=b"hevc"), "HEIC", COLOURS),
    "an AVIF with a film": (heif(of_av1(), extra=box(b"moov", bytes(50)), brand=b"avis"), "AVIF", COLOURS),
    "bytes behind the end": (heif(heic()) + box(b"free", bytes(99)), "HEIC", COLOURS),
    "crop": (heif(heic(crop(40, 20))), "HEIC", COLOURS[22:42, 12:52]),
    "crop beside the middle": (heif(heic(crop(40, 20, -24, 2))), "HEIC", COLOURS[23:43, :40]),
    "crop of an AVIF": (heif(of_av1(crop(40, 20)), brand=b"avif"), "AVIF", COLOURS[22:42, 12:52]),
    "crop of what is not there": (heif(heic(crop(400, 20))), "HEIC", COLOURS),
    "crop, then turn": (heif(heic(crop(40, 20, -24, 2), turn(1))), "HEIC", np.rot90(COLOURS[23:43, :40])),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_read(name: str) -> None:
    data, format, expected = READ[name]
    header = read_header(data)
    assert (header.format, header.cut_off) == (format, False)
    assert near(data, expected)
    assert load(data, 16).shape == (16, 16, 3)


@pytest.mark.parametrize("make", [heic, of_av1])
@pytest.mark.parametrize("times", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_turns_and_mirrors_are_applied_once_in_their_order(make: type, times: int, axis: int | None) -> None:
    brand = b"heic" if make is heic else b"avif"
    turned = np.rot90(COLOURS, times)
    mirrors = [] if axis is None else [mirror(axis)]
    flipped = {None: turned, 0: turned[::-1], 1: turned[:, ::-1]}[axis]
    assert near(heif(make(turn(times), *mirrors), brand=brand), flipped)
    first = {None: COLOURS, 0: COLOURS[::-1], 1: COLOURS[:, ::-1]}[axis]
    assert near(heif(make(*mirrors, turn(times)), brand=brand), np.rot90(first, times))


def test_exif_does_not_turn_a_second_time() -> None:
    exif = Made(b"Exif", b"\0\0\0\0" + EXIF.tobytes(), (), {b"cdsc": (1,)})
    assert near(heif(heic(turn(3)), exif), np.rot90(COLOURS, 3))
    assert near(heif(heic(), exif), COLOURS)  # as the standard says: what counts is the property
    assert near(avif(SCENE, exif=EXIF.tobytes()), np.rot90(SCENE, -1))  # Pillow writes both


@pytest.mark.parametrize("make", [heic, of_av1])
def test_opacity_is_on_white(make: type) -> None:
    opacity = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
    plain = make()
    beside = Made(plain.kind, plain.data, (*plain.properties, (b"auxC", bytes(4) + opacity)), {b"auxl": (1,)})
    data = heif(plain, beside, brand=b"heic" if make is heic else b"avif")
    share = np.asarray(Image.fromarray(COLOURS).convert("L"))[..., None] / 255
    assert near(data, COLOURS * share + 255 * (1 - share), 6)


def test_opacity_of_pillows_avif() -> None:
    pixels = np.dstack([SCENE, np.full(SCENE.shape[:2], 128, np.uint8)])
    assert near(avif(pixels), np.round(SCENE * (128 / 255) + 255 * (127 / 255)))


@pytest.mark.parametrize(
    "options", [{"subsampling": "4:0:0"}, {"subsampling": "4:4:4"}, {"range": "limited"}]
)
def test_kinds_of_avif(options: dict[str, str]) -> None:
    grey = np.repeat(np.asarray(PHOTO.convert("L"))[..., None], 3, axis=2)
    assert near(avif(SCENE, **options), grey if options.get("subsampling") == "4:0:0" else SCENE)


def test_an_animation_is_its_main_image() -> None:
    data = encoded(PHOTO, "AVIF", quality=95, save_all=True, append_images=[PHOTO.rotate(180)])
    assert data[8:12] == b"avis"
    assert near(data, SCENE)


def test_a_file_that_lacks_more_than_its_end() -> None:
    preview = Made(b"hvc1", bytes(500), HEVC, {b"thmb": (1,)})
    data = heif(heic(), preview)
    assert read_header(data[:-300]).cut_off
    assert near(data[:-300], COLOURS)
    for length in (40, 300, len(data) - 510):
        with pytest.raises(ImageError) as refused:
            decode(data[:length])
        assert refused.value.code == "truncated"


def lying(width: int, height: int) -> tuple[Property, ...]:
    return (HEVC[0], HEVC[1], extent(width, height))


def sized(size: int) -> bytes:
    """The data of an AVIF of other edges."""
    return of_avif(avif(np.zeros((size, size, 3), np.uint8)))[1]


SQUARE = bytes([0, 0, 1, 1, 0, 128, 0, 128])  # a grid of 2 x 2 tiles
REFUSED: dict[str, tuple[bytes, str, str]] = {
    "a small container of a large picture": (
        heif(Made(b"av01", sized(600), (*av1()[0],)), brand=b"avif"), "unreadable", "has others in it",
    ),
    "no pixels": (heif(Made(b"hvc1", PICTURE, lying(0, 0))), "unreadable", "0x0"),
    "many pictures in the place of one": (heif(heic(data=PICTURE * 90)), "unreadable", "90 pictures"),
    "many in an AVIF": (
        heif(Made(b"av01", av1()[1] * 90, av1()[0]), brand=b"avif"), "unreadable", "90 pictures",
    ),
    "huge": (heif(Made(b"hvc1", PICTURE, lying(60_000, 60_000))), "decompression-bomb", "60000x60000"),
    "a huge grid of small tiles": (
        heif(grid(2, 3, 40_000, 40_000, 2), *[heic()] * 6), "unreadable", "grid of another size",
    ),
    "a small grid of many tiles": (
        heif(grid(2, 3, 10, 10, 2), *[heic()] * 6), "unreadable", "grid of another size",
    ),
    "a grid of one tile, many times": (
        heif(Made(b"grid", SQUARE, (extent(128, 128),), {b"dimg": (2, 2, 2, 2)}), heic()),
        "unreadable", "damaged grid",
    ),
    "a grid of itself": (
        heif(Made(b"grid", bytes([0, 0, 0, 0, 0, 64, 0, 64]), (extent(64, 64),), {b"dimg": (1,)})),
        "unreadable", "grid of different tiles",
    ),
    "a grid of tiles that are not there": (heif(grid(2, 3, 192, 128, 2)), "unreadable", "damaged grid"),
    "a grid of different tiles": (
        heif(grid(1, 2, 128, 64, 2), heic(), of_av1()), "unreadable", "different tiles",
    ),
    "an image of others": (heif(Made(b"iovl", bytes(20), (extent(9, 9),))), "unreadable", "other images"),
    "a JPEG in it": (heif(Made(b"jpeg", bytes(20), (extent(9, 9),))), "unreadable", "(jpeg)"),
    "no size": (heif(Made(b"hvc1", PICTURE, HEVC[:2])), "unreadable", "does not say its size"),
    "no configuration": (heif(Made(b"hvc1", PICTURE, HEVC[1:])), "unreadable", "does not say how"),
    "damaged configuration": (
        heif(Made(b"hvc1", PICTURE, ((b"hvcC", CONFIGURATION[:40]), *HEVC[1:]))), "unreadable", "damaged",
    ),
    "no data": (heif(heic(data=b"")), "truncated", "stop before"),
    "no main image": (heif(heic(), primary=7), "unreadable", "no main image"),
    "nothing at all": (box(b"ftyp", b"heic", bytes(4)), "truncated", "stop before"),
    "a short box": (box(b"ftyp", b"heic", bytes(4)) + struct.pack(">I4s", 3, b"meta"), "unreadable", "box"),
    "thousands of boxes": (box(b"ftyp", b"heic", bytes(4)) + box(b"free") * 20_000, "unreadable", "boxes"),
    "a camera's raw photo": (box(b"ftyp", b"crx ", bytes(4)), "unsupported-format", "CR3"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(data: bytes, code: str, words: str) -> None:
    with pytest.raises(ImageError) as refused:
        decode(data)
    assert (refused.value.code, words in str(refused.value)) == (code, True), str(refused.value)


@pytest.mark.parametrize("name", ["plain", "grid", "AVIF", "AVIF of Pillow"])
def test_damage_is_an_image_error_or_harmless(name: str) -> None:
    random = np.random.default_rng(3)
    data = np.frombuffer(READ[name][0], np.uint8)
    for _ in range(120):
        damaged = data.copy()
        damaged[random.integers(0, len(data), 3)] = random.integers(0, 256, 3)
        with contextlib.suppress(ImageError):
            assert decode(damaged.tobytes(), max_pixels=100_000).ndim == 3


def test_sizes_of_pictures() -> None:
    assert hevc_sizes(CONFIGURATION, PICTURE) == [(EDGE, EDGE, 8)]
    for width, height in ((1, 1), (500, 30), (70, 900)):
        properties, data = of_avif(avif(np.zeros((height, width, 3), np.uint8)))
        assert set(av1_sizes(dict(properties)[b"av1C"], data)) == {(width, height, 8)}
    moving = encoded(PHOTO, "AVIF", save_all=True, append_images=[PHOTO])
    properties, data = of_avif(moving)
    assert set(av1_sizes(dict(properties)[b"av1C"], data)) == {(*PHOTO.size, 8)}
