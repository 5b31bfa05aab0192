"""Services as users run them, for the tests that ask them: projects, Bentos, their processes and metrics."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import fake_project
import psutil
from fake_project import write_project
from prometheus_client.parser import text_string_to_metric_families
from serving_helpers import picture

from dahlia.modeling.card import project_id
from dahlia.tracking.record import record
from dahlia.tracking.registry import Registry

CHECKOUT = Path(__file__).parents[2]
SERVICE = "dahlia.serving.service:PredictionService"
KEY = "a-Secret"

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True)
class Bento:
    """A built Bento, in a store of its own."""

    tag: str
    home: Path

    @property
    def folder(self) -> Path:
        return self.home / "bentos" / self.tag.replace(":", "/")


@dataclass(frozen=True)
class Service:
    """A running service of two processes, which serves two projects."""

    base: str
    pid: int
    home: Path
    registry: Registry
    other: str

    @property
    def log(self) -> str:
        return (self.registry.root / "serve.log").read_text()


def make_project(
    root: Path, names: Mapping[str, int], *, iterations: int = 1, called: str = fake_project.PROJECT
) -> Registry:
    """A project, and the checkout's bentofile; its iteration N favours tag N - 1."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(CHECKOUT / "bentofile.yaml", root)
    with mock.patch.object(fake_project, "PROJECT", called):
        for favourite in range(iterations):
            params = write_project(root, favourite=favourite)
            record(root, params)
    registry = Registry.of(root, params)
    for name, number in names.items():
        registry.publish(number, name)
    return registry


def build_bento(project: Path, home: Path) -> Bento:
    """`bentoml build` in a project folder."""
    environment = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    built = subprocess.run(
        [str(Path(sys.executable).parent / "bentoml"), "build", "-o", "tag"],
        cwd=project,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Bento(built.stdout.strip().removeprefix("__tag__:"), home)


def workers(server: int) -> list[int]:
    """The processes of a service that answer requests."""
    found = []
    for process in psutil.Process(server).children():
        try:
            if "_bentoml_impl.worker.service" in process.cmdline():
                found.append(process.pid)
        except psutil.Error:  # it has just died
            continue
    return found


def connections_of(worker: int) -> set[int]:
    """The clients' ports that a process is connected to."""
    open_ones = psutil.Process(worker).net_connections("tcp")
    return {one.raddr.port for one in open_ones if one.raddr and one.status == psutil.CONN_ESTABLISHED}


@contextmanager
def one_to_each_worker(service: Service) -> Iterator[dict[int, http.client.HTTPConnection]]:
    """Connections that stay, one to each process; one that has just been started may take a minute."""
    found: dict[int, http.client.HTTPConnection] = {}
    deadline = time.monotonic() + 90
    with ExitStack() as stack:
        while len(found) < 2 and time.monotonic() < deadline:
            for waiting in found.values():  # the service ends a connection that is idle for five seconds
                ask(waiting, "GET", "/livez")
            connection = connect(service.base)
            stack.callback(connection.close)
            ask(connection, "GET", "/livez")
            port = connection.sock.getsockname()[1]
            owners = [worker for worker in workers(service.pid) if port in connections_of(worker)]
            if owners and owners[0] not in found:
                found[owners[0]] = connection
            else:
                connection.close()
                time.sleep(0.01)
        assert len(found) == 2
        yield found


def connect(base: str) -> http.client.HTTPConnection:
    """A connection of one's own."""
    return http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    """Status and JSON."""
    connection.request(method, path, body, {"Content-Type": "application/octet-stream"} if body else {})
    response = connection.getresponse()
    content = response.read()
    return response.status, json.loads(content) if content.startswith(b"{") else None


def predict(connection: http.client.HTTPConnection, path: str) -> tuple[int, Any]:
    """Ask for a prediction of a grey picture."""
    return ask(connection, "POST", path, picture())


def post_file(address: str, content: bytes, *, key: str = "any", **fields: str) -> Any:
    """Send a file and texts as a form; gives JSON."""
    texts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    )
    head = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    body = texts.encode() + head.encode() + content + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Prediction-Key": key}
    with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=30) as response:
        return json.load(response)


def metrics(base: str) -> Samples:
    """The samples at `/metrics`, by name and labels."""
    with urllib.request.urlopen(f"{base}/metrics", timeout=30) as response:
        text = response.read().decode()
    families = text_string_to_metric_families(text)
    return {
        (one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples
    }


def total(samples: Samples, metric: str, **labels: str) -> float:
    """The sum of the samples that have these labels, and perhaps others."""
    wanted = set(labels.items())
    return sum(value for (name, found), value in samples.items() if name == metric and wanted <= found)


def until(holds: Callable[[], bool], what: Sequence[Any] = ()) -> None:
    """Wait, at most 30 seconds."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def said_by_script(
    script: Sequence[str], base: str, address: str, folder: Path, **environment: str
) -> list[dict[str, Any]]:
    """Let a program of a client's language ask about a red photo and the one at an address.

    Returns:
        what it printed, an object in each line.
    """
    question = {
        "endpoint": base,
        "project": project_id(fake_project.PROJECT),
        "name": "Iteration 1",
        "photo": base64.b64encode(picture((250, 0, 0))).decode(),
        "url": address,
        "key": KEY,
    }
    done = subprocess.run(
        [*script, json.dumps(question)],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
