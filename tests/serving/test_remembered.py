"""What was chosen is kept for the machine and the model, where nobody else can write."""

from __future__ import annotations

from pathlib import Path

import pytest

from dahlia import layout
from dahlia.serving.choice import remembered
from dahlia.serving.choice.remembered import Choice, Tried, key_of, load_choice, save_choice


def test_a_choice_is_kept_for_the_machine_and_the_model(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    choice = Choice(machine="m", chosen="openvino", tried=(Tried(runtime="openvino", milliseconds=1.0),))
    key = key_of(folder)
    assert load_choice(kept, key) is None
    save_choice(kept, key, choice)
    assert load_choice(kept, key) == choice
    (folder / layout.PHOTOS).unlink()
    assert key_of(folder) != key


def test_a_change_of_the_machine_is_another_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of(folder)
    monkeypatch.setattr(remembered, "usable_cores", lambda: 99)
    assert key_of(folder) != key


def test_what_was_chosen_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "cache_folder", lambda: tmp_path)
    assert remembered.said_of(folder) is None
    tried = (
        Tried(runtime="onnxruntime", milliseconds=9.44),
        Tried(runtime="openvino", milliseconds=4.0, photos=12, largest_difference=0.5, refused="it differs"),
    )
    save_choice(tmp_path, key_of(folder), Choice(machine="m", chosen="onnxruntime", tried=tried))
    assert remembered.said_of(folder) == (
        "onnxruntime computes it on this machine (onnxruntime 9.4 ms, openvino 4.0 ms; "
        "openvino not taken: it differs)"
    )


@pytest.mark.parametrize("content", ["", "{", '{"chosen": "another"}', "x" * 70_000])
def test_a_damaged_choice_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "key.json").write_text(content, encoding="utf-8")
    assert load_choice(tmp_path, "key") is None


def test_few_choices_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST_KEPT", 3)
    for number in range(5):
        save_choice(tmp_path, str(number), Choice(machine="m", chosen="openvino", tried=()))
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_what_cannot_be_read_is_not_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "cache_folder", lambda: tmp_path)
    (folder / layout.PHOTOS).unlink()
    (folder / layout.PHOTOS).mkdir()
    assert remembered.said_of(folder) is None


@pytest.mark.parametrize("is_open", [False, True])
def test_a_cache_that_others_may_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_open: bool
) -> None:
    monkeypatch.setattr(remembered, "user_cache", lambda name: Path("/dev/null") / name)
    monkeypatch.setattr(remembered.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = remembered.cache_folder()
    assert folder.parent == tmp_path
    if is_open:
        folder.chmod(0o777)
    else:
        folder.rmdir()
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="yours alone"):
        remembered.cache_folder()
