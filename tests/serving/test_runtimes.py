"""What computes a published model: the fastest runtime here that says what the trained model says."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running_services import until
from serving_helpers import FakeSource, build_client, picture

from dahlia import layout
from dahlia.errors import ConfigError
from dahlia.modeling.card import TagCard
from dahlia.serving.choice import chooser as chooser_module
from dahlia.serving.choice import measuring
from dahlia.serving.choice.chooser import Chooser
from dahlia.serving.choice.judging import Comparison, compare
from dahlia.serving.choice.measuring import Measured
from dahlia.serving.choice.remembered import Choice, Tried, key_of, load_choice
from dahlia.serving.models import runtimes
from dahlia.serving.models.compiled import Compiled
from dahlia.serving.models.loading import ModelCache
from dahlia.serving.models.readers import OUTPUT, Place, Scored
from dahlia.serving.models.runtime import Model, load_model
from dahlia.serving.models.runtimes import RUNTIMES, require_installed
from dahlia.serving.models.sessions import Sessions

CAT, DOG = TagCard(id="1", name="cat"), TagCard(id="2", name="dog")


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Milliseconds that each runtime is said to take."""
    said = {"onnxruntime": 9.0, "openvino": 4.0, "openvino-bfloat16": 2.0}
    monkeypatch.setattr(Measured, "_times", lambda self, engines: {name: said[name] for name in engines})
    return said


def test_the_fastest_that_passes_is_chosen(folder: Path, times: dict[str, float]) -> None:
    choice = Measured(folder, 60).choose()
    tried = {one.runtime: one for one in choice.tried}
    assert choice.chosen != "onnxruntime"
    assert tried["onnxruntime"] == Tried(runtime="onnxruntime", milliseconds=9.0)
    taken = tried[choice.chosen]
    assert taken.refused is None
    assert taken.photos == 12
    assert taken.largest_difference is not None
    assert taken.largest_difference <= RUNTIMES[choice.chosen].difference


def test_what_is_not_faster_is_not_taken(folder: Path, times: dict[str, float]) -> None:
    times |= {"openvino": 8.9, "openvino-bfloat16": 9.5}
    choice = Measured(folder, 60).choose()
    assert choice.chosen == "onnxruntime"
    assert all("faster" in (one.refused or "") for one in choice.tried if one.runtime != "onnxruntime")


class Wrong:
    """A runtime that answers otherwise."""

    memory = 1

    def __init__(self, graph: Path, change: Callable[[Any], Any]) -> None:
        self._sessions = Sessions(graph, 1)
        self._change = change

    def coming(self) -> Any:
        return self._sessions.coming()

    def run(self, outputs: Any, batch: Any, *, alone: bool = False) -> Any:
        return [self._change(one) for one in self._sessions.run(outputs, batch)]

    def settle(self, outputs: Any, size: int) -> Any:
        return self._sessions.settle(outputs, size)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda answer: answer + np.float32(0.001), "probabilities differ"),
        (lambda answer: answer[:, ::-1], "probabilities differ"),
        (lambda answer: answer * np.float32(np.nan), "probabilities differ by up to inf"),
    ],
)
def test_a_runtime_that_answers_otherwise_is_not_taken(
    folder: Path, times: dict[str, float], monkeypatch: pytest.MonkeyPatch, change: Any, reason: str
) -> None:
    wrong = replace(RUNTIMES["openvino"], open=lambda graph, *_: Wrong(graph, change))
    monkeypatch.setattr(measuring, "RUNTIMES", {"onnxruntime": RUNTIMES["onnxruntime"], "openvino": wrong})
    choice = Measured(folder, 60).choose()
    assert choice.chosen == "onnxruntime"
    assert reason in (choice.tried[-1].refused or "")


def test_without_photos_nothing_is_proven(folder: Path, times: dict[str, float]) -> None:
    (folder / layout.PHOTOS).unlink()
    choice = Measured(folder, 60).choose()
    assert choice.chosen == "onnxruntime"
    assert "no photos" in (choice.tried[-1].refused or "")


def test_what_takes_too_long_is_not_proven(folder: Path, times: dict[str, float]) -> None:
    choice = Measured(folder, 0).choose()
    assert choice.chosen == "onnxruntime"
    assert "in time" in (choice.tried[-1].refused or "")


def scored(*chances: float) -> list[Scored]:
    both = [Scored(tag, chance) for tag, chance in zip((CAT, DOG), chances, strict=True)]
    return sorted(both, key=lambda one: -one.probability)


def box(tag: TagCard, score: float, left: float) -> Scored:
    return Scored(tag, score, Place(left, 0.2, 0.3, 0.3))


def test_a_top_tag_counts_as_changed_where_the_model_preferred_it() -> None:
    unsure = compare([(scored(0.502, 0.498), scored(0.499, 0.501))], 0.01, boxed=False)
    assert (unsure.changed, unsure.refusal(0.01)) == (0, None)
    sure = compare([(scored(0.6, 0.4), scored(0.4, 0.6))], 0.5, boxed=False)
    assert (sure.photos, sure.changed) == (1, 0)
    assert compare([(scored(0.6, 0.4), scored(0.4, 0.6))], 0.1, boxed=False).changed == 1


def test_boxes_are_compared_with_those_in_the_same_place() -> None:
    ours = [box(CAT, 0.9, 0.1), box(DOG, 0.05, 0.5)]
    same = compare([(ours, [box(CAT, 0.895, 0.102)])], 0.01, boxed=True)
    assert same.largest == pytest.approx(0.005)
    assert same.refusal(0.01) is None
    for others in ([], [box(DOG, 0.9, 0.1)], [box(CAT, 0.9, 0.4)], [*ours, box(DOG, 0.5, 0.6)]):
        assert "another" in (compare([(ours, others)], 0.01, boxed=True).refusal(0.01) or "")
    assert "differ" in (compare([(ours, [box(CAT, 0.8, 0.1)])], 0.01, boxed=True).refusal(0.01) or "")


