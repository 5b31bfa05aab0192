"""Export: the artefacts that the domain asks for, each with its proof."""

from __future__ import annotations

from pathlib import Path

from dahlia import layout
from dahlia.dataset.manifest import load_manifest
from dahlia.params import Params


def run(params: Params, root: Path) -> None:
    """Write `exports/<format>/` for every format of the domain.

    Args:
        params: reads `export` and `domain.exports`.
        root: the project folder.

    Raises:
        ExportError: an artefact cannot be written, or computes something else than the trained model.
    """
    from dahlia.export.artefacts import export_onnx

    records = load_manifest(root / layout.MANIFEST)
    for name in params.domain.exports:
        comparison = export_onnx(
            root / layout.EXPORTS / name, root / layout.BUNDLE, records, root, params.export
        )
        print(
            f"export: {name}, {comparison.images} images, largest difference {comparison.largest:.1e} "
            f"(limit {params.export.max_difference:g}), top tag agrees on {comparison.agreement:.0%}"
        )
