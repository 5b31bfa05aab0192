from __future__ import annotations

import io
import lzma
import os
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dahlia.dataset import archives, decompression, readers
from dahlia.dataset.photo_files import is_there, read_file, size_of
from dahlia.errors import DatasetError

FILES = {
    "train/cat/1.jpg": b"one",
    "train/dog/2.jpg": b"two" * 1000,
    "test/cat/3.jpg": b"three",
    "test/dog/4.jpg": b"",
    "__MACOSX/train/cat/._1.jpg": b"x",
    "README.txt": b"photos",
}


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("train")
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes], mode: str = "w", *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return path


MAKERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "photos.zip": zipped,
    "stored.ZIP": lambda path, files: zipped(path, files, zipfile.ZIP_STORED),
    "other.zip": lambda path, files: zipped(path, files, zipfile.ZIP_BZIP2),
    "photos.tar": tarred,
    "photos.tar.gz": lambda path, files: tarred(path, files, "w:gz"),
    "photos.tgz": lambda path, files: tarred(path, files, "w:gz"),
    "photos.tar.bz2": lambda path, files: tarred(path, files, "w:bz2"),
    "photos.tar.xz": lambda path, files: tarred(path, files, "w:xz"),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("around", ["", "export/photos/"])
def test_an_archive_is_read_in_place(tmp_path: Path, name: str, around: str) -> None:
    path = MAKERS[name](tmp_path / name, {f"{around}{file}": data for file, data in FILES.items()})
    found = readers.read(path)
    assert found.splits == {"train": 2, "test": 2}
    assert found.tags == {"cat": 2, "dog": 2}
    assert found.accounted() == "6 files: 4 with an annotation, 2 passed over"
    for annotation in found.annotations:
        data = FILES[annotation.path.relative_to(path.resolve() / around).as_posix()]
        assert read_file(annotation.path) == (len(data), data)
        assert size_of(annotation.path) == len(data)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_annotations_in_an_archive(tmp_path: Path) -> None:
    table = b"file,tag,subset\nphotos/1.jpg,cat,\nPHOTOS/2.JPG,dog,test\nphotos/9.jpg,cat,\n"
    path = zipped(tmp_path / "a.zip", {"a/labels.csv": table, "a/photos/1.jpg": b"x", "a/photos/2.jpg": b"y"})
    found = readers.read(path, "csv")
    assert [(one.path.name, one.tags, one.subset) for one in found.annotations] == [
        ("1.jpg", ("cat",), "train"),
        ("2.jpg", ("dog",), "test"),
        ("9.jpg", ("cat",), "train"),
    ]
    assert [is_there(one.path) for one in found.annotations] == [True, True, False]
    with pytest.raises(FileNotFoundError):
        read_file(found.annotations[2].path)


def test_large_files_are_not_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"1.jpg": b"x" * 1000})
    assert read_file(path / "1.jpg", 999) == (1000, None)
    assert read_file(path / "1.jpg", 1000) == (1000, b"x" * 1000)


@pytest.mark.parametrize("maker", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../1.jpg", "/etc/1.jpg", "a/../../1.jpg", "C:\\photos\\1.jpg", "..\\1.jpg"]
)
def test_names_that_lead_out_are_refused(
    tmp_path: Path, maker: Callable[[Path, dict[str, bytes]], Path], name: str
) -> None:
    path = maker(tmp_path / ("a.zip" if maker is zipped else "a.tar"), {name: b"x"})
    with pytest.raises(DatasetError, match="which leads out of it"):
        readers.read(path)


