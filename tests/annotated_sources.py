"""Sources of photos with annotation files, as people keep them."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image

from dahlia.dataset.readers.reading import Reading
from dahlia.dataset.records import Annotation

SIZE = (40, 20)


def photo(size: tuple[int, int] = SIZE) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 90, 160)).save(buffer, "PNG")
    return buffer.getvalue()


def lay(root: Path, files: dict[str, object]) -> Path:
    """Write files: text and bytes as they are, None as a photo, anything else as JSON."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = photo() if content is None else content
        if not isinstance(data, (str, bytes)):
            data = json.dumps(data)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def only(reading: Reading) -> Annotation:
    (annotation,) = reading.annotations
    return annotation


def splits(reading: Reading) -> dict[str, str | None]:
    """The photos by name, each with its split."""
    return {one.path.relative_to(reading.root).as_posix(): one.split for one in reading.annotations}


def codes(reading: Reading) -> list[str]:
    return [note.code for note in reading.notes]
