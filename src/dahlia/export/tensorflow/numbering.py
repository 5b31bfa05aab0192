"""The functions of a SavedModel, numbered by the file alone.

TensorFlow numbers them by how many its process has made before, so that the same graph would give a file that
differs from process to process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

# `__inference_serve_42` and the mark `PartitionedCall-42` of a call.
_NUMBERED = re.compile(r"^(__inference_\w+_|PartitionedCall-|StatefulPartitionedCall-)(\d+)$")


def number_anew(path: Path) -> None:
    """Rewrite `saved_model.pb` with its functions numbered from 0 on, in the order of their numbers."""
    saved: Any = import_module("tensorflow.core.protobuf.saved_model_pb2").SavedModel
    model = saved.FromString(path.read_bytes())
    names = _names(model)
    for meta in model.meta_graphs:
        _rename_library(meta.graph_def, names)
        _rename_objects(meta.object_graph_def, names)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _names(model: Any) -> dict[str, str]:
    """The new name of each that has a number."""
    found = set()
    for meta in model.meta_graphs:
        found |= {function.signature.name for function in meta.graph_def.library.function}
        for node in _nodes(meta.graph_def):
            found |= {value.func.name for value in node.attr.values()}
            found |= {_text(value) for value in node.attr.values()}
    matches = [match for match in map(_NUMBERED.match, found) if match]
    numbers = sorted({int(match[2]) for match in matches})
    return {match[0]: f"{match[1]}{numbers.index(int(match[2]))}" for match in matches}


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _text(value: Any) -> str:
    return str(value.s.decode(errors="replace")) if len(value.s) < 200 else ""


def _rename_library(graph: Any, names: dict[str, str]) -> None:
    for function in graph.library.function:
        function.signature.name = names.get(function.signature.name, function.signature.name)
    graph.library.function.sort(key=lambda function: function.signature.name)
    for node in _nodes(graph):
        for value in node.attr.values():
            if value.func.name in names:
                value.func.name = names[value.func.name]
            elif (text := _text(value)) in names:
                value.s = names[text].encode()


def _rename_objects(objects: Any, names: dict[str, str]) -> None:
    for former in [name for name in objects.concrete_functions if name in names]:
        objects.concrete_functions[names[former]].CopyFrom(objects.concrete_functions[former])
        del objects.concrete_functions[former]
    for node in objects.nodes:
        kept = [names.get(name, name) for name in node.function.concrete_functions]
        if kept:
            del node.function.concrete_functions[:]
            node.function.concrete_functions.extend(kept)
        bare = node.bare_concrete_function
        if bare.concrete_function_name in names:
            bare.concrete_function_name = names[bare.concrete_function_name]