def test_what_becomes_much_larger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = {"cat/1.jpg": b"\0" * 11_000_000}
    with pytest.raises(DatasetError, match="become 11,000,000"):
        readers.read(zipped(tmp_path / "a.zip", bomb))
    path = tarred(tmp_path / "a.tar.gz", bomb, "w:gz")
    monkeypatch.setattr(archives, "_SMALL", 1_000_000)
    with pytest.raises(DatasetError, match="holds more than"):
        readers.read(path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    with pytest.raises(DatasetError, match="more than 3 files"):
        readers.read(zipped(tmp_path / "a.zip", FILES))


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"1.jpg": os.urandom(5000)}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(path, "a") as archive:
        shared = archive.infolist()[-1]
        for number in range(3):
            other = zipfile.ZipInfo(f"{number}.jpg")
            other.header_offset, other.CRC = shared.header_offset, shared.CRC
            other.file_size = other.compress_size = shared.file_size
            archive.filelist.append(other)
        archive._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(DatasetError, match="share their bytes"):
        readers.read(path)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("keep", [0, 10, 0.5])
def test_what_is_damaged_is_said(tmp_path: Path, name: str, keep: float) -> None:
    path = MAKERS[name](tmp_path / name, {**FILES, "train/cat/5.jpg": os.urandom(20_000)})
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(DatasetError, match=re.escape(str(path))):
        readers.read(path)


def test_a_photo_that_is_damaged_in_its_archive(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"1.jpg": b"photo" * 100}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"photo" * 5, b"pHoto" * 5, 1))
    with pytest.raises(OSError, match="damaged"):
        read_file(path / "1.jpg")


def test_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    link, device = tarfile.TarInfo("cat/link.jpg"), tarfile.TarInfo("cat/zero.jpg")
    link.type, link.linkname, device.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.CHRTYPE
    path = tarred(tmp_path / "a.tar", {"cat/1.jpg": b"x", "dog/2.jpg": b"y"}, "w", link, device)
    found = readers.read(path)
    assert found.tags == {"cat": 1, "dog": 1}
    assert set(found.litter) == {"cat/link.jpg", "cat/zero.jpg"}


def test_encrypted_archives_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"1.jpg": b"x"}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(signature) + offset] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match="encrypted"):
        readers.read(path)


@pytest.mark.parametrize(
    ("encoding", "tag"),
    [("utf-8", "Café"), ("cp437", "Küche"), ("utf-8", "猫")],
)
def test_names_without_a_mark_of_their_encoding(tmp_path: Path, encoding: str, tag: str) -> None:
    class Unmarked(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
            return self.filename.encode(encoding), 0

    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr(Unmarked(f"{tag}/1.jpg"), b"one")
        archive.writestr(Unmarked("dog/1.jpg"), b"two")
    found = readers.read(tmp_path / "photos.zip")
    assert set(found.tags) == {tag, "dog"}
    assert {photo_bytes for one in found.annotations if (photo_bytes := read_file(one.path, None)[1])} == {
        b"one",
        b"two",
    }


def patched(path: Path, *changes: tuple[bytes, int, str, int]) -> Path:
    """An archive of which numbers in the last record with a signature are others."""
    data = bytearray(zipped(path, FILES, zipfile.ZIP_STORED).read_bytes())
    for signature, offset, kind, value in changes:
        struct.pack_into(kind, data, data.rindex(signature) + offset, value)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "change",
    [
        (b"PK\x01\x02", 6, "<H", 200),  # of a version that is not known
        (b"PK\x05\x06", 12, "<I", 0xFFFFFFF0),
    ],
)
def test_a_directory_that_cannot_be_is_damage(tmp_path: Path, change: tuple[bytes, int, str, int]) -> None:
    with pytest.raises(DatasetError, match="which is damaged"):
        readers.read(patched(tmp_path / "a.zip", change))


def test_a_name_that_is_no_text_is_damage(tmp_path: Path) -> None:
    path = patched(tmp_path / "a.zip", (b"PK\x01\x02", 8, "<H", 0x800), (b"PK\x01\x02", 46, "<B", 0xFF))
    with pytest.raises(DatasetError, match="which is damaged"):
        readers.read(path)


@pytest.mark.parametrize("offset", [77, 0xFFFFFFF0])
def test_a_member_that_does_not_begin_where_it_should(tmp_path: Path, offset: int) -> None:
    path = patched(tmp_path / "a.zip", (b"PK\x01\x02", 42, "<I", offset))
    with pytest.raises(OSError, match="damaged in"):
        read_file(path / "README.txt")


