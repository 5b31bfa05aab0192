"""`dahlia serve`: the application behind uvicorn, and the workers beside it, which start and end with it.

The server has half of the memory for decoding images, for uploads and predictions; its workers share the
rest, for trainings.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from dahlia.dataset.decoding_memory import MEMORY, PATIENCE, allowed_memory
from dahlia.errors import ConfigError, DahliaError
from dahlia.http.connections import Connections, most_files
from dahlia.http.guard import guarded
from dahlia.http.handshake import with_tls
from dahlia.http.origins import Origins
from dahlia.processes import end
from dahlia.server.backup.automatic import Backups
from dahlia.server.cleaning.cleaning import Cleaning
from dahlia.server.context import open_server
from dahlia.server.database.checkpoints import Checkpoints
from dahlia.server.disk import SpaceWatch
from dahlia.server.jobs.job import Lane
from dahlia.server.jobs.leases import WatchThread, release
from dahlia.server.jobs.order import lanes_of
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import create_first_keys
from dahlia.server.keys.sign_in import create_link, link_line
from dahlia.server.pairing import PairingWatch
from dahlia.server.storage.backend import StorageError
from dahlia.server.tls import Certificate, certificate_of

if TYPE_CHECKING:
    import asyncio
    from typing import Protocol

    from dahlia.server.context import Server
    from dahlia.settings.server import Settings

    class _Background(Protocol):
        def start(self) -> None: ...

        def stop(self) -> None: ...


_GRACE_SECONDS = 10
_BACKLOG = 1024
_LOOK_SECONDS = 0.2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_STEADY_SECONDS = 60.0  # a worker that lived so long starts again at once
_END_SECONDS = 15.0
_logger = logging.getLogger("dahlia.server")


def serve(settings: Settings, config: Path | None) -> None:
    """Serve until a signal ends it.

    Args:
        settings: what to serve with.
        config: the file that they came from, for the workers.

    Raises:
        DahliaError: the certificate cannot be used, the address is taken, or the database cannot be used.
    """
    import uvicorn

    from dahlia.server.app import create_app

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    limit_server(settings)
    certificate = certificate_of(settings.server)
    listening = _listen(settings.server.host, settings.server.port)
    try:
        server = open_server(settings)
        server.signing.load()
    except DahliaError:
        listening.close()
        raise
    _try_storage(server)
    _say_keys(server, listening.getsockname()[1])
    app = create_app(server)
    gc.freeze()  # modules, models of the API and routes stay: a collection amid requests need not visit them
    options = uvicorn.Config(
        app,
        http=_protocol(settings, certificate),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    host, port = listening.getsockname()[:2]
    background: list[_Background] = [
        Cleaning(server),
        PairingWatch(server),
        SpaceWatch(server.space, server.database.reserve),
        Backups(server, config),
        Checkpoints(server.database),
        WatchThread(server),  # workers elsewhere may all be gone, and then nobody else watches
    ]
    if certificate:
        background.append(certificate)
    for task in background:
        task.start()
    # uvicorn, when it has ended, raises its signal again: workers are ended after that.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        with Workers(server, config) as workers:
            where = f"{'https' if certificate else 'http'}://{_spelled(host)}:{port}"
            click.echo(f"Dahlia is running at {where} ({_counted(workers.lanes)}). Press Ctrl-C to stop.")
            uvicorn.Server(options).run(sockets=[listening])
    finally:
        for task in background:
            task.stop()
        server.database.close()


class Workers:
    """Keeps the processes of `dahlia worker` alive that `jobs.workers` and `jobs.long_workers` ask for.

    A worker reads its standard input, which closes when this process ends, however it ends: then it ends too.

    Args:
        server: whose jobs they do.
        config: the file of its settings; None where there is none.

    Attributes:
        lanes: which jobs each of them takes.
    """

    def __init__(self, server: Server, config: Path | None) -> None:
        self.lanes = lanes_of(server.settings.jobs)
        self._server = server
        self._command = [sys.executable, "-m", "dahlia", "worker", "--attached"]
        if config:
            self._command += ["--config", str(config)]
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Start them."""
        for number, lane in enumerate(self.lanes):
            thread = threading.Thread(target=self._keep, args=(lane,), name=f"worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them; what they were doing goes back to the queue."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, lane: Lane) -> None:
        pause = _FIRST_PAUSE
        while not self._ended.is_set():
            began = time.monotonic()
            ending = self._run(lane)
            if self._ended.is_set():
                return
            pause = (
                _FIRST_PAUSE if time.monotonic() - began > _STEADY_SECONDS else min(2 * pause, _LONGEST_PAUSE)
            )
            _logger.warning("%s; another starts in %.0f s.", ending, pause)
            self._ended.wait(pause)

    def _run(self, lane: Lane) -> str:
        """Run a worker to its end, or to that of the server; how it ended."""
        try:
            process = subprocess.Popen(
                [*self._command, "--lane", lane], stdin=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:  # no memory, or no process or open file more
            return f"A worker could not be started ({error.strerror})"
        while process.poll() is None and not self._ended.wait(_LOOK_SECONDS):
            pass
        if self._ended.is_set():
            _end(process)
        else:
            self._release(process.pid)
        return f"A worker ended with {process.returncode}"

    def _release(self, pid: int) -> None:
        try:
            release(self._server.database, pid)
        except DahliaError as error:
            _logger.warning("Its jobs are taken over when their lease ends. %s", error)


def limit_server(settings: Settings) -> None:
    """Bound this process, which answers requests: who waits too long is asked to come again."""
    total = allowed_memory(settings.limits.decode_memory_mb)
    MEMORY.limit(total // 2 if lanes_of(settings.jobs) else total, PATIENCE)


def _protocol(settings: Settings, certificate: Certificate | None) -> type[asyncio.Protocol]:
    connections = Connections(settings.server.connection_limits, most_files())
    guard = guarded("auto", connections, Origins.read(settings.security.pages))
    return with_tls(guard, certificate) if certificate else guard


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"The server cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}. Choose another "
            "with DAHLIA_SERVER_PORT (0 for any that is free), or end what listens there."
        ) from error
    listening.listen(_BACKLOG)
    return listening


def _try_storage(server: Server) -> None:
    try:
        server.storage.check()
    except StorageError as error:
        _logger.error("What needs the storage will be refused until it can be used. %s", error)


def _say_keys(server: Server, port: int) -> None:
    with server.database.write() as session:
        made = create_first_keys(session, server.now())
        token = create_link(session, server.now()) if made else ""
        if made:
            record(session, server, None, "create_first_keys", None)
        # Before they are kept: a kill in between costs an unused line, and not the keys.
        for scope, text in made.items():
            click.echo(f"{scope.capitalize() + ' key:':16}{text}")
    if made:
        click.echo("Save these keys now; they are not shown again. `dahlia keys` manages keys.")
        click.echo(link_line(server.settings.server, token, port))


def _spelled(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _counted(lanes: Sequence[Lane]) -> str:
    told = [
        f"{count} worker{'s' if count > 1 else ''} for {lane} jobs" for lane, count in Counter(lanes).items()
    ]
    return " and ".join(told) or "no worker here"


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    end(process, _END_SECONDS)
