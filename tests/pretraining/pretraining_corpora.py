"""Small corpora, drawn by chance."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def photo(seed: int, size: tuple[int, int] = (40, 30), kind: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1] // 5, size[0] // 5, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(buffer, kind)
    return buffer.getvalue()


def folder_corpus(target: Path, classes: int = 3, each: int = 8) -> Path:
    for label in range(classes):
        folder = target / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(each):
            (folder / f"{number}.jpg").write_bytes(photo(100 * label + number))
    return target


def zip_corpus(target: Path, names: dict[str, bytes]) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return target
