"""A detector as the pipeline leaves it: a real graph, whose boxes follow from the colour of the photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import fake_project
import numpy as np
import onnx
from fake_project import TAGS, write_project
from onnx import TensorProto, helper, numpy_helper

from dahlia.export.onnx.detector import complete
from dahlia.export.onnx.detector_graph import PLACES, SCORES
from dahlia.modeling.card import DetectorCard, InputCard, ModelCard, save_card
from dahlia.params import Params

Output = Literal["grid", "boxes"]
SIZE = 64
STRIDES = (16, 32)  # 2 x 2 cells of five places
# Left, top, width, height of the places in `ROWS`, and the score of a tag where its colour is full.
FOUND = (
    ((0.05, 0.05, 0.4, 0.4), "red", 0.9),
    ((0.06, 0.05, 0.4, 0.4), "red", 0.7),  # the same object once more: suppressed
    ((0.1, 0.3, 0.2, 0.1), "red", 0.4),
    ((0.3, 0.02, 0.15, 0.3), "green", 0.8),
    ((0.6, 0.2, 0.25, 0.5), "blue", 0.6),
)
ROWS = (0, 1, 2, 3, 5)  # four of the first cell, one of that to the right of it
ALWAYS = 0.02  # score of each of these whatever the colour
GIVEN = ("red", "red", "green", "blue")  # the tags of boxes after suppression


def card(output: Output = "grid") -> ModelCard:
    """The `model.json` of the fake detector."""
    return fake_project.card().model_copy(
        update={
            "domain": "General (compact)" if output == "grid" else "General (compact) [S1]",
            "classification": "detection",
            "input": InputCard(size=SIZE),
            "channels": "BGR" if output == "grid" else "RGB",
            "detector": DetectorCard(strides=STRIDES, output=output, overlap=0.45, least=0.01, most=64),
        }
    )


def write_model(folder: Path, output: Output = "grid") -> None:
    """The mean of each colour, times what is in `FOUND`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = card(output)
    proto = helper.make_model(_graph(made), opset_imports=[helper.make_opsetid("", 20)])
    complete(proto, made)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, folder / "model.onnx")
    save_card(folder, made)


def write_detector_project(root: Path, output: Output = "grid", **given: Any) -> Params:
    """The fake project with this detector as its model."""
    params = write_project(root, **given)
    write_model(root / "exports" / "onnx", output)
    save_card(root / "models" / "bundle", card(output))
    return params


def _graph(made: ModelCard) -> onnx.GraphProto:
    count = sum((SIZE // stride) ** 2 for stride in STRIDES)
    cells = np.repeat(np.arange(4), 5)
    places = np.stack([0.25 + 0.5 * (cells % 2), 0.25 + 0.5 * (cells // 2), *np.full((2, count), 0.1)], 1)
    scale, shift = np.zeros((count, 3, len(TAGS))), np.zeros((count, len(TAGS)))
    for row, (place, tag, score) in zip(ROWS, FOUND, strict=True):
        column = TAGS.index(tag)
        places[row] = place
        scale[row, column if made.channels == "RGB" else 2 - column, column] = (score - ALWAYS) / 255
        shift[row, column] = ALWAYS
    constants = {
        "corner": places[None],
        "scale": scale.transpose(1, 0, 2).reshape(3, -1),
        "shift": shift.reshape(-1),
    }
    nodes = [
        helper.make_node("ReduceMean", ["data", "axes"], ["mean"], keepdims=0),
        helper.make_node("Gemm", ["mean", "scale", "shift"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], [SCORES]),
        helper.make_node("Identity", ["corner"], [PLACES]),
    ]
    return helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [],
        [
            numpy_helper.from_array(np.array([2, 3]), "axes"),
            numpy_helper.from_array(np.array([1, count, len(TAGS)]), "shape"),
            *(numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()),
        ],
    )
