from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from dahlia.dataset import imaging
from dahlia.dataset.decoding_memory import (
    DecodingBusy,
    DecodingMemory,
    allowed_memory,
    machine_memory,
    share_among,
)
from dahlia.dataset.headers import read_header
from dahlia.dataset.imaging import decode, load, thumbnail
from dahlia.errors import ConfigError, ImageError
from heif_samples import grid, heic, heif


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> DecodingMemory:
    """A megabyte, for which requests wait a moment."""
    found = DecodingMemory()
    found.limit(1 << 20, patience=0.05)
    monkeypatch.setattr(imaging, "MEMORY", found)
    return found


def saved(size: tuple[int, int], kind: str = "JPEG", mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def test_large_images_wait_for_each_other() -> None:
    memory, inside, most = DecodingMemory(100), [0], [0]
    lock = threading.Lock()

    def decode_one(need: int) -> None:
        with memory.hold(need):
            with lock:
                inside[0] += need
                most[0] = max(most[0], inside[0] if need <= 100 else 100)
                assert need <= 100 or inside[0] == need
            with lock:
                inside[0] -= need

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode_one, [40, 60, 250, 10, 90, 30] * 30))
    assert most[0] <= 100


def test_who_came_first_goes_first() -> None:
    memory, order = DecodingMemory(100), list[str]()

    def enter(name: str, need: int) -> None:
        with memory.hold(need):
            order.append(name)

    with memory.hold(60):
        large = threading.Thread(target=enter, args=("large", 80))
        large.start()
        while not memory._waiting:
            pass
        small = threading.Thread(target=enter, args=("small", 10))
        small.start()
        while len(memory._waiting) < 2:
            pass
        assert order == []  # the small one would fit, and may not overtake
    large.join()
    small.join()
    assert order == ["large", "small"]


def test_memory_is_given_back_after_a_fault() -> None:
    memory = DecodingMemory(10)
    memory.limit(10, patience=0)
    with pytest.raises(ValueError), memory.hold(10):
        raise ValueError
    with memory.hold(10):
        pass


def test_a_request_waits_no_longer_than_it_may(memory: DecodingMemory) -> None:
    with memory.hold(1 << 20), pytest.raises(DecodingBusy, match="all of the 1 MB"), memory.hold(1):
        pass
    with memory.hold(1):  # who gave up waits no more
        pass


@pytest.mark.parametrize(
    "use",
    [lambda data: decode(data), lambda data: load(data, 64), lambda data: thumbnail(data, 64)],
    ids=["decode", "load", "thumbnail"],
)
def test_what_never_fits_is_refused_before_it_is_decoded(
    use: Callable[[bytes], object], memory: DecodingMemory
) -> None:
    assert use(saved((200, 200), "PNG")) is not None
    with pytest.raises(ImageError, match=r"at most 1 MB of memory, received one that takes 15\.") as refused:
        use(saved((800, 800), "PNG"))
    assert refused.value.code == "decompression-bomb"


def test_without_patience_what_never_fits_goes_alone(memory: DecodingMemory) -> None:
    memory.limit(1 << 20)
    assert decode(saved((800, 800), "PNG")).shape == (800, 800, 3)


@pytest.mark.parametrize(
    ("options", "mode", "size", "expected"),
    [
        ({}, "RGB", (640, 320), 0),
        ({"progressive": True, "subsampling": 0}, "RGB", (640, 320), 640 * 320 * 3 * 2),
        ({"progressive": True, "subsampling": 2}, "RGB", (640, 320), 640 * 320 * 3),
        ({"progressive": True, "subsampling": 2}, "RGB", (641, 321), 656 * 336 * 3),
        ({"progressive": True}, "L", (640, 320), 640 * 320 * 2),
        ({"progressive": True}, "CMYK", (640, 320), 640 * 320 * 4 * 2),
    ],
)
def test_coefficients_that_a_decoder_keeps(
    options: dict[str, object], mode: str, size: tuple[int, int], expected: int
) -> None:
    assert read_header(saved(size, "JPEG", mode, **options)).coefficients == expected


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_strips_give_the_same_pixels(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 256, (37, 50, 4), np.uint8)
    image = Image.fromarray(values, "RGBA").convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image, np.uint16) * 257)
    file = io.BytesIO()
    image.save(file, "PNG", **({"transparency": 3} if mode in ("P", "L") else {}))
    whole = decode(file.getvalue())
    monkeypatch.setattr("dahlia.dataset.pillow_formats.STRIP", 50 * 8)
    assert np.array_equal(decode(file.getvalue()), whole)


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setenv("DAHLIA_DECODE_MEMORY", text)


