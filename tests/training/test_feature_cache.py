from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dahlia.errors import TrainingError
from dahlia.training import feature_cache
from dahlia.training.feature_cache import FeatureCache

KEYS = [("a", "plain"), ("a", "mirror"), ("b", "plain")]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)
PRINT = "f" * 64


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "deep" / "features", PRINT, 32)


def test_what_is_put_is_there(cache: FeatureCache) -> None:
    assert cache.missing(KEYS) == KEYS
    cache.put(KEYS, VECTORS)
    assert cache.missing([*KEYS, ("c", "plain"), ("a", "zoom")]) == [("c", "plain"), ("a", "zoom")]
    order = [2, 0, 1, 0]
    assert np.array_equal(cache.get([KEYS[n] for n in order]), VECTORS[order])


def test_it_is_there_the_next_time(cache: FeatureCache, tmp_path: Path) -> None:
    cache.put(KEYS, VECTORS)
    again = FeatureCache(tmp_path / "deep" / "features", PRINT, 32)
    assert np.array_equal(again.get(KEYS), VECTORS)


@pytest.mark.parametrize(("fingerprint", "size"), [("e" * 64, 32), (PRINT, 64)])
def test_other_networks_and_sizes_are_other_files(
    cache: FeatureCache, tmp_path: Path, fingerprint: str, size: int
) -> None:
    cache.put(KEYS, VECTORS)
    assert FeatureCache(tmp_path / "deep" / "features", fingerprint, size).missing(KEYS) == KEYS


def test_each_precision_has_its_own_file(cache: FeatureCache, tmp_path: Path) -> None:
    cache.put(KEYS, VECTORS)
    folder = tmp_path / "deep" / "features"
    assert FeatureCache(folder, PRINT, 32, "bf16-mixed").missing(KEYS) == KEYS
    assert FeatureCache(folder, PRINT, 32, "32-true").missing(KEYS) == []


def test_features_of_pixels_by_other_rules_are_computed_again(
    cache: FeatureCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put(KEYS, VECTORS)
    monkeypatch.setattr(feature_cache, "RULES", 99)
    assert FeatureCache(tmp_path / "deep" / "features", PRINT, 32).missing(KEYS) == KEYS


def test_putting_again_replaces(cache: FeatureCache) -> None:
    cache.put(KEYS, VECTORS)
    cache.put(KEYS[:1], VECTORS[2:])
    assert np.array_equal(cache.get(KEYS), VECTORS[[2, 1, 2]])


def test_nothing_is_put_of_a_batch_that_does_not_fit(cache: FeatureCache) -> None:
    with pytest.raises(ValueError, match="zip"):
        cache.put(KEYS, VECTORS[:2])
    assert cache.missing(KEYS) == KEYS


def test_two_processes_write_at_once(cache: FeatureCache) -> None:
    script = (
        "import sys, numpy as np, pathlib; from dahlia.training.feature_cache import FeatureCache\n"
        "cache = FeatureCache(pathlib.Path(sys.argv[1]), 'f' * 64, 32)\n"
        "for n in range(30): cache.put([(f'{sys.argv[2]}{n}', 'plain')], np.full((1, 4), n, np.float32))\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(cache.path.parent), name]) for name in ("x", "y")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    keys = [(f"{name}{n}", "plain") for name in ("x", "y") for n in range(30)]
    assert cache.missing(keys) == []
    assert cache.get(keys)[:, 0].tolist() == [*range(30), *range(30)]


def test_a_killed_writer_leaves_whole_batches(cache: FeatureCache) -> None:
    cache.put(KEYS[:1], VECTORS[:1])
    script = (
        "import os, signal, sqlite3, sys; connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('INSERT INTO features VALUES (?, ?, ?)', ('b', 'plain', b'1234'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(cache.path)])
    assert ended.returncode == -signal.SIGKILL
    assert cache.missing(KEYS) == KEYS[1:]
    cache.put(KEYS, VECTORS)
    assert np.array_equal(cache.get(KEYS), VECTORS)


def test_a_damaged_file_is_named(cache: FeatureCache) -> None:
    cache.path.write_bytes(b"no database" * 100)
    with pytest.raises(TrainingError, match=rf"{cache.path}.*not a database.*Delete the file"):
        cache.missing(KEYS)


def test_a_full_disk_is_said(cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(TrainingError, match=r"disk is full.*free some space"):
        cache.put(KEYS, VECTORS)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"Not a directory|File exists"):
        FeatureCache(tmp_path / "file" / "features", PRINT, 32)
