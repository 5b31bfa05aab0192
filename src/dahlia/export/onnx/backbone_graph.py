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
from dahlia.files import staged_file
from dahlia.imports import quick_imports
from dahlia.modeling.card import ModelCard

INPUT = "data"
FEATURES = "features"


def backbone_graph(bundle: Path, card: ModelCard, opset: int, cache: Path) -> Path:
    """The graph of the bundle's backbone: `data` float32 (N, 3, size, size) to `features` (N, D).

    Args:
        bundle: read only where the cache has no graph yet.
        card: of the bundle.
        opset: ONNX operator set.
        cache: folder of graphs, by fingerprint.

    Raises:
        ExportError: an operation of the backbone has no ONNX form.
    """
    path = cache / f"{card.backbone.fingerprint[:16]}-{card.input.size}-opset{opset}.onnx"
    if not path.exists():
        with staged_file(path) as staged:
            staged.write_bytes(_convert(bundle, card, opset))
    return path


def _convert(bundle: Path, card: ModelCard, opset: int) -> bytes:
    with quick_imports():
        import torch

        from dahlia.modeling.bundle import load_bundle

    model, _ = load_bundle(bundle)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Deprecations inside the exporter are its authors' to mend.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model.backbone,
                (torch.zeros(2, 3, card.input.size, card.input.size),),
                dynamo=True,
                opset_version=opset,
                input_names=[INPUT],
                output_names=[FEATURES],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(
            f"{card.backbone.architecture} cannot be written as ONNX: {error}. Choose another backbone in "
            "conf/domain."
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
