"""What computes a published model: the fastest runtime here that says what the trained model says."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import fake_detector
import numpy as np
import onnx
import pytest
import simplejpeg
from onnx import helper, numpy_helper
from serving_helpers import FakeSource, build_client, picture

from dahlia import layout
from dahlia.dataset import proof_photos
from dahlia.dataset.proof_photos import load_photos, proof_photo, save_photos
from dahlia.errors import ConfigError, DatasetError
from dahlia.modeling.card import TagCard, load_card
from dahlia.serving.choice import chooser as chooser_module
from dahlia.serving.choice import measuring, remembered
from dahlia.serving.choice.chooser import Chooser
from dahlia.serving.choice.judging import Comparison, compare
from dahlia.serving.choice.measuring import Measured
from dahlia.serving.choice.remembered import Choice, Tried, key_of, load_choice, save_choice
from dahlia.serving.models import runtimes
from dahlia.serving.models.compiled import Compiled
from dahlia.serving.models.engine import MOST_TOGETHER
from dahlia.serving.models.loading import ModelCache
from dahlia.serving.models.readers import OUTPUT, Place, Scored
from dahlia.serving.models.runtime import Model, load_model
from dahlia.serving.models.runtimes import RUNTIMES, require_installed
from dahlia.serving.models.sessions import Sessions

CAT, DOG = TagCard(id="1", name="cat"), TagCard(id="2", name="dog")


@pytest.fixture
def folder(source: FakeSource, tmp_path: Path) -> Path:
    """A published model with photos."""
    target = tmp_path / "published"
    shutil.copytree(source.folder / "1", target)
    size = load_card(target).input.size
    noise = np.random.default_rng(0)
    photos = [noise.integers(0, 256, (size, size, 3)).astype(np.uint8) for _ in range(12)]
    save_photos(target, [proof_photo(pixels, ["cat"]) for pixels in photos])
    return target


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Milliseconds that each runtime is said to take."""
    said = {"onnxruntime": 9.0, "openvino": 4.0, "openvino-bfloat16": 2.0}
    monkeypatch.setattr(Measured, "_times", lambda self, engines: {name: said[name] for name in engines})
    return said


def batch(folder: Path) -> Any:
    size = load_card(folder).input.size
    return np.random.default_rng(3).integers(0, 256, (1, 3, size, size)).astype(np.float32)


def test_openvino_says_what_onnx_runtime_says_with_one_thread_and_all(folder: Path) -> None:
    graph = folder / "model.onnx"
    expected = Sessions(graph, 1).run((OUTPUT,), batch(folder))[0]
    compiled = Compiled(graph, (OUTPUT,), 0, "f32", together=True)
    compiled.settle((OUTPUT,), load_card(folder).input.size)
    answers = [compiled.run((OUTPUT,), batch(folder), alone=alone)[0] for alone in (False, True, True)]
    assert {one.tobytes() for one in answers} == {answers[0].tobytes()}
    assert answers[0] == pytest.approx(expected, abs=1e-5)
    assert compiled.memory > graph.stat().st_size


def test_threads_that_ask_at_once_get_their_own_answers(folder: Path) -> None:
    compiled = Compiled(folder / "model.onnx", (OUTPUT,), 0, "f32", 1, together=True)
    compiled.settle((OUTPUT,), load_card(folder).input.size)
    assert compiled._batcher.most == MOST_TOGETHER
    size = load_card(folder).input.size
    photos = [np.full((1, 3, size, size), value, np.float32) for value in (0, 80, 160, 255)]
    expected = [compiled.run((OUTPUT,), photo)[0].tobytes() for photo in photos]
    wrong: list[int] = []

    def ask(place: int) -> None:
        for _ in range(20):
            if compiled.run((OUTPUT,), photos[place])[0].tobytes() != expected[place]:
                wrong.append(place)

    pool = [threading.Thread(target=ask, args=(place,)) for place in range(len(photos))]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    assert not wrong


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


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    assert done()


def test_a_model_gets_its_runtime_while_it_serves(folder: Path, tmp_path: Path) -> None:
    """The whole way, with a process that measures; what is fastest is the machine's affair."""
    told: list[str] = []
    chooser = Chooser("auto", 0, folder=tmp_path / "kept", chosen=told.append)
    model = load_model(folder, "", 1)
    before = {one.tag.id: one.probability for one in model.predict(picture())}
    chooser.consider(model, folder)
    key = key_of(folder)
    wait_until(lambda: load_choice(tmp_path / "kept", key) is not None)
    choice = load_choice(tmp_path / "kept", key)
    assert choice is not None
    assert {one.runtime for one in choice.tried} >= {"onnxruntime", "openvino"}
    wait_until(lambda: model.runtime == choice.chosen)
    chooser.close()
    after = {one.tag.id: one.probability for one in model.predict(picture())}
    assert after == pytest.approx(before, abs=RUNTIMES[choice.chosen].difference)
    assert told == ([] if choice.chosen == "onnxruntime" else [choice.chosen])


def test_a_setting_is_taken_without_measuring(folder: Path, tmp_path: Path) -> None:
    chooser = Chooser("openvino", 1, folder=tmp_path / "kept")
    model = chooser.consider(load_model(folder, "", 1), folder)
    wait_until(lambda: model.runtime == "openvino")
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
    wait_until(lambda: whole.runtime == "openvino")
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


