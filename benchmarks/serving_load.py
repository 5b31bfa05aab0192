"""A prediction service, a photo for it, and requests at it: by `wrk`, or one alone."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dahlia.serving.choice.remembered import said_of
from serving_model import PROJECT_ID
from serving_processes import Running, bentoml_command, processes, running

HERE = Path(__file__).parent
SIZES = {"1260x900": (900, 1260), "640x480": (480, 640)}
PAUSE = 0.6  # seconds in which the server before answers what nobody waits for any more
SETTLING = 4.0  # seconds in which every process opens what was chosen
PATIENCE = 60  # seconds in which a refused request must be answered where one answer is needed


@dataclass(frozen=True)
class Target:
    """Something that answers."""

    name: str
    address: str
    field: str
    pid: int


def our_service(folder: Path, **environment: str) -> AbstractContextManager[Running]:
    """The prediction service of what is published in a folder, until the block ends."""
    return running(bentoml_command(), folder, environment)


def plain_command() -> list[str]:
    """What serves the plain server of `serving_peers.py`; `{port}` is to be replaced.

    uvicorn kills workers that do not answer it within some seconds, as on a busy machine all do.
    """
    patient = ["--timeout-worker-healthcheck", "60"]
    app = ["uvicorn", "serving_peers:app", "--workers", "2", "--no-access-log", *patient]
    return [sys.executable, "-m", *app, "--port", "{port}"]


def route(server: Running, name: str = "model1", task: str = "classify") -> str:
    """The address at which a model says what is in an image, and keeps nothing."""
    path = f"/customvision/v3.1/prediction/{PROJECT_ID}/{task}/iterations/{name}/image/nostore"
    return server.base + path


def wrk(target: Target, photo: Path, connections: int, seconds: float) -> dict[str, float]:
    """Requests per second, p50 and p99 in ms, CPU ms a request, and how many were refused.

    Raises:
        RuntimeError: a request failed in another way.
    """
    time.sleep(PAUSE)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    before = _cpu_seconds(target.pid)
    output = subprocess.run(
        [*command, "-s", str(HERE / "wrk.lua"), target.address],
        env=os.environ | {"FILE": str(photo), "FIELD": target.field},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    measured: dict[str, float] = json.loads(output.partition("RESULT ")[2])
    if measured["failed"]:
        raise RuntimeError(f"{target.name} failed {measured['failed']:.0f} requests:\n{output}")
    spent = _cpu_seconds(target.pid) - before
    answered = measured["rate"] * seconds
    return measured | {"cpu": 1000 * spent / answered if answered else math.nan}


def await_choice(target: Target, model: Path, photo: Path) -> str:
    """Let a service load a model, and wait until all its processes compute it with what is fastest here.

    Args:
        target: the service.
        model: the folder of what it serves.
        photo: to ask it about.

    Returns:
        What was chosen, for people.
    """
    wrk(target, photo, 8, 1)
    end = time.monotonic() + PATIENCE
    while (said := said_of(model)) is None and time.monotonic() < end:
        time.sleep(0.5)
    time.sleep(SETTLING)
    wrk(target, photo, 8, 1)
    return said or "nothing was chosen"


def require_wrk() -> None:
    """Say what is missing, if it is."""
    if shutil.which("wrk") is None:
        raise SystemExit("Expected wrk on the PATH, found none. Install it, for example: apt-get install wrk")


def _cpu_seconds(pid: int) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes(pid))


def ask(address: str, photo: Path) -> None:
    """Let one image be classified; a refusal is no answer yet."""
    request = urllib.request.Request(
        address, photo.read_bytes(), {"Content-Type": "application/octet-stream"}
    )
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE):
                return
        except urllib.error.HTTPError as refusal:
            if refusal.code not in (429, 503) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def draw(path: Path, height: int, width: int) -> Path:
    """A picture as hard to decode as a photo of its size: smooth shapes, edges, and the noise of a camera."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (height // 30, width // 30, 3), np.uint8)
    picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    for _ in range(60):
        corner, end = random.integers(0, (width, height), (2, 2))
        cv2.rectangle(picture, corner, end, random.integers(0, 256, 3).tolist(), 2)
    picture += random.normal(0, 2, picture.shape)
    cv2.imwrite(str(path), picture.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return path