def test_nothing_compared_is_no_proof() -> None:
    assert Comparison().refusal(1.0) == "there are no photos to compare on"


def test_a_model_gets_its_runtime_while_it_serves(folder: Path, tmp_path: Path) -> None:
    """The whole way, with a process that measures; what is fastest is the machine's affair."""
    told: list[str] = []
    chooser = Chooser("auto", 0, folder=tmp_path / "kept", chosen=told.append)
    model = load_model(folder, "", 1)
    before = {one.tag.id: one.probability for one in model.predict(picture())}
    chooser.consider(model, folder)
    key = key_of(folder)
    until(lambda: load_choice(tmp_path / "kept", key) is not None)
    choice = load_choice(tmp_path / "kept", key)
    assert choice is not None
    assert {one.runtime for one in choice.tried} >= {"onnxruntime", "openvino"}
    until(lambda: model.runtime == choice.chosen)
    chooser.close()
    after = {one.tag.id: one.probability for one in model.predict(picture())}
    assert after == pytest.approx(before, abs=RUNTIMES[choice.chosen].difference)
    assert told == ([] if choice.chosen == "onnxruntime" else [choice.chosen])


def test_a_setting_is_taken_without_measuring(folder: Path, tmp_path: Path) -> None:
    chooser = Chooser("openvino", 1, folder=tmp_path / "kept")
    model = chooser.consider(load_model(folder, "", 1), folder)
    until(lambda: model.runtime == "openvino")
    chooser.close()
    assert not (tmp_path / "kept").exists()


def test_what_finds_no_room_is_not_taken(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bentoml.dahlia")
    asked: list[int] = []
    model = load_model(folder, "", 1)
    before = model.memory

    class Full(ModelCache[Model]):
        def has_room(self, more: int) -> bool:
            asked.append(more)
            return False

    full = Full(lambda servable: model, 0)
    Chooser("openvino", 1, folder=tmp_path / "kept", models=full)._look_after(model, folder)
    assert model.runtime == "onnxruntime"
    assert asked == [Compiled(folder / "model.onnx", (OUTPUT,), 1, "f32", together=True).memory - before]
    assert "model_memory_mb" in caplog.text


def test_the_usual_runtime_starts_no_thread(folder: Path) -> None:
    chooser = Chooser("onnxruntime", 1)
    assert chooser.consider(load_model(folder, "", 1), folder).runtime == "onnxruntime"
    assert chooser._thread is None
    chooser.close()


def test_what_a_model_takes_is_counted_again(folder: Path, tmp_path: Path, source: FakeSource) -> None:
    told: list[int] = []
    models = ModelCache(
        lambda servable: load_model(folder, "", 1), 1 << 30, lambda count, memory: told.append(memory)
    )
    model = models.get(source.locate("", 1))
    Chooser("openvino", 1, folder=tmp_path / "kept", models=models)._look_after(model, folder)
    assert told[-1] == model.memory > told[0]


def test_a_model_that_fails_holds_up_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chooser = Chooser("openvino", 1, folder=tmp_path / "kept")
    broken, whole = load_model(folder, "", 1), load_model(folder, "", 2)
    monkeypatch.setattr(broken, "take", lambda engine, name: {}["another"])
    chooser.consider(broken, folder)
    chooser.consider(whole, folder)
    until(lambda: whole.runtime == "openvino")
    chooser.close()
    assert "Iteration 1 stays with ONNX Runtime: KeyError" in caplog.text


def test_a_runtime_of_another_package_has_a_title(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(runtimes, "version", missing)
    assert RUNTIMES["onnxruntime"].title == "onnxruntime, float32"


def test_what_cannot_be_kept_is_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a full disk."""
    choice = Choice(machine="m", chosen="openvino", tried=())
    chooser = Chooser("auto", 1, folder=tmp_path / "kept")
    monkeypatch.setattr(chooser, "_measured", lambda *given: choice)

    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chooser_module, "save_choice", full)
    model = load_model(folder, "", 1)
    chooser._look_after(model, folder)
    assert model.runtime == "openvino"
    assert "is not kept" in caplog.text
    assert list((tmp_path / "kept").glob("*.onnx")) == []


def test_a_process_that_fails_leaves_the_usual_runtime(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chooser_module, "_MEASURING", "dahlia.no_such_module")
    chooser = Chooser("auto", 1, folder=tmp_path / "kept")
    model = load_model(folder, "", 1)
    chooser._look_after(model, folder)
    assert model.runtime == "onnxruntime"
    assert "could not be measured" in caplog.text


def test_closing_ends_a_measurement(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chooser = Chooser("auto", 1, folder=tmp_path / "kept")
    chooser.consider(load_model(folder, "", 1), folder)
    end = time.monotonic() + 30
    while not chooser._process.is_running and time.monotonic() < end:
        time.sleep(0.005)
    chooser.close()
    assert chooser._thread is not None
    assert not chooser._thread.is_alive()
    assert list((tmp_path / "kept").glob("*.json")) == []


def test_a_runtime_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install 'dahlia\\[openvino\\]'"):
        require_installed("openvino-bfloat16")
    require_installed("auto")


def test_info_says_what_computes_a_model(source: FakeSource) -> None:
    with build_client(source) as client:
        published = client.get("/info").json()["published"]
        assert {one["runtime"] for one in published} <= {None, "onnxruntime"}
        assert {"project", "name", "iteration", "number", "runtime"} == set(published[0])
