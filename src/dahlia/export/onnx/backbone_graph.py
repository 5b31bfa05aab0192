"""The backbone as an ONNX graph, made once per weights, size and opset.

Quick trainings change only the head, so an export of a retrained model takes its backbone from here and
imports no torch.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx

from dahlia.errors import ExportError
from dahlia.export.source import Source
from dahlia.files import staged_file
from dahlia.imports import quick_imports

OPSET = 20  # ONNX Runtime 1.17 and later
INPUT = "data"
FEATURES = "features"


def backbone_graph(source: Source) -> onnx.ModelProto:
    """The graph of the backbone: `data` float32 (N, 3, size, size) RGB to `features` (N, D).

    Raises:
        ExportError: an operation of the backbone has no ONNX form, or the graph that was kept is damaged.
        TrainingError: the bundle is not whole; it is read only where no graph was kept.
    """
    card = source.card
    kept = source.cache / f"{card.backbone.fingerprint[:16]}-{card.input.size}-opset{OPSET}.onnx"
    if not kept.exists():
        with staged_file(kept) as staged:
            staged.write_bytes(_convert(source))
    return _load(kept)


def _load(kept: Path) -> onnx.ModelProto:
    try:
        onnx.checker.check_model(kept)
    except onnx.checker.ValidationError as error:
        raise ExportError(
            f"The graph {kept} is damaged ({error}). Delete the file (it is only a cache), then run again."
        ) from error
    return onnx.load(kept)


def _convert(source: Source) -> bytes:
    model = source.module()
    with quick_imports():
        import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    size, architecture = source.card.input.size, source.card.backbone.architecture
    try:
        with warnings.catch_warnings():
            # Deprecations inside the exporter are its authors' to fix.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model.backbone,
                (torch.zeros(2, 3, size, size),),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[FEATURES],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(
            f"{architecture} cannot be written as ONNX: {error}. Choose another backbone in conf/domain."
        ) from error
    if program is None:
        raise ExportError("The ONNX exporter returned nothing, expected a program. Run the stage again.")
    proto = program.model_proto
    _forget_where(proto.graph)
    return bytes(proto.SerializeToString())


def _forget_where(graph: onnx.GraphProto) -> None:
    # The exporter notes a stack trace beside every node, with the paths of this machine.
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
