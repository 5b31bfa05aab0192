"""The files of TensorFlow.js: what they hold, read as its loader reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dahlia.errors import ExportError
from dahlia.export.port import Source
from dahlia.export.tensorflow.graph import ImageGraph, frozen_graph
from dahlia.export.tfjs import port
from dahlia.export.tfjs.graph_model import write_graph_model
from small_projects import SIZE


@pytest.fixture
def graph(source: Source) -> ImageGraph:
    return frozen_graph(source, "BGR")


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_the_model_is_the_documented_one(folder: Path, source: Source) -> None:
    port.write(folder, source, "float32")
    assert sorted(part.name for part in folder.iterdir()) == ["model.json", "weights.bin"]
    model = read(folder)
    assert model["format"] == "graph-model"
    assert model["convertedBy"] == f"Dahlia {source.card.dahlia_version}"
    (given,), (answer,) = model["signature"]["inputs"].items(), model["signature"]["outputs"].items()
    assert given[0] == "Placeholder"
    assert [dim["size"] for dim in given[1]["tensorShape"]["dim"]] == ["-1", str(SIZE), str(SIZE), "3"]
    assert answer[0] == "model_outputs"
    assert [dim["size"] for dim in answer[1]["tensorShape"]["dim"]] == ["-1", "3"]
    about = model["userDefinedMetadata"]
    assert about["labels"] == ["blue", "green", "red"]
    assert about["Image.BitmapPixelFormat"] == "Bgr8"
    assert {"loss", "Placeholder", "model_outputs"} <= {
        node["name"] for node in model["modelTopology"]["node"]
    }


def test_the_weights_are_those_of_the_graph(tmp_path: Path, source: Source, graph: ImageGraph) -> None:
    import tensorflow as tf

    write_graph_model(tmp_path, graph, source.card)
    (group,) = read(tmp_path)["weightsManifest"]
    assert group["paths"] == ["weights.bin"]
    content = (tmp_path / "weights.bin").read_bytes()
    held = {node.name: node for node in graph.definition.node if node.op == "Const"}
    assert [spec["name"] for spec in group["weights"]] == list(held)
    for spec in group["weights"]:
        size = int(np.prod(spec["shape"])) * 4
        found = np.frombuffer(content[:size], np.dtype(spec["dtype"])).reshape(spec["shape"])
        np.testing.assert_array_equal(found, tf.make_ndarray(held[spec["name"]].attr["value"].tensor))
        content = content[size:]
    assert content == b""


def test_constants_hold_no_numbers_twice(tmp_path: Path, source: Source, graph: ImageGraph) -> None:
    before = graph.definition.SerializeToString(deterministic=True)
    write_graph_model(tmp_path, graph, source.card)
    assert graph.definition.SerializeToString(deterministic=True) == before
    for node in read(tmp_path)["modelTopology"]["node"]:
        if node["op"] == "Const":
            assert set(node["attr"]["value"]["tensor"]) == {"dtype", "tensorShape"}


def test_the_same_model_gives_the_same_files(tmp_path: Path, source: Source, graph: ImageGraph) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_graph_model(tmp_path / name, graph, source.card)
    for name in ("model.json", "weights.bin"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def unknown_operation(definition: Any) -> None:
    next(node for node in definition.node if node.op == "Relu").op = "Betainc"


def text_constant(definition: Any) -> None:
    import tensorflow as tf

    node = next(node for node in definition.node if node.op == "Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(["text"]))


@pytest.mark.parametrize(
    ("fault", "message"),
    [(unknown_operation, "no operation Betainc"), (text_constant, "no numbers of object")],
)
def test_what_it_does_not_know_is_refused(
    folder: Path, source: Source, graph: ImageGraph, fault: Callable[[Any], None], message: str
) -> None:
    fault(graph.definition)
    with pytest.raises(ExportError, match=message):
        write_graph_model(folder, graph, source.card)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([1.5, 2]), "float32"),
        (np.array([1, -2]), "int32"),
        (np.array(3), "int32"),
        (np.array([True, False]), "bool"),
    ],
)
def test_numbers_are_narrowed(tmp_path: Path, source: Source, array: Any, kind: str) -> None:
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef()
    node = definition.node.add(name="constant", op="Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))
    write_graph_model(tmp_path, ImageGraph(definition, SIZE), source.card)
    ((spec,),) = [group["weights"] for group in read(tmp_path)["weightsManifest"]]
    assert spec == {"name": "constant", "shape": list(array.shape), "dtype": kind}
    found = np.frombuffer((tmp_path / "weights.bin").read_bytes(), kind).reshape(array.shape)
    np.testing.assert_array_equal(found, array)
