from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace_projects import NAME, STAGES, PhotoSet, small_photo_set, write_stages

from dahlia.errors import ConfigError
from dahlia.server.workspaces.laying import lay_out
from dahlia.server.workspaces.progress import Progress
from dahlia.server.workspaces.running import run_pipeline
from dahlia.server.workspaces.workspace import Cancelled, PipelineError, commit, occupied

pytestmark = pytest.mark.slow

BUSY = "sh -c 'echo $$ > pid; trap : TERM; sleep 60 & echo $! > child; wait; sleep 60'"


@pytest.fixture
def photo_set(tmp_path: Path) -> PhotoSet:
    return small_photo_set(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path, photo_set: PhotoSet) -> Path:
    folder = tmp_path / NAME
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    return folder


def _run(folder: Path, **environment: str) -> list[Progress]:
    seen: list[Progress] = []
    run_pipeline(folder, environment=environment, watch=seen.append, cancelled=lambda: False)
    return seen


def _pids(folder: Path) -> Iterator[int]:
    until = time.monotonic() + 30
    for name in ("pid", "child"):
        while not (folder / name).exists() or not (folder / name).read_text().strip():
            assert time.monotonic() < until
            time.sleep(0.05)
        yield int((folder / name).read_text())


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _all_end(pids: list[int]) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until and any(map(_is_alive, pids)):
        time.sleep(0.05)
    return not any(map(_is_alive, pids))


def test_from_first_to_last_stage(folder: Path) -> None:
    write_stages(folder, {"train": "echo learning from $PLACE; sleep 1.2"})
    seen = _run(folder, PLACE="the garden")
    assert list(dict.fromkeys(now.stage for now in seen)) == ["", *STAGES]
    assert [now.done for now in seen] == sorted(now.done for now in seen)
    assert [now.fraction for now in seen] == sorted(now.fraction for now in seen)
    assert (seen[-1].fraction, seen[-1].done, seen[-1].count) == (1.0, 7, 7)
    assert any(now.line == "learning from the garden" for now in seen)
    assert "learning from the garden" in (folder / ".dahlia/pipeline.log").read_text()
    assert not any(now.line.startswith("> sleep") for now in _run(folder))  # nothing has changed


def test_a_stage_that_fails(folder: Path) -> None:
    words = f"TrainingError: {folder.resolve()}/photo is too dark. Take another."
    write_stages(folder, {"train": f"echo '{words}' >&2; exit 1"})
    with pytest.raises(PipelineError, match=r"^photo is too dark\. Take another\.$") as caught:
        _run(folder)
    assert "Running stage 'train'" in caught.value.output
    write_stages(folder, {})
    assert _run(folder)[-1].done == len(STAGES)


def test_a_stage_that_is_killed(folder: Path) -> None:
    write_stages(folder, {"split": "kill -9 $$"})
    with pytest.raises(PipelineError, match="The stage split was killed by the system"):
        _run(folder)


def test_cancelled_before_it_begins(folder: Path) -> None:
    write_stages(folder, {"ingest": "touch began; sleep 60"})
    with pytest.raises(Cancelled):
        run_pipeline(folder, environment={}, watch=lambda now: None, cancelled=lambda: True)
    assert not (folder / "began").exists()


def test_cancelled_in_the_middle(folder: Path) -> None:
    write_stages(folder, {"train": BUSY})
    with pytest.raises(Cancelled):
        run_pipeline(
            folder, environment={}, watch=lambda now: None, cancelled=lambda: (folder / "child").exists()
        )
    assert _all_end(list(_pids(folder)))
    write_stages(folder, {})
    assert _run(folder)[-1].fraction == 1.0


def test_what_cancelled_raises_ends_the_pipeline(folder: Path) -> None:
    def lost_lease() -> bool:
        if (folder / "child").exists():
            raise ConnectionError("The lease is lost.")
        return False

    write_stages(folder, {"ingest": BUSY})
    with pytest.raises(ConnectionError, match="lease"):
        run_pipeline(folder, environment={}, watch=lambda now: None, cancelled=lost_lease)
    assert _all_end(list(_pids(folder)))


_RUN = """
import sys
from pathlib import Path
from dahlia.server.workspaces.running import run_pipeline
run_pipeline(Path(sys.argv[1]), environment={}, watch=lambda now: None, cancelled=lambda: False)
"""


def test_a_worker_that_is_killed_takes_its_pipeline_along(folder: Path) -> None:
    write_stages(folder, {"validate": BUSY})
    worker = subprocess.Popen([sys.executable, "-c", _RUN, str(folder)])
    pids = list(_pids(folder))
    with pytest.raises(PipelineError, match="in use"), occupied(folder, 0.1):
        pass
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    with occupied(folder):  # waits for the last of its processes
        assert not any(map(_is_alive, pids))
        (folder / ".dvc/tmp/rwlock").write_text("")  # what a kill may leave; DVC cannot read them
        (folder / "dvc.lock").write_text((folder / "dvc.lock").read_text()[:100])
        write_stages(folder, {})
        assert _run(folder)[-1].fraction == 1.0


def test_the_guard_is_killed(folder: Path) -> None:
    write_stages(folder, {"ingest": BUSY})
    killed: list[int] = []

    def watch(now: Progress) -> None:
        if (folder / "child").exists() and not killed:
            killed.append(os.getpgid(next(_pids(folder))))
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(PipelineError):
        run_pipeline(folder, environment={}, watch=watch, cancelled=lambda: False)
    assert _all_end(list(_pids(folder)))


def test_the_cache_holds_the_last_iteration_alone(folder: Path) -> None:
    cache = folder / ".dvc/cache/files/md5"
    for word in ("one", "two"):
        write_stages(folder, {"train": [f"mkdir -p models; echo {word} > models/a", "echo b > models/b"]})
        text = (folder / "dvc.yaml").read_text().replace("- out-train\n", "- out-train\n    - models\n", 1)
        (folder / "dvc.yaml").write_text(text)
        _run(folder)
    kept = {path.read_bytes() for path in cache.glob("??/*")}
    assert {b"two\n", b"b\n"} <= kept
    assert b"one\n" not in kept
    assert not any(now.stage for now in _run(folder))


def test_there_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"params\.yaml was expected"):
        _run(tmp_path / "nowhere")


def test_what_the_pipeline_writes_can_be_committed(folder: Path) -> None:
    write_stages(folder, {})
    before = commit(folder, "Photos")
    _run(folder)
    assert commit(folder, "Iteration 1") != before
