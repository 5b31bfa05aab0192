"""The ONNX graph of a backbone, or of its first stages: converted once per weights, size and opset, and kept.

Features are computed with it, and every export starts from it: whichever comes first converts, and what comes
later needs no torch.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from glob import escape
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dahlia.errors import ExportError
from dahlia.files import sha256_of, staged_file
from dahlia.imports import quick_imports

if TYPE_CHECKING:
    import onnx

OPSET = 20  # ONNX Runtime 1.17 and later
INPUT = "data"
FEATURES = "features"
BATCH = "batch"
_DIGITS = 16  # of SHA-256, in the names of files


class Convertible(Protocol):
    """A module of torch, on the CPU, that knows whose it is."""

    @property
    def architecture(self) -> str:
        """Its name in timm."""


def kept_graph(
    folder: Path,
    fingerprint: str,
    size: int,
    network: Callable[[], Convertible],
    outputs: Sequence[str] = (FEATURES,),
    *,
    maps: Mapping[str, Sequence[int]] | None = None,
    optimise: bool = True,
) -> Path:
    """The file of a graph: `data` float32 (N, 3, size, size) RGB, 0 to 255, to `features` (N, D) or a map.

    Its name ends with its digest. A file that does not fit its own is removed, and made again.

    Args:
        folder: where graphs are kept; made where it is missing.
        fingerprint: of the network, and of what it answers.
        size: input edge in pixels.
        network: gives the network, on the CPU; called only where no graph was kept.
        outputs: names of what it answers.
        maps: where it takes maps in place of `data`: names, and shapes without N. It is called with a list.
        optimise: whether constants are folded and operations joined; without it the weights keep the names
            that they have in torch.

    Raises:
        ExportError: an operation of the backbone has no ONNX form.
        DahliaError: the file cannot be written.
    """
    name = f"{fingerprint[:_DIGITS]}-{size}-opset{OPSET}"
    for kept in sorted(folder.glob(f"{escape(name)}-*.onnx")):
        if kept.stem == f"{name}-{sha256_of(kept)[:_DIGITS]}":
            return kept
        kept.unlink(missing_ok=True)
    return _keep(folder, name, _convert(network(), size, outputs, maps, optimise))


def _keep(folder: Path, name: str, graph: bytes) -> Path:
    path = folder / f"{name}-{sha256(graph).hexdigest()[:_DIGITS]}.onnx"
    with staged_file(path) as staged:
        staged.write_bytes(graph)
    return path


def _convert(
    network: Any,
    size: int,
    outputs: Sequence[str],
    maps: Mapping[str, Sequence[int]] | None,
    optimise: bool,
) -> bytes:
    with quick_imports():
        import torch

    batch = {0: torch.export.Dim(BATCH)}
    given: Any = torch.zeros(2, 3, size, size)
    varying: Any = batch
    if maps is not None:
        given = [torch.zeros(2, *shape) for shape in maps.values()]
        varying = [batch] * len(maps)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Deprecations inside the exporter are its authors' to fix.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                (given,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT] if maps is None else list(maps),
                output_names=list(outputs),
                dynamic_shapes=(varying,),
                optimize=optimise,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(
            f"{network.architecture} cannot be written as ONNX: {error}. Choose another backbone in "
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
