"""What the READMEs of detectors in this family say: the lines that find objects in a photo, and notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from dahlia.export.port import detector_of
from dahlia.export.tensorflow.graph import BOXES, CLASSES, INPUT, OUTPUT, SCORES
from dahlia.modeling.card import DetectorCard, ModelCard
from dahlia.modeling.detection.grid import ANCHORS, PLACE

Output = Literal["grid", "boxes"]
SHOWN = 0.3
"""The lowest score that the lines print."""

_PHOTO = """
from python.object_detection import Reader, read_photo

reader = Reader(".")
data = reader.batch(read_photo("photo.jpg", reader.size), channels_last=True)
"""
_FOUND = f"""
for found in reader.find(answers):
    if found.score >= {SHOWN}:
        print(*found)
"""
_FROZEN = (
    "import tensorflow as tf",
    f"""\
definition = tf.compat.v1.GraphDef()
definition.ParseFromString(open("model.pb", "rb").read())
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    tf.import_graph_def(definition, name="")
    answers = session.run({{name: name + ":0" for name in NAMES}}, {{"{INPUT}:0": data}})""",
)
_SAVED = (
    "import tensorflow as tf",
    f"""\
model = tf.saved_model.load(".")
answers = model.signatures["serving_default"]({INPUT}=tf.constant(data))""",
)
_LITE = (
    """\
try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tensorflow.lite.python.interpreter import Interpreter""",
    f"""\
model = Interpreter("model.tflite")
answers = model.get_signature_runner()({INPUT}=data)""",
)
_RUNNING = {"frozen": _FROZEN, "saved-model": _SAVED, "litert": _LITE}
_NAMES: dict[Output, str] = {
    "grid": f'["{OUTPUT}"]',
    "boxes": f'["{BOXES}", "{SCORES}", "{CLASSES}"]',
}


def detector_lines(card: ModelCard, file: Literal["frozen", "saved-model", "litert"]) -> str:
    """Python that prints what is in `photo.jpg`: tag, score, and left, top, width and height in fractions."""
    imports, run = _RUNNING[file]
    return f"{imports}\n{_PHOTO}{run.replace('NAMES', _NAMES[detector_of(card).output])}{_FOUND}"


def box_notes(card: ModelCard, classes: str = "int64") -> tuple[str, ...]:
    """The facts on input and outputs, one a line.

    Args:
        card: of the detector.
        classes: the type of the numbers of tags.
    """
    detector = detector_of(card)
    size, order = card.input.size, " ".join(card.channels)
    photos = "N" if detector.output == "grid" else "1"
    return (
        f"Input: float32 ({photos}, {size}, {size}, 3), 0 to 255, colours as {order}; scaling is inside.",
        *_OUTPUTS[detector.output](card, detector, classes),
    )


def _grid_notes(card: ModelCard, detector: DetectorCard, classes: str) -> tuple[str, ...]:
    del classes
    cells = card.input.size // max(detector.strides)
    channels = len(ANCHORS) * (PLACE + len(card.tags))
    return (
        f"Output `{OUTPUT}`: float32 (N, {cells}, {cells}, {channels}), the grid of YOLOv2 as Custom "
        f"Vision's compact detectors give it: {len(ANCHORS)} anchors of {PLACE} + {len(card.tags)} numbers: "
        "x, y, width, height, objectness and class logits. `python/object_detection.py` reads it.",
        "Overlapping boxes are left in it: of those of one tag that overlap by more than "
        f"{detector.overlap:g} (intersection over union) keep the best.",
    )


def _box_notes(card: ModelCard, detector: DetectorCard, classes: str) -> tuple[str, ...]:
    del card
    return (
        f"Output `{BOXES}`: float32 (n, 4): left, top, right and bottom edge, as fractions of the photo.",
        f"Output `{SCORES}`: float32 (n), the highest first, from {detector.least:g}.",
        f"Output `{CLASSES}`: {classes} (n), numbers of lines in `labels.txt`, from 0.",
        f"Of boxes of one tag that overlap by more than {detector.overlap:g} (intersection over union) the "
        f"best one is given, and at most {detector.most} of a photo. Nothing is left to be done.",
    )


_OUTPUTS: dict[Output, Callable[[ModelCard, DetectorCard, str], tuple[str, ...]]] = {
    "grid": _grid_notes,
    "boxes": _box_notes,
}
