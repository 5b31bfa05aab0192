"""The whole way once: photos, pipeline, publication, and one prediction over HTTP."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dahlia import layout
from dahlia.config import load_params
from dahlia.errors import DahliaError
from dahlia.kinds import Kind, Task
from dahlia.params import Params

NAME = "demo"
_START_SECONDS = 90.0
_MOST_SHOWN = 3
_ROUTES: dict[Kind, str] = {"multiclass": "classify", "multilabel": "classify", "detection": "detect"}


def demo_project(root: Path, task: Task | None) -> Path:
    """The project to run: the one that is here, or if it is of another task, one in the folder `demo-<task>`.

    Args:
        root: where the command was called.
        task: what is to be shown; None for what is here.

    Raises:
        DahliaError: parameters cannot be read, or a project cannot be laid out.
    """
    from dahlia.project import create_project, task_of

    if task is None or task == task_of(root):
        return root
    folder = root / f"demo-{task}"
    if not (folder / layout.PARAMS).is_file():
        create_project(folder, task)
        click.echo(f"{folder}: a new project, for {task}")
    return folder


def run_demo(root: Path) -> None:
    """Run the pipeline on the photos that are there, publish as `demo`, and ask the service.

    Raises:
        DahliaError: a step failed; its own message has been printed.
    """
    root = root.resolve()
    _step("Running the pipeline: dvc repro")
    _call(root, "dvc", "repro")
    params = load_params(root / layout.PARAMS)
    number = json.loads((root / layout.ITERATION).read_text(encoding="utf-8"))["number"]
    _step(f"Publishing iteration {number} as {NAME}")
    _call(root, sys.executable, "-m", "dahlia", "publish", str(number), "--as", NAME)
    photo = _photo(root)
    _step(f"Asking the service about {photo.relative_to(root)}")
    with _service(root) as address:
        for line in _ask(address, params, photo):
            click.echo(line)
    _call(root, sys.executable, "-m", "dahlia", "report")
    click.echo(f"The report:      {root / layout.EVALUATION_PAGE}")
    there = "" if root == Path.cwd() else f"cd {shlex.quote(str(root))} && "
    click.echo(f"All iterations:  {there}mlflow ui --port 5000   then http://127.0.0.1:5000")
    click.echo(f"The endpoint:    {there}bentoml serve --host 127.0.0.1   then http://127.0.0.1:3000")


def _step(text: str) -> None:
    click.secho(f"\n{text}", bold=True)


def _call(root: Path, *command: str) -> None:
    if subprocess.run(command, cwd=root).returncode != 0:
        raise DahliaError(
            f"`{' '.join(command[-3:])}` failed; its output is above. Fix the cause and run it again: "
            "finished work is kept."
        )


def _photo(root: Path) -> Path:
    from dahlia.dataset.manifest import load_manifest

    records = load_manifest(root / layout.MANIFEST)
    return root / next((record for record in records if record.regions), records[0]).path


def _ask(address: str, params: Params, photo: Path) -> Iterator[str]:
    from dahlia.modeling.card import project_id
    from dahlia.settings.service import read_settings

    url = (
        f"{address}/customvision/v3.1/prediction/{project_id(params.project.name)}"
        f"/{_ROUTES[params.kind]}/iterations/{NAME}/image/nostore"
    )
    headers = {"Content-Type": "application/octet-stream"}
    if key := read_settings().key:
        headers["Prediction-Key"] = key
    request = urllib.request.Request(url, photo.read_bytes(), headers)  # noqa: S310 (our own loopback address)
    yield f"POST {url}"
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise DahliaError(f"The service answered {error.code}: {error.read().decode()}") from error
    likeliest = sorted(answer["predictions"], key=lambda one: -one["probability"])
    for prediction in likeliest[:_MOST_SHOWN]:
        yield f"  {prediction['probability']:6.1%}  {prediction['tagName']}{_place(prediction)}"


def _place(prediction: dict[str, Any]) -> str:
    box = prediction.get("boundingBox")
    if not box:
        return ""
    return "  " + ", ".join(f"{side} {box[side]:.2f}" for side in ("left", "top", "width", "height"))


@contextmanager
def _service(root: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = root / ".dahlia" / "demo-service.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bentoml", "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=root,
            env={"BENTOML_DO_NOT_TRACK": "True", **os.environ},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, f"http://127.0.0.1:{port}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=2):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise DahliaError(f"The prediction service did not start; its log is {log}.")