def test_photos_are_kept_with_their_tags(tmp_path: Path) -> None:
    pixels = np.full((32, 32, 3), 90, np.uint8)
    save_photos(tmp_path, [proof_photo(pixels, ["a", "ü"]), proof_photo(pixels, [])])
    first, second = load_photos(tmp_path, 32)
    assert (first.tags, second.tags) == (("a", "ü"), ())
    assert np.abs(simplejpeg.decode_jpeg(first.jpeg, "RGB").astype(int) - 90).max() <= 2
    again = (tmp_path / layout.PHOTOS).read_bytes()
    save_photos(tmp_path, [proof_photo(pixels, ["a", "ü"]), proof_photo(pixels, [])])
    assert (tmp_path / layout.PHOTOS).read_bytes() == again
    with pytest.raises(DatasetError, match="64 x 64"):
        load_photos(tmp_path, 64)


@pytest.mark.parametrize(
    "index",
    ["[]", "3", '{"photos": 3}', '{"photos": [1]}', '{"photos": [{"file": "x.jpg", "tags": []}]}', "{"],
)
def test_photos_with_a_wrong_index_are_refused(tmp_path: Path, index: str) -> None:
    with zipfile.ZipFile(tmp_path / layout.PHOTOS, "w") as archive:
        archive.writestr("photos.json", index)
    with pytest.raises(DatasetError, match="cannot be read"):
        load_photos(tmp_path, 32)


def test_photos_that_unpack_to_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_photos(tmp_path, [proof_photo(np.zeros((32, 32, 3), np.uint8), [])] * 20)
    monkeypatch.setattr(proof_photos, "_MOST_TOGETHER", 5000)
    with pytest.raises(DatasetError, match="more than 5,000 bytes"):
        load_photos(tmp_path, 32)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"no zip file"])
def test_damaged_photos_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / layout.PHOTOS).write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read"):
        load_photos(tmp_path, 32)
    assert load_photos(tmp_path / "elsewhere", 32) == []


def test_an_index_that_repeats_a_photo_is_refused(tmp_path: Path) -> None:
    """Small files would take gigabytes in memory."""
    photo = proof_photo(np.zeros((16, 16, 3), np.uint8), ["ash"])
    index = {"photos": [{"file": "000.jpg", "tags": ["ash"]}] * 2}
    with zipfile.ZipFile(tmp_path / layout.PHOTOS, "w") as archive:
        archive.writestr("photos.json", json.dumps(index))
        archive.writestr("000.jpg", photo.jpeg)
    with pytest.raises(DatasetError, match="twice"):
        load_photos(tmp_path, 16)


@pytest.mark.parametrize("kind", ["fifo", "endless", "folder"])
def test_photos_that_are_no_file_are_refused(folder: Path, kind: str) -> None:
    path = folder / layout.PHOTOS
    path.unlink()
    {"fifo": lambda: os.mkfifo(path), "endless": lambda: path.symlink_to("/dev/zero"), "folder": path.mkdir}[
        kind
    ]()
    with pytest.raises(DatasetError, match="no file"):
        load_photos(folder, 16)
    assert key_of(folder)


def test_a_graph_for_one_photo_is_given_one_at_a_time(folder: Path) -> None:
    """Its input says that it takes any number."""
    proto = onnx.load(folder / "model.onnx")
    (shape,) = (one for one in proto.graph.output if one.name == OUTPUT)
    tags = shape.type.tensor_type.shape.dim[-1].dim_value or 3
    last = next(node for node in proto.graph.node if OUTPUT in node.output)
    last.output[:] = ["free" if name == OUTPUT else name for name in last.output]
    proto.graph.initializer.append(numpy_helper.from_array(np.array([1, tags], np.int64), "one"))
    proto.graph.node.append(helper.make_node("Reshape", ["free", "one"], [OUTPUT]))
    for node in proto.graph.node:
        if node is not last and node.op_type != "Reshape":
            node.input[:] = ["free" if name == OUTPUT else name for name in node.input]
    onnx.save(proto, folder / "model.onnx")
    model = load_model(folder, "", 1)
    size = model.card.input.size
    engine = RUNTIMES["openvino"].engine(folder / "model.onnx", model.reader, size, 0, 1)
    assert engine._batcher.most == 1
    assert engine.run((OUTPUT,), batch(folder))[0].shape == (1, tags)


@pytest.mark.parametrize("output", ["grid", "boxes"])
def test_detectors_are_computed_by_every_runtime(tmp_path: Path, output: Any) -> None:
    """These graphs are made for one photo, as an earlier one may be, whatever its input says."""
    fake_detector.write_model(tmp_path, output)
    model = load_model(tmp_path, "", 1)
    expected = model.predict(picture())
    size = model.card.input.size
    for name in ("openvino", "onnxruntime"):
        engine = RUNTIMES[name].engine(tmp_path / "model.onnx", model.reader, size, 0, 1)  # type: ignore[index]
        assert engine._batcher.most == 1
        model.take(engine, name)
        with ThreadPoolExecutor(8) as pool:
            for found in pool.map(lambda _: model.predict(picture()), range(32)):
                assert [one.tag for one in found] == [one.tag for one in expected]
                chances = [one.probability for one in expected]
                assert [one.probability for one in found] == pytest.approx(chances, abs=1e-4)
