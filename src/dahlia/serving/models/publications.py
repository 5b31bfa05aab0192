"""What is published, in one project or in several, kept equal to where it is said."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dahlia.errors import DahliaError, ServiceError
from dahlia.http.paths import parse_id
from dahlia.serving.models.loading import ModelCache, Servable, Source
from dahlia.serving.models.runtime import Model
from dahlia.tracking.iteration import normalise

Names: TypeAlias = Mapping[str, Servable]
"""The iterations of one project by their publish names, sorted by these."""

NOTHING_YET = (
    "Nothing is published yet. Publish an iteration, for example with `dahlia publish 1 --as production`; it "
    "is served within seconds."
)
"""What a client of a project folder reads while nothing is published."""

_RETRY_SECONDS = 30.0
_MOST_LISTED = 20

_logger = logging.getLogger("bentoml.dahlia")


@dataclass(frozen=True)
class Published:
    """An iteration as it was asked for.

    Attributes:
        project: the project's id; empty where nothing says it.
        name: the publish name.
        servable: the iteration.
    """

    project: str
    name: str
    servable: Servable


class Publications:
    """Finds what is published, and follows what changes.

    At the start nothing is loaded. A name that is moved later gets its iteration only once that is loaded;
    one that cannot be loaded leaves the older one in place.

    Args:
        sources: say what is published; each has projects of its own.
        models: loads models and keeps them.
        serves_faulty: whether a new name is known although its model cannot be loaded, and answers with the
            reason; else it is unknown until it can.
        while_empty: what a client reads while a project has published nothing, with status 503; empty if it
            then reads that its name is unknown.
        unknown_project: the refusal for the id of a project that is not here; by default it lists those that
            are.

    Raises:
        ServiceError: two sources have the same project.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        models: ModelCache[Model],
        *,
        serves_faulty: bool = False,
        while_empty: str = "",
        unknown_project: Callable[[str], ServiceError] | None = None,
    ) -> None:
        self._followed = [_Followed(source, models, serves_faulty=serves_faulty) for source in sources]
        self._while_empty = while_empty
        self._unknown_project = unknown_project or self._not_among_these
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        known = [project for source in sources for project in source.projects]
        if len(set(known)) < len(known):
            raise ServiceError(
                "BadRequestInvalidIds",
                "Expected folders of different projects, received two with the same project name. Name each "
                "once in DAHLIA_PROJECTS, and give copies another name in params.yaml.",
                status=500,
            )

    @property
    def projects(self) -> Mapping[str, Names]:
        """What each project has published, by its id."""
        if len(self._followed) == 1:
            return self._followed[0].projects
        return {project: names for one in self._followed for project, names in one.projects.items()}

    @property
    def ready(self) -> bool:
        """Whether anything is published."""
        return any(self.projects.values())

    def named(self, project: str, name: str) -> Published:
        """What a project has published under a name.

        Args:
            project: the project's id, as the client wrote it.
            name: the publish name.

        Raises:
            ServiceError: there is no such project, or no such name.
        """
        identity, names = self._of(project)
        servable = names.get(normalise(name))
        if servable is None:
            self._refuse_empty(names)
            raise _unknown_name(name, _with_ids(names))
        return Published(identity, name, servable)

    def numbered(self, project: str, iteration: str | None) -> Published:
        """A published iteration by its id, or the only one; of v1 and v2, which know no names.

        Args:
            project: the project's id, as the client wrote it.
            iteration: the iteration's id, as the client wrote it; None for the only one.

        Raises:
            ServiceError: the project is not here, the id is none, the iteration is not published, or more
                than one is.
        """
        identity, names = self._of(project)
        wanted = None if iteration is None else parse_id(iteration, "iteration")
        fitting = {
            servable.id: (name, servable)
            for name, servable in sorted(names.items(), reverse=True)
            if wanted is None or servable.id == wanted
        }
        if len(fitting) != 1:
            self._refuse_empty(names)
            raise _no_default(wanted, names)
        ((name, servable),) = fitting.values()
        return Published(identity, name, servable)

    def any(self, project: str | None, name: str | None) -> Published:
        """What is published; project and name may be left out where there is one alone.

        Raises:
            ServiceError: nothing fits, or more than one does.
        """
        projects = self.projects if project is None else dict([self._of(project)])
        pairs = [(key, one) for key, names in projects.items() for one in names]
        self._refuse_empty(pairs)
        fitting = pairs if name is None else [(key, one) for key, one in pairs if one == normalise(name)]
        if len(fitting) > 1:
            what = "the name of a published iteration" if name is None else "the id of a project"
            choice = [one for _, one in pairs] if name is None else [key for key, _ in fitting]
            raise ServiceError(
                "BadRequestRequiredParamIsNull",
                f"Expected {what}, received none. Name one: {_listed(choice)}.",
            )
        if not fitting:
            raise _unknown_name(name or "", [one for _, one in pairs])
        ((key, found),) = fitting
        return Published(key, found, projects[key][found])

    @property
    def started(self) -> bool:
        """Whether every source has been read."""
        return all(one.started for one in self._followed)

    def refresh(self) -> None:
        """Ask every source once, and take over what is new; what cannot be asked keeps what is known."""
        with self._lock:
            for one in self._followed:
                one.refresh()

    def start(self, seconds: float) -> None:
        """Ask every source now, then every `seconds` in the background those that can change."""
        self.refresh()
        following = [one for one in self._followed if one.source.changes]
        if following:
            self._thread = threading.Thread(
                target=self._follow, args=(following, seconds), name="publications", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _follow(self, following: Sequence[_Followed], seconds: float) -> None:
        while not self._stop.wait(seconds):
            with self._lock:
                for one in following:
                    try:
                        one.refresh()
                    except Exception:  # what has ended follows nothing any more
                        _logger.exception("What is published could not be followed; it is tried again.")

    def _of(self, project: str) -> tuple[str, Names]:
        asked = parse_id(project, "project")
        projects = self.projects
        # A Bento in which nothing is published does not know its project; its answer is that.
        key = asked if asked in projects else ""
        if key not in projects:
            if not self.started:
                raise ServiceError(
                    "ErrorPredictionServiceUnavailable",
                    "What is published cannot be read yet. Ask again in some seconds.",
                    status=503,
                )
            raise self._unknown_project(asked)
        return key, projects[key]

    def _not_among_these(self, asked: str) -> ServiceError:
        return ServiceError(
            "NotFoundProject",
            f"There is no project {asked} here; this service answers for {_listed(list(self.projects))}.",
        )

    def _refuse_empty(self, known: Names | Sequence[object]) -> None:
        if not known and self._while_empty:
            raise ServiceError("ErrorPredictionServiceUnavailable", self._while_empty, status=503)


class _Followed:
    """The projects of one source.

    Attributes:
        source: says what is published.
        projects: what each has published, by its id.
        started: whether the source has been read.
    """

    def __init__(self, source: Source, models: ModelCache[Model], *, serves_faulty: bool) -> None:
        self.source = source
        self.projects: Mapping[str, Names] = {project: {} for project in source.projects}
        self._models = models
        self._serves_faulty = serves_faulty
        self._refused: dict[tuple[str, int], float] = {}
        self._complaint: str | None = None
        self.started = False

    def refresh(self) -> None:
        try:
            published = self.source.published()
        except DahliaError as error:
            self._complain(str(error))
            return
        self._complain(None)
        projects = {project: self._admitted(project, names) for project, names in published.items()}
        self._announce(projects)
        self.projects = projects
        self.started = True

    def _admitted(self, project: str, published: Mapping[str, int]) -> Names:
        before = self.projects.get(project, {})
        known = {servable.number: servable for servable in before.values()}
        names: dict[str, Servable] = {}
        for name, number in sorted((normalise(name), number) for name, number in published.items()):
            servable = before.get(name)
            if servable is None or servable.number != number:
                servable = self._admit(project, name, number, servable, known.get(number))
            if servable:
                known[servable.number] = names[name] = servable
        return names

    def _admit(
        self, project: str, name: str, number: int, before: Servable | None, known: Servable | None
    ) -> Servable | None:
        """The iteration, or else what the name stands for meanwhile; `known` is it under another name."""
        servable = None
        waits = self._refused.get((project, number), 0.0) > time.monotonic()
        if waits and not self._serves_faulty:
            return before
        try:
            servable = known or self.source.locate(project, number)
            if self.started and not waits:
                self._models.get(servable)
        except DahliaError as error:
            waits = True
            self._refused[project, number] = time.monotonic() + _RETRY_SECONDS
            otherwise = "its predictions fail" if self._serves_faulty else "the name is not served"
            _logger.error(
                "Iteration %d of project %s cannot be served as %r; %s. %s", number, project, name,
                "the older one keeps serving" if before else otherwise, error,
            )  # fmt: skip
        if waits:
            return before or (servable if self._serves_faulty else None)
        return servable

    def _announce(self, projects: Mapping[str, Names]) -> None:
        changes = []
        for project in {*projects, *self.projects}:
            names, old = projects.get(project, {}), self.projects.get(project, {})
            for name in {*names, *old}:
                before, after = old.get(name), names.get(name)
                if after is None or before is None or before.number != after.number:
                    changes.append((project, name, after))
        if len(changes) > _MOST_LISTED:
            _logger.info("%d publish names are new, moved or gone.", len(changes))
            return
        for _, name, after in sorted(changes, key=lambda change: change[:2]):
            if after:
                _logger.info("Serving iteration %d (%s) as %r.", after.number, after.id, name)
            else:
                _logger.info("No longer serving %r.", name)

    def _complain(self, complaint: str | None) -> None:
        if complaint and complaint != self._complaint:
            _logger.warning("What is published cannot be read; serving what is known. %s", complaint)
        self._complaint = complaint


def _unknown_name(name: str, known: Sequence[str]) -> ServiceError:
    return ServiceError(
        "NotFoundIteration",
        f"Invalid iteration: nothing is published as {name[:80]!r}. Published: {_listed(known)}.",
    )


def _no_default(iteration: str | None, names: Names) -> ServiceError:
    known = _listed(_with_ids(names))
    if iteration is not None:
        return ServiceError(
            "NotFoundIteration", f"Invalid iteration: {iteration} is not published. Published: {known}."
        )
    return ServiceError(
        "NotFoundProjectDefaultIteration",
        f"Expected one published iteration, there are {len(names)}: {known}. Publish one, or name one with "
        "?iterationId=.",
    )


def _with_ids(names: Names) -> list[str]:
    return [f"{name!r} ({servable.id})" for name, servable in names.items()]


def _listed(known: Sequence[str]) -> str:
    more = len(known) - _MOST_LISTED
    return (", ".join(known[:_MOST_LISTED]) or "nothing") + (f" and {more} more" if more > 0 else "")
