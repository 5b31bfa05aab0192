"""Finds objects in a photo: `python python/predict.py photo.jpg [SCORE]`, in the unpacked folder.

Needs openvino, opencv-python-headless and numpy. Prints a line for each object of at least SCORE (0.3): its
tag, its score, and left, top, width and height in fractions of the photo.
"""

from __future__ import annotations

import sys
from pathlib import Path

import openvino

from dahlia.export.zip_scripts.object_detection import Reader, asked, read_photo

FOLDER = Path(__file__).resolve().parents[1]
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}  # places in 16 bits are a quarter of a pixel off


def main(photo: str, least: float) -> None:
    """Print what is found."""
    reader = Reader(FOLDER)
    model = openvino.Core().compile_model(FOLDER / "model.xml", "CPU", EXACT)
    answers = model([reader.batch(read_photo(photo, reader.size))])
    for found in reader.find({output.get_any_name(): answers[output] for output in model.outputs}):
        if found.score >= least:
            print(found.tag, *(f"{number:.4f}" for number in found[1:]))


if __name__ == "__main__":
    main(*asked(sys.argv))
