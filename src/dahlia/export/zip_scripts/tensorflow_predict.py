"""Finds objects in a photo: `python python/predict.py photo.jpg [SCORE]`, in the unpacked folder.

Reads `model.pb`, `saved_model.pb` or `model.tflite`, whichever is there. Needs tensorflow,
opencv-python-headless and numpy; for `model.tflite`, ai-edge-litert will do instead of tensorflow. Prints a
line for each object of at least SCORE (0.3): its tag, its score, and left, top, width and height in fractions
of the photo.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dahlia.export.zip_scripts.object_detection import Reader, asked, read_photo

FOLDER = Path(__file__).resolve().parents[1]
OUTPUTS = (("model_outputs",), ("detected_boxes", "detected_classes", "detected_scores"))


def run_frozen(data: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """`model.pb`."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef.FromString((FOLDER / "model.pb").read_bytes())
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    taken = wrapped.graph.get_tensor_by_name("Placeholder:0")
    given = [wrapped.graph.get_tensor_by_name(f"{name}:0") for name in names]
    return dict(zip(names, wrapped.prune(taken, given)(tf.constant(data)), strict=True))


def run_saved(data: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """`saved_model.pb`."""
    import tensorflow as tf

    model = tf.saved_model.load(str(FOLDER)).signatures["serving_default"]
    answers = model(tf.constant(data))
    return {name: answers[name] for name in names}


def run_lite(data: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """`model.tflite`."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow.lite.python.interpreter import Interpreter

    runner = Interpreter(str(FOLDER / "model.tflite")).get_signature_runner()
    (taken,) = runner.get_input_details()
    answers = runner(**{taken: data})
    return {name: answers[name] for name in names}


RUN = {"model.pb": run_frozen, "saved_model.pb": run_saved, "model.tflite": run_lite}


def main(photo: str, least: float) -> None:
    """Print what is found."""
    reader = Reader(FOLDER)
    run = next(run for name, run in RUN.items() if (FOLDER / name).exists())
    names = OUTPUTS[0 if len(reader.anchors) else 1]
    data = reader.batch(read_photo(photo, reader.size), channels_last=True)
    for found in reader.find(run(data, names)):
        if found.score >= least:
            print(found.tag, *(f"{number:.4f}" for number in found[1:]))


if __name__ == "__main__":
    main(*asked(sys.argv))
