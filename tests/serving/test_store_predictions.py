"""The store of predictions: killed processes, full and slow disks, several processes at once."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from kept_predictions import kept
from serving_helpers import FakeSource, build_client, picture, url

from dahlia.serving.stored import store as module
from dahlia.serving.stored.reading import read_predictions
from dahlia.serving.stored.segments import is_being_written, segments_in
from dahlia.serving.stored.store import PredictionStore

OFFERS = """
import sys, threading
from pathlib import Path
from dahlia.serving.stored.store import Kept, PredictionStore

store = PredictionStore(Path(sys.argv[1]), segment_bytes=500_000)

def offer(thread):
    for number in range(1_000_000):
        name = f"{sys.argv[2]}-{thread}-{number}"
        if store.offer(Kept(name.encode() * 2000, {"id": name}, "v1", None, "r")):
            sys.stdout.write(name + "\\n")
            sys.stdout.flush()

for thread in range(3):
    threading.Thread(target=offer, args=(thread,)).start()
"""


def stored_ids(folder: Path) -> list[str]:
    return [stored.facts["id"] for stored in read_predictions(folder)]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_predictions_are_kept_unless_asked_not_to(source: FakeSource, tmp_path: Path) -> None:
    store = PredictionStore(tmp_path / "kept")
    image = picture()
    with build_client(source, store) as client:
        answers = [client.post(url(end="image?application=kiosk"), content=image).json() for _ in range(2)]
        client.post(url(end="image/nostore"), content=image)
    store.close()
    found = list(read_predictions(tmp_path / "kept"))
    assert [stored.image() for stored in found] == [image, image]
    assert {stored.facts["id"] for stored in found} == {answer["id"] for answer in answers}
    for stored, answer in zip(found, answers, strict=True):
        facts = dict(stored.facts)
        assert facts.pop("request")
        assert facts == answer | {"publishName": "Iteration 1", "application": "kiosk"}
    assert (store.stored, store.not_stored) == (2, 0)


def test_killed_processes_keep_what_they_acknowledged(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", OFFERS, tmp_path, name], stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    acknowledged = []
    for process in processes:
        assert process.stdout is not None
        acknowledged += [process.stdout.readline() for _ in range(400)]
    for process in processes:
        process.send_signal(signal.SIGKILL)
    for process in processes:
        acknowledged += process.communicate()[0].splitlines(keepends=True)
    names = {line.strip() for line in acknowledged if line.endswith("\n")}
    found = {stored.facts["id"]: stored for stored in read_predictions(tmp_path)}
    assert names <= set(found)
    assert all(stored.image() == name.encode() * 2000 for name, stored in found.items())


def test_what_killed_processes_leave_is_tidied_by_the_next(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib; from dahlia.serving.stored.store import PredictionStore\n"
        "PredictionStore(pathlib.Path(sys.argv[1]), clock=lambda: 1.7e9); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    left = segments_in(tmp_path)[0]
    store = PredictionStore(tmp_path)
    until(lambda: not left.exists())
    store.close()
    assert segments_in(tmp_path) == []


def test_several_stores_share_a_folder(tmp_path: Path) -> None:
    stores = [PredictionStore(tmp_path, segment_bytes=500) for _ in range(2)]
    threads = [
        threading.Thread(
            target=lambda store, name: [store.offer(kept(f"{name}{number}")) for number in range(50)],
            args=(store, name),
        )
        for store in stores
        for name in (f"{id(store)}a", f"{id(store)}b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert [store.stored for store in stores] == [100, 100]
    assert len(set(stored_ids(tmp_path))) == 200


def test_a_store_without_predictions_leaves_nothing(tmp_path: Path) -> None:
    PredictionStore(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_offered_after_the_end_is_not_kept(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path)
    assert store.offer(kept("a"))
    store.close()
    store.close()
    assert not store.offer(kept("b"))
    assert (store.stored, store.not_stored) == (1, 1)
    assert stored_ids(tmp_path) == ["a"]


def test_full_segments_are_followed_by_others(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path, segment_bytes=10_000)
    for number in range(5):
        full = segments_in(tmp_path)[-1]
        assert store.offer(kept(str(number), bytes(10_000)))
        until(lambda: not is_being_written(full))  # noqa: B023
    store.close()
    assert stored_ids(tmp_path) == list("01234")
    assert len(segments_in(tmp_path)) == 5


def test_old_segments_are_followed_by_others_and_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SYNC_SECONDS", 0.01)
    now = [1.79e9]
    store = PredictionStore(tmp_path, clock=lambda: now[0], keep_days=1)
    assert store.offer(kept("a"))
    first = segments_in(tmp_path)[0]
    now[0] += 3600
    until(lambda: not is_being_written(first))
    assert store.offer(kept("b"))
    now[0] += 86400 - 1
    until(lambda: stored_ids(tmp_path) == ["b"])
    store.close()


def test_the_oldest_make_room_for_the_newest(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path, max_bytes=80_000)
    for number in range(20):
        full = segments_in(tmp_path)[-1]
        assert store.offer(kept(f"{number:02d}", bytes(10_000)))
        until(lambda: not is_being_written(full))  # noqa: B023
    store.close()
    assert stored_ids(tmp_path) == ["14", "15", "16", "17", "18", "19"]


def test_a_slow_disk_costs_predictions_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncing, done = threading.Event(), threading.Event()

    def sync(_: int) -> None:
        syncing.set()
        assert done.wait(30)

    monkeypatch.setattr(os, "fsync", sync)
    store = PredictionStore(tmp_path, max_pending=10_000)
    assert store.offer(kept("a", bytes(6_000)))
    assert syncing.wait(30)
    assert store.offer(kept("b", bytes(3_000)))
    assert not store.offer(kept("c", bytes(3_000)))
    assert not done.is_set()
    assert (store.stored, store.not_stored) == (2, 1)
    done.set()
    until(lambda: store.offer(kept("d", bytes(3_000))))
    store.close()
    assert stored_ids(tmp_path) == ["a", "b", "d"]


def test_more_than_may_wait_is_never_kept(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path, max_pending=10)
    assert not store.offer(kept("a", b"x" * 11))
    store.close()
    assert store.not_stored == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("torn", [0, 1, 40, 3000], ids="{} bytes are written".format)
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "cannot be cut"])
def test_a_full_disk_costs_its_prediction_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    torn: int,
    cut: bool,
) -> None:
    store = PredictionStore(tmp_path)
    assert store.offer(kept("a"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def writev(file: int, parts: Sequence[bytes]) -> int:
        return os.write(file, b"".join(parts)[:torn]) if torn else full() or 0

    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", writev)
        write = os.write
        patched.setattr(os, "write", lambda file, data: write(file, data) if len(data) == torn else full())
        if not cut:
            patched.setattr(os, "ftruncate", full)
        for _ in range(3):
            assert not store.offer(kept("b", bytes(5_000)))
    assert (store.stored, store.not_stored) == (1, 3)
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert [line.split()[0] for line in said] == ["1", "2"]
    assert said[-1].endswith("in request r1: No space left on device")
    until(lambda: store.offer(kept("c", bytes(9_000))))
    store.close()
    assert stored_ids(tmp_path) == ["a", "c"]


def test_a_write_that_is_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = PredictionStore(tmp_path)
    monkeypatch.setattr(os, "writev", lambda file, parts: os.write(file, b"".join(parts)[:50]))
    assert store.offer(kept("a", b"b" * 5_000))
    store.close()
    assert [stored.image() for stored in read_predictions(tmp_path)] == [b"b" * 5_000]


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    script = (
        "import pathlib, resource, sys; from dahlia.serving.stored.store import Kept, PredictionStore\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "store = PredictionStore(pathlib.Path(sys.argv[1]))\n"
        "kept = [store.offer(Kept(bytes(size), {'id': str(size)}, 'v1', None, 'r'))\n"
        "        for size in (9_000, 15_000, 9_001, 15_001)]\n"
        "store.close(); print(kept, store.not_stored)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[True, False, True, False] 2\n"
    assert "File too large" in ended.stderr
    assert stored_ids(tmp_path) == ["9000", "9001"]


def test_a_disk_that_fails_to_sync_is_said_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module, "_SYNC_SECONDS", 0.01)
    store = PredictionStore(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        assert store.offer(kept("a"))
        until(lambda: "may be lost should the machine stop: Input/output error" in caplog.text)
    until(lambda: store.offer(kept("b")))
    store.close()
    assert stored_ids(tmp_path) == ["a", "b"]
    assert len(segments_in(tmp_path)) == 2


def test_a_folder_that_cannot_be_written_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_SYNC_SECONDS", 0.01)
    (tmp_path / "file").write_text("in the way")
    store = PredictionStore(tmp_path / "file")
    assert not any([store.offer(kept("a")), store.offer(kept("b"))])
    assert store.not_stored == 2
    assert "File exists" in caplog.text
    (tmp_path / "file").unlink()
    until(lambda: store.offer(kept("c")))
    store.close()
    assert stored_ids(tmp_path / "file") == ["c"]


def test_a_folder_that_is_deleted_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SYNC_SECONDS", 0.01)
    store = PredictionStore(tmp_path / "kept")
    assert store.offer(kept("a"))
    for path in segments_in(tmp_path / "kept"):
        path.unlink()
    (tmp_path / "kept").rmdir()
    until(lambda: segments_in(tmp_path / "kept"))
    until(lambda: store.offer(kept("b")) and "b" in stored_ids(tmp_path / "kept"))
    store.close()
