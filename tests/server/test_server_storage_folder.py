"""The folder: durable, whole or not at all, shared by processes, and clear about a bad disk."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from dahlia.server.storage import folder as folder_module
from dahlia.server.storage.storage import NotThere, Storage, StorageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def storage(root: Path) -> Storage:
    return Storage(str(root))


def files_below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_url_may_name_the_folder(root: Path) -> None:
    Storage(root.as_uri()).put("file", b"x")
    assert files_below(root) == ["file"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "Free some space"),
        (errno.EROFS, "Mount it writable"),
        (errno.EACCES, "Mount it writable"),
        (errno.EIO, "Look after the disk"),
    ],
)
@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_bad_disk_is_told_and_nothing_changes(
    storage: Storage, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, advice: str
) -> None:
    storage.put("images/a", b"before")
    right, calls = getattr(os, call), itertools.count(1)  # files are written by several threads

    def third_fails(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 3:
            raise OSError(number, os.strerror(number))
        return right(*arguments, **options)

    monkeypatch.setattr(os, call, third_fails)
    with pytest.raises(StorageError, match=advice) as failed:
        storage.put_many({f"images/{name}": b"after" for name in "abcdef"})
    monkeypatch.undo()
    assert os.strerror(number) in str(failed.value)
    assert files_below(root) == ["images/a"]
    assert storage.get("images/a") == b"before"


def test_a_file_where_a_folder_should_be(root: Path) -> None:
    root.write_text("")
    with pytest.raises(StorageError, match="Look after the disk"):
        Storage(str(root)).check()


def test_everything_is_synced_before_it_returns(
    storage: Storage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    right = os.fsync

    def record(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path.relative_to(root).as_posix(), (root / "images/ab/one").exists()))
        right(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    storage.put_many({"images/ab/one": b"1", "images/cd/two": b"2"})
    staged = [named for path, named in synced if path.startswith(".staged/")]
    folders = {path for path, named in synced if named}
    assert staged == [False, False]
    assert folders == {".", "images", "images/ab", "images/cd"}


def test_links_where_it_can(storage: Storage, root: Path, tmp_path: Path) -> None:
    storage.put("images/a", b"a")
    stored = root / "images" / "a"
    storage.fetch("images/a", tmp_path / "linked")
    storage.fetch("images/a", tmp_path / "copied", link=False)
    assert (tmp_path / "linked").samefile(stored)
    assert not (tmp_path / "copied").samefile(stored)
    assert stored.stat().st_mode & 0o222 == 0
    assert (tmp_path / "copied").stat().st_mode & 0o200


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_copies_where_links_cannot_be(
    storage: Storage, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    storage.put("images/a", b"a")
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    storage.fetch("images/a", tmp_path / "copied")
    assert (tmp_path / "copied").read_bytes() == b"a"
    assert not (tmp_path / "copied").samefile(root / "images" / "a")


def test_a_full_disk_where_files_go(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    storage.put("images/a", b"a")
    monkeypatch.setattr(Path, "hardlink_to", full)
    with pytest.raises(StorageError, match="Free some space"):
        storage.fetch("images/a", tmp_path / "workspace" / "a")


def test_sweeping_spares_the_young(storage: Storage, root: Path) -> None:
    storage.put("images/a", b"a")
    for name, age in (("old", timedelta(days=2)), ("young", timedelta(hours=1))):
        path = root / ".staged" / name
        path.write_bytes(b"half")
        moment = (datetime.now(UTC) - age).timestamp()
        os.utime(path, (moment, moment))
    assert [entry.key for entry in storage.keys("")] == ["images/a"]
    assert storage.sweep() == 1
    assert files_below(root) == [".staged/young", "images/a"]


def test_empty_folders_go(storage: Storage, root: Path) -> None:
    storage.put_many({"iterations/1/a/b": b"", "iterations/1/c": b"", "iterations/2/c": b""})
    storage.delete_folder("iterations/1")
    assert [path.name for path in (root / "iterations").iterdir()] == ["2"]


def test_a_stale_file_that_is_written_while_it_goes_stays(
    storage: Storage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put("images/a", b"a")
    os.utime(root / "images" / "a", (0, 0))
    right = Path.rename

    def another_process_writes_first(path: Path, target: Path) -> Path:
        Storage(str(root)).put("images/a", b"a")
        return right(path, target)

    monkeypatch.setattr(Path, "rename", another_process_writes_first)
    assert not storage.delete_stale("images/a", datetime.now(UTC) - timedelta(hours=1))
    assert storage.get("images/a") == b"a"
    assert files_below(root) == ["images/a"]


def test_writers_and_deleters_side_by_side(storage: Storage) -> None:
    failures: list[Exception] = []

    def work(use: Callable[[int], None]) -> None:
        try:
            for number in range(60):
                use(number)
        except StorageError as error:
            failures.append(error)

    def read(number: int) -> None:
        try:
            assert storage.get(f"images/{number % 3}") == b"data" * 100
        except NotThere:
            return

    uses: list[Callable[[int], None]] = [
        lambda number: storage.put(f"images/{number % 3}", b"data" * 100),
        lambda number: storage.delete(f"images/{number % 3}"),
        lambda number: list(storage.keys("")) and None,
        read,
    ]
    threads = [Thread(target=work, args=(use,)) for use in uses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


_WRITER = """
import hashlib, os, sys
from dahlia.server.storage.storage import Storage
storage = Storage(sys.argv[1])
for turn in range(10_000):
    blobs = [os.urandom(50_000) for _ in range(16)]
    items = {f"images/{(name := hashlib.sha256(blob).hexdigest())[:2]}/{name}": blob for blob in blobs}
    storage.put_many(items)
    print(*items, flush=True)
"""


def test_a_killed_writer_leaves_whole_files_and_what_it_acknowledged(storage: Storage, root: Path) -> None:
    for patience in (0.02, 0.05, 0.08):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(root)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout
        first = writer.stdout.readline()
        time.sleep(patience)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
        writer.wait()
        writer.stdout.close()
        acknowledged = [key for line in (first + rest).split("\n") for key in line.split() if len(key) == 74]
        assert len(acknowledged) >= 16
        assert set(acknowledged) <= {entry.key for entry in storage.keys("")}
    for entry in storage.keys(""):
        assert hashlib.sha256(storage.get(entry.key)).hexdigest() == entry.key.rpartition("/")[2]
    storage.sweep(timedelta(0))
    assert list((root / ".staged").iterdir()) == []


def test_a_batch_is_written_by_several_threads(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    met = threading.Barrier(folder_module.WRITERS, timeout=10)
    right = folder_module._write

    def meet(path: Path, content: Any) -> None:
        met.wait()
        right(path, content)

    monkeypatch.setattr(folder_module, "_write", meet)
    storage.put_many({str(number): b"" for number in range(folder_module.WRITERS)})
    assert len(list(storage.keys(""))) == folder_module.WRITERS
