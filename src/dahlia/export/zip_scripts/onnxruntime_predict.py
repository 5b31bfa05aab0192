"""Finds objects in a photo: `python python/onnxruntime_predict.py photo.jpg [SCORE]`, in the unpacked folder.

Needs onnxruntime, opencv-python-headless and numpy. Prints a line for each object of at least SCORE (0.3):
its tag, its score, and left, top, width and height in fractions of the photo.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnxruntime

from dahlia.export.zip_scripts.object_detection import Reader, asked, read_photo

FOLDER = Path(__file__).resolve().parents[1]


def main(photo: str, least: float) -> None:
    """Print what is found."""
    reader = Reader(FOLDER)
    session = onnxruntime.InferenceSession(FOLDER / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    data = reader.batch(read_photo(photo, reader.size))
    values = session.run(names, {session.get_inputs()[0].name: data})
    for found in reader.find(dict(zip(names, values, strict=True))):
        if found.score >= least:
            print(found.tag, *(f"{number:.4f}" for number in found[1:]))


if __name__ == "__main__":
    main(*asked(sys.argv))
