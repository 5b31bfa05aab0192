"""The graph of a published model in 8 bits, by the photos that travel with it.

    python -m dahlia.export.onnx.served_int8 FOLDER FILE OUTPUT [OUTPUT ...]

writes it to FILE. It is a process of its own: the service has no `onnx`, and should not hold what this takes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import onnx

from dahlia.dataset.imaging import Pixels, decode
from dahlia.dataset.proof_photos import load_photos
from dahlia.errors import DahliaError, ExportError
from dahlia.export.onnx.detector_graph import FINDING
from dahlia.export.onnx.graph import BGR, FILE_NAME, PIXEL_FORMAT
from dahlia.export.onnx.precision import to_int8
from dahlia.export.port import Source
from dahlia.files import staged_file
from dahlia.modeling.card import load_card
from dahlia.processor import adds_products

_MOST_VALUES = 64 * 224 * 224  # pixels of all photos together: enough for the ranges of a network's maps
_LEAST_PHOTOS = 16


def served_int8(folder: Path, outputs: Sequence[str]) -> onnx.ModelProto:
    """Quantise `model.onnx` for this processor; see `to_int8`. Of a detector, what finds boxes stays float32.

    Args:
        folder: has `model.onnx`, `model.json` and `photos.zip`.
        outputs: names of those that the result has.

    Raises:
        DahliaError: the folder is damaged, or has no photos.
    """
    card = load_card(folder)
    size = card.input.size
    whole = onnx.load(folder / FILE_NAME)
    if missing := set(outputs) - {one.name for one in whole.graph.output}:
        raise ExportError(
            f"Expected {folder / FILE_NAME} to give {', '.join(sorted(missing))}, received a graph without. "
            "Record the iteration again."
        )
    is_turned = any(entry.key == PIXEL_FORMAT and entry.value == BGR for entry in whole.metadata_props)

    def photos() -> list[Pixels]:
        kept = load_photos(folder, size)
        count = max(_LEAST_PHOTOS, _MOST_VALUES // size**2)
        taken = [decode(one.jpeg) for one in kept[:: max(1, len(kept) // count)][:count]]
        return [one[..., ::-1] for one in taken] if is_turned else taken

    (given,) = whole.graph.input
    proto = onnx.utils.Extractor(whole).extract_model([given.name], list(outputs))
    source = Source(folder, card, folder, photos)
    return to_int8(proto, source, _behind(proto.graph, FINDING), everywhere=not adds_products())


def _behind(graph: onnx.GraphProto, beginning: str) -> list[str]:
    """The nodes whose names begin so, and all that follow from them."""
    reached: set[str] = set()
    names = []
    for node in graph.node:
        if node.name.startswith(beginning) or reached.intersection(node.input):
            reached.update(node.output)
            names.append(node.name)
    return names


def main(folder: str, file: str, *outputs: str) -> int:
    """Write the file."""
    try:
        with staged_file(Path(file)) as staged:
            staged.write_bytes(served_int8(Path(folder), outputs).SerializeToString())
    except DahliaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
