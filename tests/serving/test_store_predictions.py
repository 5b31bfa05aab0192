from __future__ import annotations

import hashlib
import json
from pathlib import Path

from serving_helpers import FakeSource, build_client, picture, url

from dahlia.serving.store import Kept, PredictionStore


def test_predictions_are_kept_unless_asked_not_to(source: FakeSource, tmp_path: Path) -> None:
    store = PredictionStore(tmp_path / "kept")
    image = picture()
    with build_client(source, store) as client:
        answers = [client.post(url(end="image?application=kiosk"), content=image).json() for _ in range(2)]
        client.post(url(end="image/nostore"), content=image)
    store.close()
    digest = hashlib.sha256(image).hexdigest()
    assert (tmp_path / "kept" / "images" / digest[:2] / digest).read_bytes() == image
    kept = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "kept" / "answers").iterdir()}
    assert set(kept) == {answer["id"] for answer in answers}
    first = kept[answers[0]["id"]]
    assert first == answers[0] | {"image": digest, "publishName": "Iteration 1", "application": "kiosk"}


def test_a_full_backlog_does_not_hold_up_answers(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path, max_pending=10)
    assert not store.offer(Kept(b"x" * 11, {"id": "a"}, "v1", None, "r1"))
    assert store.not_stored == 1
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = PredictionStore(tmp_path / "file")
    for name in ("a", "b"):
        assert store.offer(Kept(b"x", {"id": name}, "v1", None, "r1"))
    store.close()
    assert store.not_stored == 2
