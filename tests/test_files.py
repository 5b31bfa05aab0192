"""Whole or not at all: what a failure in the middle leaves behind."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from dahlia.errors import DahliaError
from dahlia.files import staged_directory, staged_file, write_json, write_text

Staged = Callable[[Path], AbstractContextManager[Path]]


def put(staged: Path, text: str) -> None:
    """Write to a staged file, or to a file in a staged folder."""
    (staged / "inner" if staged.is_dir() else staged).parent.mkdir(exist_ok=True)
    (staged / "inner" if staged.is_dir() else staged).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def full_disk(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(params=[staged_file, staged_directory], ids=["file", "folder"])
def staged_kind(request: pytest.FixtureRequest) -> Staged:
    kind: Staged = request.param
    return kind


@pytest.mark.parametrize("present", [False, True], ids=["new", "replaced"])
def test_success_leaves_the_new_and_nothing_else(staged_kind: Staged, tmp_path: Path, present: bool) -> None:
    target = tmp_path / "deep" / "thing"
    for text in ["old", "new"] if present else ["new"]:
        with staged_kind(target) as staged:
            put(staged, text)
    assert list(contents(tmp_path).values()) == ["new"]
    assert [path.name for path in target.parent.iterdir()] == ["thing"]


@pytest.mark.parametrize("present", [False, True], ids=["new", "replaced"])
def test_an_error_in_the_middle_changes_nothing(staged_kind: Staged, tmp_path: Path, present: bool) -> None:
    target = tmp_path / "thing"
    if present:
        with staged_kind(target) as staged:
            put(staged, "old")
    before = contents(tmp_path)
    with pytest.raises(FileNotFoundError, match="another"), staged_kind(target) as staged:  # noqa: PT012
        put(staged, "half")
        (tmp_path / "another").stat()
    assert contents(tmp_path) == before
    assert target.exists() == present
    assert len(list(tmp_path.iterdir())) == present


def test_a_full_disk_is_said_and_changes_nothing(
    staged_kind: Staged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "thing"
    with staged_kind(target) as staged:
        put(staged, "old")
    before = contents(tmp_path)
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(DahliaError, match=r"thing could not be written: No space left.*Free some space"):  # noqa: SIM117
        with staged_kind(target) as staged:
            put(staged, "new")
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_place_that_cannot_be_written_to_is_said(staged_kind: Staged, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(DahliaError, match=r"could not be written: (Not a directory|File exists)"),
        staged_kind(tmp_path / "file" / "thing"),
    ):
        pytest.fail("the body must not run")


def test_a_folder_that_cannot_take_its_place_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "thing"
    with staged_directory(target) as staged:
        put(staged, "old")
    rename = Path.rename

    def refuse(self: Path, to: Path) -> Path:
        if to == target and ".old." not in str(self):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with (
        pytest.raises(DahliaError, match="what was there before is unchanged"),
        staged_directory(target) as s,
    ):
        put(s, "new")
    assert contents(tmp_path) == {"thing/inner": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    write_text(target, "old")
    script = (
        "import os, pathlib, sys; from dahlia.files import staged_file\n"
        "with staged_file(pathlib.Path(sys.argv[1])) as staged:\n"
        "    staged.write_text('half'); os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(target)]).returncode == 9
    assert target.read_text() == "old"


@pytest.mark.parametrize(("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_who_may_read_what_is_written_the_umask_says(
    tmp_path: Path, umask: int, file: int, folder: int
) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "file", "")
        with staged_directory(tmp_path / "folder") as staged:
            put(staged, "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == file
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == folder


def test_a_replaced_folder_keeps_no_old_part(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    for name in ("first", "second"):
        with staged_directory(target) as staged:
            (staged / "deep").mkdir()
            (staged / "deep" / name).write_text(name)
    assert contents(target) == {"deep/second": "second"}


def test_everything_is_on_disk_before_it_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, flushed = tmp_path / "thing", []

    def note(descriptor: int) -> None:
        flushed.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), target.exists()))

    monkeypatch.setattr(os, "fsync", note)
    with staged_directory(target) as staged:
        (staged / "deep").mkdir()
        (staged / "a").touch()
        (staged / "deep" / "b").touch()
    names = [(Path(path).name, there) for path, there in flushed]
    assert names == [("a", False), ("b", False), (tmp_path.name, True)]


def test_json_keeps_order_and_letters(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "Ölbaum", "a": [1, None]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text == '{\n  "b": "Ölbaum",\n  "a": [\n    1,\n    null\n  ]\n}\n'


def test_json_has_no_nan(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert contents(tmp_path) == {"a.json": "old"}
