"""An exported model, run as its user does: onnxruntime, OpenCV, and what the files say."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import onnxruntime


def probabilities_of(model: bytes, labels: Sequence[str], photo: bytes) -> dict[str, float]:
    """What `model.onnx` says of a photo.

    Args:
        model: the file.
        labels: of `labels.txt`.
        photo: an image file.
    """
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (data,) = session.get_inputs()
    about = session.get_modelmeta().custom_metadata_map
    pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    if about["Image.BitmapPixelFormat"] != "Bgr8":
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    pixels = cv2.resize(pixels, tuple(data.shape[:1:-1]), interpolation=cv2.INTER_AREA).astype(np.float32)
    if about["Image.NominalPixelRange"] != "NominalRange_0_255":
        pixels /= 255
    outputs = dict(
        zip(
            [one.name for one in session.get_outputs()],
            session.run(None, {data.name: pixels.transpose(2, 0, 1)[None]}),
            strict=True,
        )
    )
    scores = {str(tag): float(value) for tag, value in outputs["loss"][0].items()}
    assert set(scores) == set(labels)
    return scores
