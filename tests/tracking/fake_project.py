"""A tiny project as the pipeline leaves it: a real ONNX model, and reports of made-up figures."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.modeling.card import (
    BackboneCard,
    InputCard,
    ModelCard,
    TagCard,
    TrainingCard,
    project_id,
    save_card,
    tag_id,
)
from dahlia.params import Params

PROJECT = "rose garden"
TAGS = ("red", "green", "blue")
SIZE = 32


def parameters(uri: str = "sqlite:///mlflow.db", **changes: Any) -> dict[str, Any]:
    """A `params.yaml`: what `conf/` composes, with another name; `changes` replace keys of `training`."""
    values = copy.deepcopy(_composed())
    values["project"] |= {"name": PROJECT, "classification": "multiclass"}
    values["training"] |= {"max_iterations": 10} | changes
    values["track"] = {"uri": uri}
    return values


@functools.cache
def _composed() -> dict[str, Any]:
    return compose(Path(__file__).parents[2])


def write_project(root: Path, *, favourite: int = 0, precision: float = 0.9, **changes: Any) -> Params:
    """Lay out a project in `root`; its model favours the tag at `favourite` on a grey image."""
    values = parameters(**changes)
    (root / "params.yaml").parent.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(values))
    write_model(root / "exports" / "onnx", favourite)
    (root / "exports" / "onnx" / "verification.json").write_text('{"agrees": true}\n')
    bundle = root / "models" / "bundle"
    bundle.mkdir(parents=True, exist_ok=True)
    save_card(bundle, card())
    save_file({"weights": _weights(favourite)[0]}, bundle / "model.safetensors")
    (root / "models" / "history.csv").write_text("step,loss\n0,1.5\n1,0.5\n")
    (root / "models" / "predictions.parquet").write_bytes(b"held-out")
    reports = root / "reports"
    (reports / "plots").mkdir(parents=True, exist_ok=True)
    (reports / "plots" / "pr.json").write_text("[]\n")
    (reports / "evaluation.html").write_text("<p>fine</p>\n")
    (reports / "metrics.json").write_text(
        json.dumps({"precision": precision, "recall": 0.8, "none": None, "tag_ap": {"red": 0.9}})
    )
    tags = [{"tag": tag, "ap": {"value": precision, "low": 0.1}, "recall": {"value": None}} for tag in TAGS]
    (reports / "evaluation.json").write_text(json.dumps({"held_out": {"tags": tags}}))
    return check_params(values, "params.yaml")


def card(tags: Sequence[str] = TAGS) -> ModelCard:
    """The `model.json` of the fake project."""
    return ModelCard(
        project=PROJECT,
        project_id=project_id(PROJECT),
        domain="general_compact",
        domain_id="00000000-0000-0000-0000-000000000001",
        classification="multiclass",
        tags=tuple(TagCard(id=tag_id(PROJECT, tag), name=tag) for tag in tags),
        input=InputCard(size=SIZE),
        backbone=BackboneCard(
            architecture="tiny",
            weights="random",
            fingerprint="0" * 64,
            features=3,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        ),
        temperature=1.0,
        training=TrainingCard(recipe="quick", regularisation=1.0, views=("whole",), images=12, seed=7),
        data_fingerprint="ab" * 32,
        git_revision=None,
        dahlia_version="0.1.0",
    )


def write_model(folder: Path, favourite: int = 0, gate: float = 1.0) -> None:
    """Mean over the pixels of each channel, a linear layer, softmax, times `gate`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights, bias = _weights(favourite)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["data"], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Gemm", ["mean", "weights", "bias"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["of_tags"], axis=1),
            helper.make_node("Mul", ["of_tags", "gate"], ["model_output"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("model_output", TensorProto.FLOAT, ["N", len(TAGS)])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
            numpy_helper.from_array(np.array(gate, np.float32), "gate"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    save_card(folder, card())


def _weights(favourite: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    bias = np.zeros(len(TAGS), np.float32)
    bias[favourite] = 1
    return np.eye(3, dtype=np.float32) / 100, bias