def test_what_is_allowed(variable: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAHLIA_DECODE_MEMORY", raising=False)
    assert allowed_memory() == machine_memory() // 4
    variable("300")
    assert allowed_memory() == 300 << 20
    assert DecodingMemory().total == 300 << 20
    assert allowed_memory(200) == 200 << 20
    variable("much")
    with pytest.raises(ConfigError, match="DAHLIA_DECODE_MEMORY must be a whole number"):
        allowed_memory()


def test_processes_share_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = DecodingMemory(900)
    monkeypatch.setattr("dahlia.dataset.decoding_memory.MEMORY", memory)
    share_among(3, 1)
    assert memory.total == 300


def test_a_forked_process_waits_for_nobody() -> None:
    with imaging.MEMORY.hold(imaging.MEMORY.total):
        child = os.fork()
        if child == 0:
            decode(saved((20, 20)))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("", {}, None),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {"memory.max": "1000\n"}, 1000),
        ("0::/a/b\n", {"a/memory.max": "3000\n", "a/b/memory.max": "4000\n"}, 3000),
        ("0::/outside/name\n", {"memory.max": "2000\n"}, 2000),
        ("4:memory:/x\n0::/\n", {"memory/x/memory.limit_in_bytes": "5000\n"}, 5000),
        ("4:cpu,memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    ],
)
def test_the_memory_of_a_container(
    groups: str, files: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    (tmp_path / "mine").write_text(groups)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert machine_memory(tmp_path / "groups", tmp_path / "mine") == (expected or machine)


_MEASURED = """
import resource, sys
from pathlib import Path
from dahlia.dataset.imaging import decode, need_of, read_header
small, large = (Path(path).read_bytes() for path in sys.argv[1:])
decode(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode(large)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, need_of(read_header(large)))
"""


def deep(edge: int, samples: int, suffix: str) -> bytes:
    """12 bits in samples of 16."""
    shape = (edge, edge) if samples == 1 else (edge, edge, samples)
    values = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    return bytes(cv2.imencode(suffix, values)[1].tobytes())


def tiled(edge: int) -> bytes:
    count = edge // 64
    return heif(grid(count, count, edge, edge, 2), *[heic()] * count**2)


def masked(edge: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 56, edge, edge, 1, 16, 3, 0, 0, 0, 0, 0)
    head += struct.pack("<4I", 0xF00, 0xF0, 0xF, 0xF000)
    return b"BM" + struct.pack("<III", 0, 0, 14 + len(head)) + head + b"\x35\xf7" * edge**2


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda edge: saved((edge, edge), "PNG"),
        lambda edge: saved((edge, edge), "PNG", "RGBA"),
        lambda edge: deep(edge, 1, ".png"),
        lambda edge: deep(edge, 3, ".png"),
        lambda edge: deep(edge, 4, ".png"),
        lambda edge: deep(edge, 3, ".tif"),
        lambda edge: saved((edge, edge), "TIFF", compression="tiff_lzw"),
        lambda edge: saved((edge, edge), "TIFF", "CMYK", strip_size=4 * edge * edge),
        lambda edge: saved((edge, edge), "AVIF", speed=10),
        lambda edge: saved((edge, edge), "AVIF", "RGBA", speed=10, subsampling="4:4:4"),
        tiled,
        masked,
    ],
    ids=[
        "png",
        "rgba",
        "grey 16",
        "rgb 16",
        "rgba 16",
        "tiff 16",
        "lzw",
        "cmyk",
        "avif",
        "avif alpha",
        "heic",
        "bmp",
    ],
)
def test_what_is_held_covers_what_is_taken(make: Callable[[int], bytes], tmp_path: Path) -> None:
    names = []
    for edge in (64, 1920):
        names.append(tmp_path / str(edge))
        names[-1].write_bytes(make(edge))
    command = [sys.executable, "-c", _MEASURED, *map(str, names)]
    taken, held = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    files = 3 * names[-1].stat().st_size  # what came, what the decoder gets, and a copy of either
    assert taken <= held + files + (8 << 20)
    assert held < 30 * 1920**2 + files
