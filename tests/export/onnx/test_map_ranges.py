"""The ranges that quantisation takes: exact shares of the numbers of each map, on all photos."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dahlia.export.onnx.ranges import map_ranges
from dahlia.export.port import Batch

SIZE = 8


def proto_of(clip: bool) -> onnx.ModelProto:
    """`data` times 2, clipped at 1 where asked for, plus 1."""
    middle = helper.make_node("Clip", ["twice", "none", "one"], ["clipped"], "clip")
    nodes = [
        helper.make_node("Mul", ["data", "two"], ["twice"], "double"),
        *([middle] if clip else []),
        helper.make_node("Add", ["clipped" if clip else "twice", "one"], ["sum"], "add"),
    ]
    constants = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in (("one", 1), ("two", 2), ("none", -100))
    ]
    shape = [1, 3, SIZE, SIZE]
    given, answered = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("data", "sum")
    )
    graph = helper.make_graph(nodes, "sums", [given], [answered], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def photos(count: int) -> list[Batch]:
    random = np.random.default_rng(3)
    return [random.normal(size=(1, 3, SIZE, SIZE)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("cut", [0.0, 0.001, 0.02])
@pytest.mark.parametrize("count", [1, 7])
def test_a_share_of_the_numbers_is_cut_at_either_end(cut: float, count: int) -> None:
    given = photos(count)
    found = map_ranges(proto_of(clip=False), given, count, ["Mul", "Add"], cut)
    assert set(found) == {"data", "twice", "sum"}
    numbers = np.sort(np.concatenate(given).ravel())
    left_out = int(cut * len(numbers))
    for name, change in (("data", lambda x: x), ("twice", lambda x: 2 * x), ("sum", lambda x: 2 * x + 1)):
        low, high = found[name]
        assert low == pytest.approx(change(numbers[left_out]), abs=1e-6)
        assert high == pytest.approx(change(numbers[-1 - left_out]), abs=1e-6)


def test_what_is_clipped_has_the_range_that_is_left() -> None:
    found = map_ranges(proto_of(clip=True), photos(2), 2, ["Mul", "Clip", "Add"], 0.0)
    assert found["twice"] == found["clipped"]
    assert found["clipped"][1] == 1
    apart = map_ranges(proto_of(clip=True), photos(2), 2, ["Mul", "Add"], 0.0)
    assert apart["twice"][1] > 1


def test_maps_that_are_all_alike() -> None:
    given = [np.full((1, 3, SIZE, SIZE), 0.5, np.float32)] * 3
    assert map_ranges(proto_of(clip=False), given, 3, ["Mul"], 1e-5) == {"data": (0.5, 0.5), "twice": (1, 1)}
