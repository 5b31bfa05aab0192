"""Exports, each proven before it appears."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dahlia import layout
from dahlia.dataset.records import ImageRecord
from dahlia.errors import VerificationError
from dahlia.export.onnx import FILE_NAME, INPUT, OUTPUT, write_onnx
from dahlia.export.verify import Batch, Comparison, Run, compare, evidence, latency, require
from dahlia.files import staged_directory, write_json
from dahlia.modeling.card import load_card, save_card
from dahlia.modeling.reference import load_reference
from dahlia.params import ExportParams

LABELS = "labels.txt"
PROOF = "verification.json"


def export_onnx(
    folder: Path, bundle: Path, records: Sequence[ImageRecord], root: Path, params: ExportParams
) -> Comparison:
    """Write `model.onnx`, `model.json`, `labels.txt` and `verification.json`, or nothing.

    Args:
        folder: the target; replaced whole.
        bundle: the trained model.
        records: the manifest, to find the photos that the trained model was asked about.
        root: the project folder.
        params: opset, number of photos, and the largest difference that is allowed.

    Raises:
        ExportError: the graph cannot be written.
        VerificationError: it computes something else than the trained model.
    """
    card = load_card(bundle)
    reference = load_reference(bundle).first(params.verification_images)
    with staged_directory(folder) as staged:
        path = staged / FILE_NAME
        write_onnx(path, bundle, card, params.opset, layout.home(root) / layout.GRAPH_CACHE)
        # One tag per line, no newline at the end: readers of Custom Vision's exports expect it so.
        (staged / LABELS).write_text("\n".join(tag.name for tag in card.tags), encoding="utf-8")
        save_card(staged, card)
        artefact = onnx_runner(path)
        paths = {record.id: record.path for record in records}
        comparison = compare(reference, artefact, paths, root, card.input.size)
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
    from importlib.metadata import version

    return {name: version(name) for name in ("dahlia", "torch", "onnx", "onnxruntime")}