def test_more_names_than_can_be_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MAX_DIRECTORY", 300)
    with pytest.raises(DatasetError, match="of names"):
        readers.read(zipped(tmp_path / "a.zip", FILES))


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="a name of 5,004 characters"):
        readers.read(zipped(tmp_path / "b.zip", {"a" * 5000 + ".jpg": b"x"}))


def test_all_members_together_may_not_become_much_larger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MOST_SMALL", 1_000_000)
    with pytest.raises(DatasetError, match="become 8,000,000"):
        readers.read(zipped(tmp_path / "a.zip", {f"cat/{n}.jpg": b"\0" * 2_000_000 for n in range(4)}))


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_no_more_is_decompressed_than_the_archive_says(tmp_path: Path, method: int) -> None:
    data = b"0123456789" * 2000
    path = zipped(tmp_path / "a.zip", {"1.jpg": data}, method)
    archive = archives.opened(path)
    assert archive.read("1.jpg") == data
    assert archive.head("1.jpg", 12) == data[:12]
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 24, 100)
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(OSError, match="101 of 100 bytes"):
        archives.opened(tmp_path / "b.zip").read("1.jpg")


def header(name: str, size: bytes = b"0", kind: bytes = tarfile.REGTYPE) -> bytes:
    block = bytearray(tarfile.TarInfo(name).tobuf())
    block[124:136], block[156:157], block[148:156] = size.rjust(12, b"0"), kind, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


TARS = {
    "back.tar": header("cat/x.jpg", b"\xff" * 10 + b"\xfe\0"),  # a size of -512
    "negative.tar": header("cat/x.jpg", b"\xff" * 11 + b"\xf0"),
    "torn.tar": b"A" * 512 + header("cat/x.jpg"),
    "chain.tar": (header("x", b"2", tarfile.GNUTYPE_LONGNAME) + b"a".ljust(512, b"\0")) * 2000,
    "long.tar": header("x", b"%o" % 5_000_000, tarfile.XHDTYPE) + bytes(5_000_192),
    "digits.tar": header("x", b"%o" % 5120, tarfile.XHDTYPE) + b"9" * 5000 + b" a=b\n".ljust(120, b"\0"),
    "sparse.tar": header("x", b"%o" % 25, tarfile.XHDTYPE)
    + b"25 GNU.sparse.map=a,b,ccc\n"[:25].ljust(512, b"\0"),
}


@pytest.mark.parametrize("name", TARS)
def test_a_tar_of_headers_that_cannot_be_is_damage(tmp_path: Path, name: str) -> None:
    whole = tarred(tmp_path / "whole.tar", {"cat/1.jpg": b"x", "dog/2.jpg": b"y"}).read_bytes()
    (tmp_path / name).write_bytes(whole[:2048] + TARS[name] + header("cat/3.jpg") + bytes(1024))
    with pytest.raises(DatasetError, match="which is damaged"):
        readers.read(tmp_path / name)


def test_links_count_as_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    (tmp_path / "a.tar").write_bytes(header("l.jpg", kind=tarfile.SYMTYPE) * 4 + bytes(1024))
    with pytest.raises(DatasetError, match="more than 3 files"):
        readers.read(tmp_path / "a.tar")


def test_xz_has_no_more_memory_than_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tarred(tmp_path / "a.tar.xz", FILES, "w:xz")
    twice = tmp_path / "b.tar.xz"
    plain = tarred(tmp_path / "c.tar", FILES).read_bytes()
    twice.write_bytes(lzma.compress(plain[:700]) + bytes(8) + lzma.compress(plain[700:]))
    assert len(readers.read(twice).annotations) == 4
    monkeypatch.setattr(decompression, "_XZ_MEMORY", 1_000_000)
    path.touch()
    with pytest.raises(DatasetError, match="Memory usage limit"):
        readers.read(path)
