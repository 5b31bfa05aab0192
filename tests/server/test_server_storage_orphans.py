"""Files of images that no row names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dahlia.server.storage import orphans as module
from dahlia.server.storage.names import image_key, resized_key, thumbnail_key
from dahlia.server.storage.orphans import orphans, remove_orphans
from dahlia.server.storage.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def upload(storage: Storage, root: Path, name: str, age: timedelta) -> str:
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    keys = [image_key(sha256, ".png"), thumbnail_key(sha256), resized_key(sha256)]
    storage.put_many(dict.fromkeys(keys, b""))
    moment = (datetime.now(UTC) - age).timestamp()
    for key in keys:
        os.utime(root / key, (moment, moment))
    return sha256


def test_old_files_without_a_row_go(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, young = timedelta(days=2), timedelta(hours=1)
    named = {upload(storage, tmp_path, f"named {number}", old) for number in range(5)}
    nameless = {upload(storage, tmp_path, f"nameless {number}", old) for number in range(4)}
    upload(storage, tmp_path, "at work", young)
    storage.put("images/note.txt", b"")
    os.utime(tmp_path / "images/note.txt", (0, 0))
    monkeypatch.setattr(module, "BATCH", 2)
    asked: list[str] = []

    def known(some: Sequence[str]) -> set[str]:
        assert len(some) <= 2
        asked.extend(some)
        return named & set(some)

    found = set(orphans(storage, known))
    assert found == {
        key for sha in nameless for key in (image_key(sha, ".png"), thumbnail_key(sha), resized_key(sha))
    }
    assert set(asked) == named | nameless
    assert remove_orphans(storage, known) == 12
    assert list(orphans(storage, known)) == []
    assert len(list(storage.keys(""))) == 3 * 6 + 1


def test_an_image_that_is_uploaded_again_meanwhile_stays(storage: Storage, tmp_path: Path) -> None:
    sha256 = upload(storage, tmp_path, "again", timedelta(days=2))

    def known(some: Sequence[str]) -> set[str]:
        storage.put_many({image_key(sha256, ".png"): b"new", thumbnail_key(sha256): b"new"})
        return set()

    remove_orphans(storage, known)
    assert {entry.key for entry in storage.keys("")} >= {image_key(sha256, ".png"), thumbnail_key(sha256)}
