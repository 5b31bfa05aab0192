from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.server.workspaces.running import repair

LOCK = """\
schema: '2.0'
stages:
  ingest:
    cmd: python -m dahlia stage ingest
    deps:
    - path: data/annotations.csv
      hash: md5
      md5: e4b463718d27219e94926ad433caa0de
      size: 585
    outs:
    - path: data/dataset
      hash: md5
      md5: a79bf337af3ff7ce758536373fc5d5d7.dir
      size: 16060
      nfiles: 2
"""


def _deleted(folder: Path, text: str) -> bool:
    (folder / "dvc.lock").write_text(text)
    repair(folder)
    return not (folder / "dvc.lock").exists()


def test_a_whole_one_stays(tmp_path: Path) -> None:
    assert not _deleted(tmp_path, LOCK)
    (tmp_path / "dvc.lock").unlink()
    repair(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sch",
        "schema: '2.0",
        "schema: '2.0'\nstages:\n",
        *(
            LOCK[: LOCK.index(word)]
            for word in ("cmd", "deps", "path", "hash", "    outs", "a79", "f337af3f")
        ),
        LOCK[: LOCK.rindex("hash: md5") + 8],
        LOCK + "  split:\n",
    ],
)
def test_one_that_was_cut_off_goes(tmp_path: Path, text: str) -> None:
    assert _deleted(tmp_path, text)


def test_locks_go(tmp_path: Path) -> None:
    folder = tmp_path / ".dvc/tmp"
    folder.mkdir(parents=True)
    for name in ("lock", "rwlock", "rwlock.lock", "btime"):
        (folder / name).touch()
    repair(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["btime"]
