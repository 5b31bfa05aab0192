"""Photos and zip files that the portal's tests give to a page, and how they get there."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page

_LISTED = 0x02014B50  # begins an entry of a zip file's directory
_SIZE_OFFSET = 24  # in an entry, of the size that a file has when it is unpacked


def noise(seed: int, size: int = 48, quality: int = 80) -> bytes:
    """A JPEG that differs from that of any other seed; one of 420 pixels has about 150 KB."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def write_photos(folder: Path, seeds: Iterable[int], size: int = 48) -> list[Path]:
    """Write a photo for each seed; its name is the seed's."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in seeds:
        paths.append(folder / f"{seed:04d}.jpg")
        paths[-1].write_bytes(noise(seed, size))
    return paths


def write_zip(path: Path, files: Mapping[str, bytes], promised: Mapping[str, int] | None = None) -> Path:
    """Write a zip file.

    Args:
        path: where to.
        files: contents by their paths in it, which may be hostile.
        promised: sizes that its directory claims of files, where they are not the true ones.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    data = bytearray(path.read_bytes())
    for place, name in enumerate(files):
        if promised and name in promised:
            start = _entries(data)[place]
            data[start + _SIZE_OFFSET : start + _SIZE_OFFSET + 4] = struct.pack("<I", promised[name])
    path.write_bytes(data)
    return path


def _entries(data: bytes) -> list[int]:
    mark, found = struct.pack("<I", _LISTED), [-1]
    while (at := data.find(mark, found[-1] + 1)) >= 0:
        found.append(at)
    return found[1:]


def drop(page: Page, paths: Sequence[Path], x: int = 300, y: int = 60) -> None:
    """Drop files and folders as a file manager does, at a place of the page."""
    session = page.context.new_cdp_session(page)
    data: dict[str, Any] = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
    session.detach()


def paste(page: Page, content: bytes, kind: str = "image/jpeg") -> None:
    """Paste a photo, named as browsers name what is on the clipboard."""
    page.evaluate(
        """([bytes, type]) => {
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([new Uint8Array(bytes)], "image.png", { type }));
          document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }""",
        [list(content), kind],
    )
