"""Exports, each proven before it appears."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dahlia.config import ExportParams
from dahlia.dataset.records import ImageRecord
from dahlia.errors import VerificationError
from dahlia.export.onnx import FILE_NAME, INPUT, OUTPUT, write_onnx
from dahlia.export.verify import Batch, Comparison, Run, compare, evidence, latency, require, sample
from dahlia.files import staged_directory, write_json
from dahlia.modeling.card import ModelCard, save_card

if TYPE_CHECKING:
    from dahlia.modeling.classifier import Classifier

LABELS = "labels.txt"
PROOF = "verification.json"


def export_onnx(
    folder: Path,
    model: Classifier,
    card: ModelCard,
    records: Sequence[ImageRecord],
    root: Path,
    params: ExportParams,
) -> Comparison:
    """Write `model.onnx`, `model.json`, `labels.txt` and `verification.json`, or nothing.

    Raises:
        ExportError: the graph cannot be written.
        VerificationError: it computes something else than the trained model.
    """
    with staged_directory(folder) as staged:
        path = staged / FILE_NAME
        write_onnx(path, model, card, params.opset)
        # One tag per line, no newline at the end: readers of Custom Vision's exports expect it so.
        (staged / LABELS).write_text("\n".join(tag.name for tag in card.tags), encoding="utf-8")
        save_card(staged, card)
        artefact = onnx_runner(path)
        comparison = compare(
            torch_runner(model), artefact, sample(records, params.verification_images), root, card.input.size
        )
        require(comparison, params.max_difference, "ONNX")
        proof = evidence(
            comparison,
            params.max_difference,
            bytes=path.stat().st_size,
            milliseconds_per_image=round(latency(artefact, card.input.size), 2),
            versions=_versions(),
        )
        write_json(staged / PROOF, proof)
    return comparison


def onnx_runner(path: Path) -> Run:
    """Run the file on disk in ONNX Runtime on the CPU.

    Raises:
        VerificationError: the runtime cannot load it; and, when it is called, cannot run it.
    """
    import onnxruntime

    version = f"ONNX Runtime {onnxruntime.__version__}"
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except _runtime_errors() as error:
        raise VerificationError(
            f"{version} cannot load {path.name}: {error}. Lower `export.opset`."
        ) from error

    def run(pixels: Batch) -> Batch:
        try:
            return np.asarray(session.run([OUTPUT], {INPUT: pixels})[0], np.float32)
        except _runtime_errors() as error:
            raise VerificationError(
                f"{version} cannot run {path.name}: {error}. Lower `export.opset`."
            ) from error

    return run


def torch_runner(model: Classifier) -> Run:
    """Run the trained module itself."""
    import torch

    def run(pixels: Batch) -> Batch:
        with torch.inference_mode():
            parts = [model(torch.from_numpy(part)) for part in np.array_split(pixels, -(-len(pixels) // 16))]
            return torch.cat(parts).numpy()

    return run


def _runtime_errors() -> tuple[type[Exception], ...]:
    # They share no base of their own; one per status code. Names that are not known are a ValueError.
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        ValueError,
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoSuchFile,
        state.NotImplemented,
        state.RuntimeException,
    )


def _versions() -> dict[str, str]:
    import onnxruntime
    import torch

    return {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__}
