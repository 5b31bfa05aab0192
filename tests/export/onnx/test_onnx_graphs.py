"""The steps from a network to its graph: cache, pixels, 16 bits, 8 bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from dahlia.errors import ExportError
from dahlia.export.onnx import precision
from dahlia.export.onnx.graph import (
    backbone_graph,
    first_steps,
    probability_graph,
    save_graph,
    take_pixels,
)
from dahlia.export.onnx.precision import to_float16, to_int8
from dahlia.export.port import Batch, Source
from dahlia.modeling.card import save_card
from dahlia.params import Channels

pytestmark = pytest.mark.slow


def ran(proto: onnx.ModelProto, pixels: Batch) -> Batch:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["model_output"], {"data": pixels})[0])


def graph_of(source: Source, channels: Channels, full: int = 255) -> onnx.ModelProto:
    proto = probability_graph(source)
    take_pixels(proto.graph, channels, full)
    return proto


@pytest.mark.parametrize("full", [255, 1])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_pixels_as_they_are_asked_for(
    source: Source, pixels: Batch, answers: Batch, channels: Channels, full: int
) -> None:
    given = pixels if channels == "RGB" else np.ascontiguousarray(pixels[:, ::-1])
    proto = graph_of(source, channels, full)
    np.testing.assert_allclose(ran(proto, given * np.float32(full / 255)), answers, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "full", "steps"),
    [
        ("RGB", 255, ["Sub", "Div"]),
        ("BGR", 255, ["Gather", "Sub", "Div"]),
        ("RGB", 1, ["Mul", "Sub", "Div"]),
        ("BGR", 1, ["Gather", "Mul", "Sub", "Div"]),
    ],
)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_first_steps(
    source: Source, channels: Channels, full: int, steps: list[str], smoothing: float
) -> None:
    graph = graph_of(smoothed(source, smoothing), channels, full).graph
    expected = [*steps, "Conv"] if smoothing else steps
    assert [step.op_type for step in first_steps(graph)] == expected


def smoothed(source: Source, smoothing: float) -> Source:
    update = {"smoothing": smoothing, "fingerprint": f"{int(smoothing * 10)}0" * 32}
    card = source.card.model_copy(update={"backbone": source.card.backbone.model_copy(update=update)})
    save_card(source.bundle, card)
    return replace(source, card=card)


def test_a_network_that_has_no_onnx_form(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def fail(*_: object, **__: object) -> None:
        raise torch.onnx.errors.UnsupportedOperatorError("aten::strange", 20, None)

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ExportError, match=r"test_resnet cannot be written as ONNX.*Choose another backbone"):
        backbone_graph(replace(source, cache=tmp_path / "graphs"))
    assert not (tmp_path / "graphs").exists()


def test_a_graph_that_the_checker_refuses(source: Source, tmp_path: Path) -> None:
    proto = probability_graph(source)
    proto.graph.node[-1].input[0] = "nowhere"
    with pytest.raises(ExportError, match="checker refuses"):
        save_graph(tmp_path / "model.onnx", proto)
    assert list(tmp_path.glob("*.onnx")) == []


def types(proto: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True).graph
    return {one.name: one.type.tensor_type.elem_type for one in (*inferred.value_info, *inferred.output)}


def test_what_stays_wide_in_float16(source: Source) -> None:
    proto = to_float16(graph_of(smoothed(source, 0.3), "BGR"))
    kinds, nodes = types(proto), proto.graph.node
    wide = [node.op_type for node in nodes if kinds.get(node.output[0]) == TensorProto.FLOAT]
    narrow = {node.op_type for node in nodes if kinds.get(node.output[0]) == TensorProto.FLOAT16}
    assert wide[:4] == ["Gather", "Sub", "Div", "Conv"]
    assert wide[-2:] == ["Gemm", "Softmax"]
    assert {"ReduceMean", "ReduceL2"} <= set(wide)
    assert {"Conv", "Relu"} <= narrow
    assert wide.count("Conv") == 1
    assert "Relu" not in wide


@pytest.mark.parametrize(
    ("values", "kept"),
    [([1.0, 2.0], False), ([1.0, 70000.0], True), ([1e-12], True), ([1e-12, 1.0], False), ([0.0], False)],
    ids=["plain", "overflows", "vanishes", "vanishes in part", "zero"],
)
def test_constants_that_16_bits_cannot_hold(values: list[float], kept: bool) -> None:
    constant = numpy_helper.from_array(np.array(values, np.float32), "constant")
    head = numpy_helper.from_array(np.ones(1, np.float32), "head.weight")
    nodes = [
        helper.make_node("Sub", ["data", "head.weight"], ["minus"], "sub"),
        helper.make_node("Relu", ["minus"], ["relu"], "relu"),
        helper.make_node("Mul", ["relu", "constant"], ["mul"], "mul"),
        helper.make_node("ReduceL2", ["mul"], ["model_output"], "length", keepdims=1),
    ]
    ends = [
        helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", len(values)]),
        helper.make_tensor_value_info("model_output", TensorProto.FLOAT, [1, 1]),
    ]
    graph = helper.make_graph(nodes, "one", ends[:1], ends[1:], [constant, head])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    half = to_float16(proto)
    (tensor,) = (one for one in half.graph.initializer if one.name == "constant")
    assert (tensor.data_type == TensorProto.FLOAT) == kept
    data = np.full((1, len(values)), 1.5, np.float32)
    np.testing.assert_allclose(ran(half, data), ran(proto, data), rtol=2e-3 if not kept else 1)
    assert {one.data_type for one in proto.graph.initializer} == {TensorProto.FLOAT}


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_what_stays_float32_in_int8(source: Source, smoothing: float) -> None:
    source = smoothed(source, smoothing)
    proto = probability_graph(source)
    before = proto.SerializeToString()
    quantised = to_int8(proto, source)
    assert proto.SerializeToString() == before
    kinds = {one.name: one.data_type for one in quantised.graph.initializer}
    convolutions = [node for node in quantised.graph.node if node.op_type == "Conv"]
    first = 2 if smoothing else 1
    assert all(kinds.get(node.input[1]) == TensorProto.FLOAT for node in convolutions[:first])
    assert not any(node.input[1] in kinds for node in convolutions[first:])
    assert [step.op_type for step in first_steps(quantised.graph)][:2] == ["Sub", "Div"]
    (gemm,) = (node for node in quantised.graph.node if node.op_type == "Gemm")
    assert kinds["head.weight"] == TensorProto.FLOAT
    assert "head.weight" in gemm.input


def test_weights_of_8_bits_use_seven_and_have_a_scale_per_channel(source: Source) -> None:
    graph = to_int8(probability_graph(source), source).graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    weights = {
        name: values for name, values in constants.items() if values.dtype == np.int8 and values.ndim == 4
    }
    assert weights
    for name, values in weights.items():
        assert np.abs(values.astype(int)).max() <= 64
        (node,) = (one for one in graph.node if one.input and one.input[0] == name)
        assert constants[node.input[1]].shape == (len(values),)


@pytest.mark.parametrize("count", [1, 8, 9])
def test_any_number_of_photos_tells_ranges(source: Source, pixels: Batch, count: int) -> None:
    few = replace(source, photos=lambda: source.photos()[:count])
    quantised = to_int8(probability_graph(source), few)
    assert np.isfinite(ran(quantised, pixels)).all()


def test_ranges_are_told_once_for_a_graph_and_its_photos(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    ranges = precision.map_ranges

    def count(*given: Any) -> Any:
        told.append(given[2])
        return ranges(*given)

    monkeypatch.setattr(precision, "map_ranges", count)
    monkeypatch.setattr(precision, "_known", {})
    proto = probability_graph(source)
    first, second = (to_int8(proto, source).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert told == [36]
    to_int8(proto, replace(source, photos=lambda: source.photos()[:4]))
    assert told == [36, 4]
