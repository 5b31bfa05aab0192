"""`kill -9` of the server and of its worker, while clients upload, tag, train, publish and predict.

`DAHLIA_KILLS=100` kills a hundred times, `DAHLIA_KILLS_SEED=2` at other moments,
`DAHLIA_KILLS_DATABASE=postgresql` servers on PostgreSQL.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from postgres_server import running_postgres
from reliability_actors import Actor, Curator
from reliability_audit import audit_images, audit_iterations, audit_jobs, audit_sqlite
from reliability_client import Client
from reliability_publishing import Publisher, Visitor
from reliability_server import Supervised, end, eventually
from reliability_training import Trainer

from dahlia.server.context import open_server
from dahlia.settings.server import load_settings

KILLS = int(os.environ.get("DAHLIA_KILLS", "8"))
SEED = int(os.environ.get("DAHLIA_KILLS_SEED", "1"))
DATABASE = os.environ.get("DAHLIA_KILLS_DATABASE", "sqlite")
LEASE = "4"  # seconds; who is killed again and again sees no longer one run out
CLEANING = {
    "DAHLIA_CLEANING_EVERY_SECONDS": "0.5",
    "DAHLIA_CLEANING_SEARCH_HOURS": "0.0005",
    "DAHLIA_CLEANING_DELETED_HOURS": "0",
    "DAHLIA_CLEANING_SETTLING_MINUTES": "0.2",
}
LAST_BREATH = 30.0  # seconds in which what a killed server had started is gone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400 + 30 * KILLS)]


class Killer:
    """Kills by chance, and starts again as a supervisor does."""

    def __init__(self, server: Supervised) -> None:
        self.server = server
        self.kills: Counter[str] = Counter()
        self.slowest = 0.0
        self._random = np.random.default_rng(SEED)
        self._buried: list[tuple[float, int]] = []

    def cut_starts(self) -> None:
        """Kill the first start, while it makes its database and its keys, and the second."""
        for _ in range(2):
            self.server.start()
            time.sleep(self._random.uniform(0.3, 1.5))
            self._kill("server, starting")
        self._again()

    def kill(self, trainer: Trainer) -> None:
        """Wait for a moment, of the clock or of the training, and kill."""
        match self._random.choice(["soon", "later", "training"], p=[0.5, 0.2, 0.3]):
            case "soon":
                time.sleep(self._random.uniform(0.05, 1.5))
            case "later":
                time.sleep(self._random.uniform(2, 5))
            case _:
                share, until = self._random.uniform(0, 1.05), time.monotonic() + 6
                while trainer.share() < share and time.monotonic() < until:
                    time.sleep(0.02)
        match self._random.choice(["server", "worker", "both", "starting"], p=[0.4, 0.35, 0.15, 0.1]):
            case "worker" if self.server.kill_worker():
                self.kills["worker"] += 1
                return
            case "both" if self.server.kill_worker():
                self._kill("server and worker")
            case "starting":
                self._kill("server")
                self.server.start()
                time.sleep(self._random.uniform(0, 1.5))
                self._kill("server, starting")
            case _:
                self._kill("server")
        self._again()

    def check_nothing_is_left(self) -> None:
        """See that what killed servers had started has ended by itself."""
        buried = [start for moment, start in self._buried if time.monotonic() - moment > LAST_BREATH]
        assert not buried or not self.server.processes(max(buried))

    def _kill(self, what: str) -> None:
        self.server.kill()
        self.kills[what] += 1
        self._buried.append((time.monotonic(), self.server.starts))

    def _again(self) -> None:
        self.server.start()
        self.slowest = max(self.slowest, self.server.wait_until_ready())


class Cast:
    """The clients."""

    def __init__(self, server: Supervised) -> None:
        clients = [Client(server.base, server.key) for _ in range(4)]
        self.curator = Curator(clients[0], SEED)
        self.trainer = Trainer(clients[1], SEED + 1)
        self.publisher = Publisher(clients[2], SEED + 2, self.trainer)
        self.visitor = Visitor(clients[3], SEED + 3, self.publisher)
        self.all: tuple[Actor, ...] = (self.curator, self.trainer, self.publisher, self.visitor)

    def verify(self) -> None:
        for photo_set in self.curator.photo_sets:
            photo_set.verify()
        self.trainer.verify()
        self.publisher.verify()
        self.visitor.verify()


@pytest.fixture
def database() -> Iterator[dict[str, str]]:
    """The settings of the database."""
    if DATABASE == "sqlite":
        yield {}
        return
    with running_postgres() as server, server.database() as url:
        yield {"DAHLIA_DATABASE_URL": url}


def test_kills_lose_nothing(tmp_path: Path, database: dict[str, str]) -> None:
    server = Supervised(tmp_path / "home", DAHLIA_JOBS_LEASE_SECONDS=LEASE, **CLEANING, **database)
    killer = Killer(server)
    try:
        killer.cut_starts()
        began = time.monotonic()
        cast = live(killer)
        tell(killer, cast, time.monotonic() - began)
        eventually(lambda: not server.processes(server.starts - 1), LAST_BREATH)
        assert server.stop() == 0
        eventually(lambda: not server.processes(), LAST_BREATH)
    finally:
        end(server)
    assert "Traceback" not in server.text, server.text
    audit(server)


def live(killer: Killer) -> Cast:
    """Let clients work, kill, and see afterwards what they were promised."""
    server = killer.server
    cast = Cast(server)
    with ExitStack() as running:
        for actor in cast.all:
            running.enter_context(actor)
        eventually(cast.trainer.ready.is_set, 240, lambda: server.text)
        while killer.kills.total() < KILLS and not any(actor.error for actor in cast.all):
            killer.kill(cast.trainer)
            killer.check_nothing_is_left()
    for actor in cast.all:
        if actor.error:
            raise AssertionError(f"{type(actor).__name__}:\n{server.text[-8000:]}") from actor.error
    cast.publisher.publish(cast.trainer.finish())
    assert cast.publisher.published == cast.trainer.completed[-1]
    cast.visitor.predict()
    cast.verify()
    return cast


def audit(server: Supervised) -> None:
    """See that rows and files agree."""
    opened = open_server(load_settings(None, server.environment))
    try:
        orphans = audit_images(opened)
        states = audit_jobs(opened)
        audit_iterations(opened)
    finally:
        opened.database.close()
    if DATABASE == "sqlite":
        audit_sqlite(server.home / "dahlia.db")
    print(f"jobs: {dict(states)}; files that no row names, removed: {orphans}")


def tell(killer: Killer, cast: Cast, seconds: float) -> None:
    sets = [*cast.curator.photo_sets, cast.trainer.photo_set]
    print(
        f"\n{killer.kills.total()} kills in {seconds:.0f} s: {dict(killer.kills)}; "
        f"{killer.server.starts} starts, the slowest {killer.slowest:.1f} s\n"
        f"{sum(actor.client.acknowledged for actor in cast.all)} requests acknowledged, "
        f"{sum(actor.client.unknown for actor in cast.all)} cut off; of writes of photos that were cut off "
        f"{sum(photos.halves for photos in sets)} had been done and {sum(photos.undone for photos in sets)} "
        f"had not\n{len(cast.trainer.completed)} trainings completed, {len(cast.trainer.failed)} failed: "
        f"{Counter(cast.trainer.failed)}\n{cast.publisher.times} times published; "
        f"{len(cast.visitor.kept)} predictions kept, {len(cast.visitor.deleted)} deleted"
    )
