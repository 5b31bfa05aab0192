"""What a training leaves in the storage, by the names under which others read it."""

from __future__ import annotations

from dahlia.server.storage.names import iteration_prefix

BUNDLE = "bundle"  # the trained model
SERVABLE = "servable"  # model.onnx and its card, with the server's ids
PREDICTIONS = "predictions.parquet"  # of held-out photos
EVALUATION = "evaluation.json"
PAGE = "evaluation.html"
VALIDATION = "validation.json"
VALIDATION_PAGE = "validation.html"
PROOF = ".verification.json"  # beside the zip of an export, in place of `.zip`


def artifact_key(iteration: str, name: str) -> str:
    """The key of a file, or the prefix of a folder, of an iteration."""
    return f"{iteration_prefix(iteration)}/{name}"


def proof_key(export: str) -> str:
    """The key of the proof of an export, by that of its zip."""
    return export.removesuffix(".zip") + PROOF
