"""A network is followed once for all flavours of one model; files are those of a graph of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dahlia.export.coreml import port
from dahlia.files import sha256_of
from small_detectors import make_detector

pytestmark = pytest.mark.slow


def written(folder: Path, source: Any, flavour: str) -> dict[str, str]:
    folder.mkdir()
    port.write(folder, source, flavour)
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_flavours_share_what_torch_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dahlia.export.coreml import kept

    followed: list[str] = []
    follow = kept.followed

    def counted(module: Any, card: Any) -> Any:
        followed.append(card.project)
        return follow(module, card)

    monkeypatch.setattr(kept, "followed", counted)
    monkeypatch.setattr(kept, "_kept", {})
    source = make_detector(tmp_path / "one", "grid", photos=3).source(tmp_path / "cache")
    shared = {
        name: written(tmp_path / name, source, name) for name in ("float16", "mlmodel-float16", "mlmodel")
    }
    assert len(followed) == 1
    kept._kept.clear()
    assert written(tmp_path / "alone", source, "mlmodel") == shared["mlmodel"]
    assert shared["mlmodel"] != shared["mlmodel-float16"]
    other = make_detector(tmp_path / "two", "grid", photos=3, seed=1).source(tmp_path / "cache")
    assert written(tmp_path / "other", other, "mlmodel") != shared["mlmodel"]
    assert len(followed) == 3
