"""Export: an artifact with its proof."""

from __future__ import annotations

from pathlib import Path

from dahlia import layout
from dahlia.dataset.manifest import load_manifest
from dahlia.params import Params


def run(params: Params, root: Path, name: str) -> None:
    """Write `exports/<name>/`.

    Args:
        params: reads `export` and `domain.exports`.
        root: the project folder.
        name: of the format; `onnx` is what the service runs, whatever the domain is.

    Raises:
        ExportError: there is no such format, the domain does not have it, it cannot be written, or it
            computes something else than the trained model.
    """
    from dahlia.export.artifacts import export_inputs, require_allowed, write_export
    from dahlia.export.formats import by_name
    from dahlia.export.packing import SERVED

    form = by_name(name)
    inputs = export_inputs(root / layout.BUNDLE, load_manifest(root / layout.MANIFEST), root)
    if name != SERVED:
        require_allowed(form, inputs.source.card, params.domain.exports)
    proof = write_export(form, root / layout.EXPORTS / name, inputs, params.export)
    print(f"export: {proof.sentence(form)}")
