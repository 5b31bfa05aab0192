from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from PIL import Image

from dahlia.dataset import inspector
from dahlia.dataset.inspection import Inspection
from dahlia.dataset.inspector import inspect, inspect_all
from dahlia.dataset.records import Annotation
from dahlia.dataset.rules.copies import near_duplicate_pairs
from validation_photos import encoded, photo, write

WHOLE = encoded(photo(1))
LIMIT = 100_000


def inspected(path: Path, **said: object) -> Inspection:
    return inspect(Annotation(path, **said), path.parent, max_bytes=LIMIT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "problem", "format"),
    [
        (b"", "zero-byte", None),
        (b"Take a photo of the roses.", "not-an-image", None),
        (b"%PDF-1.7", "unsupported-format", None),
        (WHOLE[: len(WHOLE) // 2], "truncated", "JPEG"),
        (WHOLE[:-2], None, "JPEG"),
        (encoded(photo(1), "TIFF"), None, "TIFF"),
        (encoded(photo(1), "AVIF"), None, "AVIF"),
        (b"\0" * (LIMIT + 1), "too-many-bytes", None),
        (WHOLE, None, "JPEG"),
        (encoded(photo(1), "PNG"), None, "PNG"),
        (encoded(photo(1), "WEBP"), None, "WEBP"),
        (encoded(photo(1).convert("L"), "BMP"), None, "BMP"),
    ],
    ids=[
        "empty",
        "text",
        "pdf",
        "cut",
        "without its end",
        "tiff",
        "avif",
        "big",
        "jpeg",
        "png",
        "webp",
        "bmp",
    ],
)
def test_problem_and_format(tmp_path: Path, data: bytes, problem: str | None, format: str | None) -> None:
    row = inspected(write(tmp_path / "a.jpg", data))
    assert (row.problem, row.format, row.bytes) == (problem, format, len(data))
    assert (row.message is None) == (problem is None)
    assert row.cut_off == (data == WHOLE[:-2])
    assert (row.phash is None) == (row.blurriness is None) == (row.width is None) == (problem is not None)
    assert row.id == (None if problem == "too-many-bytes" else hashlib.sha256(data).hexdigest())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    row = inspected(tmp_path / "gone.jpg")
    assert (row.problem, row.id, row.bytes) == ("missing-file", None, None)


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert inspected(tmp_path).problem == "unreadable"


def test_size_is_that_of_the_image_as_displayed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    row = inspected(write(tmp_path / "a.jpg", encoded(photo(1, 200, 160), exif=exif)))
    assert (row.width, row.height) == (160, 200)


def test_a_scaled_and_recompressed_copy_has_nearly_the_same_hash(tmp_path: Path) -> None:
    image = photo(1, 600, 480)
    files = [encoded(image), encoded(image.resize((300, 240)), quality=60), encoded(photo(2))]
    rows = [inspected(write(tmp_path / f"{n}.jpg", data)) for n, data in enumerate(files)]
    assert near_duplicate_pairs([row.phash or "" for row in rows], 4).tolist() == [[0, 1]]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_rows_come_in_the_order_of_the_annotations(tmp_path: Path, workers: int) -> None:
    annotations = [Annotation(tmp_path / f"{n}.jpg", (f"t{n}",)) for n in range(80)]
    write(tmp_path / "7.jpg", WHOLE)
    rows = list(inspect_all(annotations, tmp_path, max_bytes=LIMIT, workers=workers))
    assert [row.tags for row in rows] == [annotation.tags for annotation in annotations]
    assert [row.path for row in rows if row.problem is None] == ["7.jpg"]


def test_who_interrupts_does_not_wait_for_all_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks: list[object] = []

    def slowly(chunk: object, root: Path, max_bytes: int) -> list[object]:
        chunks.append(chunk)
        time.sleep(0.01)
        return [chunk]

    monkeypatch.setattr(inspector, "_inspect_chunk", slowly)
    annotations = [Annotation(tmp_path / f"{number}.jpg") for number in range(30 * inspector.CHUNK)]
    rows = inspect_all(annotations, tmp_path, max_bytes=1000, workers=1)
    next(iter(rows))
    del rows
    assert len(chunks) < 10
