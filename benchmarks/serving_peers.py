"""What the service is compared with: servers that people would write, and BentoML with nothing to do.

The plain one is written in both usual ways. The tuned one is what an afternoon of measuring makes of it:
JPEGs are decoded by libjpeg-turbo, to fewer pixels where that leaves twice as many as are needed, and each
thread computes for itself, as many at once as there are cores.

uvicorn --workers 2 serving_peers:app      MODEL names the graph
bentoml serve serving_peers:Empty
"""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path
from typing import Any

import bentoml
import cv2
import numpy as np
import onnxruntime
import simplejpeg
from fastapi import FastAPI, UploadFile

app = FastAPI()


@functools.cache
def session() -> Any:
    return onnxruntime.InferenceSession(os.environ["MODEL"], providers=["CPUExecutionProvider"])


@functools.cache
def tuned_session() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    cv2.setNumThreads(1)
    return onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])


AT_ONCE = threading.Semaphore(os.cpu_count() or 1)


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, Any]:
    return answer(await file.read())


@app.post("/predict_in_thread")
def predict_in_thread(file: UploadFile) -> dict[str, Any]:
    return answer(file.file.read())


@app.post("/predict_tuned")
def predict_tuned(file: UploadFile) -> dict[str, Any]:
    with AT_ONCE:
        batch = prepared_fast(file.file.read(), "RGB")
        return listed(tuned_session().run(["model_output"], {"data": batch})[0][0])


@app.post("/detect_tuned")
def detect_tuned(file: UploadFile) -> dict[str, Any]:
    with AT_ONCE:
        batch = prepared_fast(file.file.read(), "BGR")
        return found_in(tuned_session().run(["model_outputs0"], {"data": batch})[0][0])


@app.post("/detect")
async def detect(file: UploadFile) -> dict[str, Any]:
    return boxes(await file.read())


@app.post("/detect_in_thread")
def detect_in_thread(file: UploadFile) -> dict[str, Any]:
    return boxes(file.file.read())


def answer(data: bytes) -> dict[str, Any]:
    batch = prepared(data, cv2.COLOR_BGR2RGB)
    return listed(session().run(["model_output"], {"data": batch})[0][0])


def listed(probabilities: Any) -> dict[str, Any]:
    return {"predictions": [{"tag": tag, "probability": float(p)} for tag, p in enumerate(probabilities)]}


def prepared(data: bytes, turn: int | None = None) -> Any:
    image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    size = session().get_inputs()[0].shape[-1]
    image = cv2.resize(image if turn is None else cv2.cvtColor(image, turn), (size, size))
    return image.astype(np.float32).transpose(2, 0, 1)[np.newaxis]


def prepared_fast(data: bytes, colours: str) -> Any:
    size = tuned_session().get_inputs()[0].shape[-1]
    image = simplejpeg.decode_jpeg(data, colours, min_width=2 * size, min_height=2 * size)
    return cv2.resize(image, (size, size)).transpose(2, 0, 1)[np.newaxis].astype(np.float32)


ANCHORS = np.array([(0.573, 0.677), (1.87, 2.06), (3.34, 5.47), (7.88, 3.53), (9.77, 9.17)])


def boxes(data: bytes) -> dict[str, Any]:
    return found_in(session().run(["model_outputs0"], {"data": prepared(data)})[0][0])


def found_in(grid: Any) -> dict[str, Any]:
    cells = grid.shape[-1]
    places = grid.reshape(len(ANCHORS), -1, cells, cells).transpose(2, 3, 0, 1)
    corners = np.stack(np.meshgrid(np.arange(cells), np.arange(cells)), -1)[:, :, None]
    centres = (1 / (1 + np.exp(-places[..., :2])) + corners) / cells
    edges = np.exp(places[..., 2:4]) * ANCHORS / cells
    shares = np.exp(places[..., 5:])
    scores = shares / shares.sum(-1, keepdims=True) / (1 + np.exp(-places[..., 4:5]))
    found = np.concatenate([centres - edges / 2, edges], -1).reshape(-1, 4)
    scores = scores.reshape(len(found), -1)
    best, score = scores.argmax(1), scores.max(1)
    kept = cv2.dnn.NMSBoxesBatched(found.tolist(), score.tolist(), best.tolist(), 0.01, 0.45)
    return {
        "predictions": [
            {"tag": int(best[one]), "probability": float(score[one]), "box": found[one].tolist()}
            for one in kept
        ]
    }


@bentoml.service(name="empty", workers=2)
class Empty:
    """Takes a file."""

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    async def predict(self, file: Path) -> int:
        """Its length in bytes."""
        return len(file.read_bytes())
