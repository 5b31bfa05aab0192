from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from pretraining_corpora import folder_corpus, photo, zip_corpus

from dahlia.dataset.imaging import decode
from dahlia.errors import DatasetError
from dahlia_pretraining import corpus as module
from dahlia_pretraining.corpus import open_corpus


def test_a_folder_of_classes(tmp_path: Path) -> None:
    corpus = open_corpus(folder_corpus(tmp_path / "photos"), tmp_path / "cache", 32)
    assert corpus.classes == ("class 0", "class 1", "class 2")
    assert corpus.images.shape == (24, 32, 32, 3)
    assert np.bincount(corpus.labels).tolist() == [8, 8, 8]
    assert corpus.unreadable == 0


def test_zips_hold_the_same_as_a_folder(tmp_path: Path) -> None:
    folder = folder_corpus(tmp_path / "photos")
    files = sorted(folder.rglob("*.jpg"))
    parts = {name: files[start::2] for start, name in enumerate(("a.zip", "b.zip"))}
    for name, own in parts.items():
        zip_corpus(tmp_path / "zips" / name, {p.relative_to(folder).as_posix(): p.read_bytes() for p in own})
    expected = open_corpus(folder, tmp_path / "cache", 32)
    found = open_corpus(tmp_path / "zips", tmp_path / "cache", 32)
    assert found.classes == expected.classes
    assert {image.tobytes() for image in found.images} == {image.tobytes() for image in expected.images}


def test_a_square_of_the_right_size_keeps_its_pixels(tmp_path: Path) -> None:
    square = photo(1, (32, 32), "PNG")
    zip_corpus(tmp_path / "one.zip", {"a/1.png": square, "b/1.png": photo(2, (64, 32), "PNG")})
    corpus = open_corpus(tmp_path / "one.zip", tmp_path / "cache", 32)
    assert (corpus.images[0] == decode(square)).all()
    assert (corpus.images[1] == decode(photo(2, (64, 32), "PNG"))[:, 16:48]).all()


def test_what_cannot_be_decoded_is_left_out_and_counted(tmp_path: Path) -> None:
    folder = folder_corpus(tmp_path / "photos")
    (folder / "class 1" / "broken.jpg").write_bytes(photo(5)[:200])
    (folder / "class 1" / "empty.jpg").write_bytes(b"")
    (folder / "class 1" / "notes.txt").write_text("not a photo")
    corpus = open_corpus(folder, tmp_path / "cache", 32)
    assert (len(corpus.labels), len(corpus.images), corpus.unreadable) == (24, 24, 2)


def test_a_file_that_vanishes_meanwhile_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, read = folder_corpus(tmp_path / "photos"), Path.read_bytes

    def vanished(path: Path) -> bytes:
        if path.parent.name == "class 2":
            raise FileNotFoundError(path)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", vanished)
    corpus = open_corpus(folder, tmp_path / "cache", 32)
    assert (len(corpus.labels), corpus.unreadable) == (16, 8)


def test_a_corpus_is_decoded_once(tmp_path: Path) -> None:
    told: list[int] = []
    folder = folder_corpus(tmp_path / "photos")
    for _ in range(2):
        open_corpus(folder, tmp_path / "cache", 32, lambda done, of: told.append(done))
    assert told == list(range(1, 25))
    (folder / "class 0" / "new.jpg").write_bytes(photo(999))
    assert len(open_corpus(folder, tmp_path / "cache", 32).labels) == 25


def test_a_file_above_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", len(photo(1)) - 1)
    names = {"a/1.jpg": photo(1), "b/1.jpg": photo(2, (10, 10))}
    assert open_corpus(zip_corpus(tmp_path / "z.zip", names), tmp_path / "cache", 32).unreadable == 1


def test_no_more_is_inflated_than_the_zip_states(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.jpg", photo(1) + b"\0" * 10_000_000)
        archive.writestr("b/1.jpg", photo(2))
    stated = (len(photo(1)) + 10_000_000).to_bytes(4, "little")
    data = bomb.read_bytes()
    assert stated in data
    bomb.write_bytes(data.replace(stated, len(photo(1)).to_bytes(4, "little")))
    corpus = open_corpus(bomb, tmp_path / "cache", 32)
    assert len(corpus.labels) + corpus.unreadable == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "expected and is not there"),
        (lambda path: path.mkdir(), "found 0 classes"),
        (lambda path: folder_corpus(path, classes=1), "found 1 classes"),
        (lambda path: path.write_bytes(b"PK no zip"), "not a readable zip"),
        (lambda path: zip_corpus(path, {"a/1.jpg": b"x", "b/1.jpg": b"y"}), "none of its 2 files could"),
        (lambda path: zip_corpus(path, {"loose.jpg": photo(1)}), "found 0 classes"),
    ],
)
def test_what_is_no_corpus(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    make(tmp_path / "source")
    with pytest.raises(DatasetError, match=message):
        open_corpus(tmp_path / "source", tmp_path / "cache", 32)
