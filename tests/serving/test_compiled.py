"""Graphs in OpenVINO: the bits of one photo, of several, and of one that takes all cores."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fake_detector
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from serving_helpers import picture

from dahlia.modeling.card import load_card
from dahlia.serving.models.compiled import Compiled
from dahlia.serving.models.engine import MOST_TOGETHER
from dahlia.serving.models.readers import OUTPUT
from dahlia.serving.models.runtime import load_model
from dahlia.serving.models.runtimes import RUNTIMES
from dahlia.serving.models.sessions import Sessions


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
