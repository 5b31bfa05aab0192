"""Exports of a small project to ONNX, as the stage and as downloads make them."""

from __future__ import annotations

from pathlib import Path

from dahlia import layout
from dahlia.export.artifacts import Proof, export_inputs, write_download, write_export
from dahlia.export.formats import by_name
from small_projects import SmallProject

ONNX = by_name("onnx")
ITERATION = "0f8fad5b-d9cb-469f-a165-70867728950e"


def export(project: SmallProject) -> Proof:
    inputs = export_inputs(project.root / layout.BUNDLE, project.records, project.root)
    return write_export(ONNX, target(project), inputs, project.params.export)


def download(project: SmallProject, path: Path) -> Proof:
    inputs = export_inputs(project.root / layout.BUNDLE, project.records, project.root)
    return write_download(ONNX, path, inputs, project.params.export, ITERATION)


def target(project: SmallProject) -> Path:
    return project.root / layout.EXPORTS / "onnx"
