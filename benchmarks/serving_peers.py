"""What the service is compared with: the server that most people would write, and BentoML with nothing to do.

uvicorn --workers 2 serving_peers:app      MODEL names the graph
bentoml serve serving_peers:Empty
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import bentoml
import cv2
import numpy as np
import onnxruntime
from fastapi import FastAPI, UploadFile

app = FastAPI()


@functools.cache
def session() -> Any:
    return onnxruntime.InferenceSession(os.environ["MODEL"], providers=["CPUExecutionProvider"])


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, Any]:
    return answer(await file.read())


@app.post("/predict_in_thread")
def predict_in_thread(file: UploadFile) -> dict[str, Any]:
    return answer(file.file.read())


def answer(data: bytes) -> dict[str, Any]:
    image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    size = session().get_inputs()[0].shape[-1]
    image = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), (size, size))
    batch = image.astype(np.float32).transpose(2, 0, 1)[np.newaxis]
    probabilities = session().run(["model_output"], {"data": batch})[0][0]
    return {"predictions": [{"tag": tag, "probability": float(p)} for tag, p in enumerate(probabilities)]}


@bentoml.service(name="empty", workers=2)
class Empty:
    """Takes a file."""

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    async def predict(self, file: Path) -> int:
        """Its length in bytes."""
        return len(file.read_bytes())
