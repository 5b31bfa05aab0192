"""What is published, followed in the store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from sqlalchemy import select

from dahlia.errors import DahliaError, ServingError
from dahlia.server.contract.errors import not_found
from dahlia.server.database.changes import GONE
from dahlia.server.database.sessions import Database
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.predictions.model_files import ModelFiles
from dahlia.serving.http.paths import parse_id
from dahlia.serving.models.projects import Published
from dahlia.serving.models.runtime import Model
from dahlia.serving.models.shelf import Shelf
from dahlia.serving.models.sources import Servable
from dahlia.tracking.names import normalise

_MOST_LISTED = 20

_Names: TypeAlias = Mapping[str, Servable]

_logger = logging.getLogger("dahlia.server")


class Publications:
    """Publish names of every project and the iterations that they stand for.

    A name that is published or moved here is served, and its model loaded, when its request is answered; one
    that another server changes, within `jobs.poll_seconds`. A name that is moved to an iteration that cannot
    be loaded goes on with the one before; a new name then answers with the reason.

    Args:
        database: the store.
        files: knows where models are.
        shelf: loads them.
    """

    def __init__(self, database: Database, files: ModelFiles, shelf: Shelf[Model]) -> None:
        self._database = database
        self._files = files
        self._shelf = shelf
        self._projects: Mapping[str, _Names] = {}
        self._complaints: set[tuple[str, str, str]] = set()
        self._started = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def named(self, project: str, name: str) -> Published:
        """What a project has published under a name.

        Raises:
            ServingError: there is no such project, or no such name.
        """
        identity, names = self._of(project)
        servable = names.get(normalise(name))
        if servable is None:
            raise ServingError(
                f"Invalid iteration: nothing is published as {name[:80]!r}. Published: {_listed(names)}.",
                code="NotFoundIteration",
                status=404,
            )
        return Published(identity, name, servable)

    def numbered(self, project: str, iteration: str | None) -> Published:
        """A published iteration by its id, or the only one; of v1 and v2, which know no names.

        Raises:
            ServingError: there is no such project, the iteration is not published, or several are.
        """
        identity, names = self._of(project)
        wanted = None if iteration is None else parse_id(iteration, "iteration")
        fitting = {
            servable.id: (name, servable)
            for name, servable in names.items()
            if wanted is None or servable.id == wanted
        }
        if len(fitting) != 1:
            raise _no_default(wanted, names)
        ((name, servable),) = fitting.values()
        return Published(identity, name, servable)

    def refresh(self) -> None:
        """Ask the store once, and take over what is new.

        Raises:
            StoreError: it cannot be asked.
        """
        with self._lock:
            found: dict[str, dict[str, Servable]] = {}
            for project, name, servable in self._published():
                names = found.setdefault(project, {})
                if name is not None:
                    names[normalise(name)] = self._admitted(project, normalise(name), servable)
            self._projects = found
            self._started = True

    def start(self, seconds: float) -> None:
        """Ask the store now, then every `seconds` in the background; what is published now is not loaded."""
        self.refresh()
        self._thread = threading.Thread(target=self._follow, args=(seconds,), name="published", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _follow(self, seconds: float) -> None:
        lost = False
        while not self._stop.wait(seconds):
            try:
                self.refresh()
                lost = False
            except DahliaError as error:
                if not lost:
                    _logger.warning("What is published cannot be read; serving what is known. %s", error)
                lost = True

    def _published(self) -> Iterator[tuple[str, str | None, Servable]]:
        chosen = (
            select(ProjectRow.id, IterationRow.publish_name, IterationRow.id, IterationRow.number)
            .outerjoin(
                IterationRow,
                (IterationRow.project_key == ProjectRow.key) & IterationRow.publish_name.is_not(None),
            )
            .where(ProjectRow.status != GONE)
            .order_by(ProjectRow.key, IterationRow.key)
        )
        with self._database.read() as session:
            rows = session.execute(chosen).all()
        for project, name, iteration, number in rows:
            yield project, name, self._files.servable(iteration or "", number or 0)

    def _admitted(self, project: str, name: str, servable: Servable) -> Servable:
        before = self._projects.get(project, {}).get(name)
        if not self._started or (before and before.id == servable.id):
            return servable
        try:
            self._shelf.get(servable)
        except DahliaError as error:
            self._complain((project, name, servable.id), error)
            return before or servable
        return servable

    def _complain(self, what: tuple[str, str, str], error: DahliaError) -> None:
        if what not in self._complaints:
            self._complaints.add(what)
            _logger.error("Iteration %s cannot be served as %r of project %s. %s", *reversed(what), error)

    def _of(self, project: str) -> tuple[str, _Names]:
        identity = parse_id(project, "project")
        names = self._projects.get(identity)
        if names is None:
            refusal = not_found("Project", identity)
            raise ServingError(str(refusal), code=refusal.code, status=refusal.status)
        return identity, names


def _no_default(iteration: str | None, names: _Names) -> ServingError:
    if iteration is not None:
        text = f"Invalid iteration: {iteration} is not published. Published: {_listed(names)}."
        return ServingError(text, code="NotFoundIteration", status=404)
    return ServingError(
        f"Expected one published iteration, there are {len(names)}: {_listed(names)}. Publish one, or name "
        "one with ?iterationId=.",
        code="NotFoundProjectDefaultIteration",
        status=404,
    )


def _listed(names: _Names) -> str:
    texts = [f"{name!r} ({servable.id})" for name, servable in sorted(names.items())]
    more = len(texts) - _MOST_LISTED
    return (", ".join(texts[:_MOST_LISTED]) or "nothing") + (f" and {more} more" if more > 0 else "")
