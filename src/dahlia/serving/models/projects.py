"""The projects that one service answers for."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dahlia.errors import ServingError
from dahlia.serving.http.paths import parse_id
from dahlia.serving.models.catalogue import Catalogue
from dahlia.serving.models.sources import Servable
from dahlia.tracking.names import normalise

_MOST_LISTED = 20

_Known = TypeVar("_Known", bound=Sized)


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


class Offer(Protocol):
    """What may be asked for."""

    def named(self, project: str, name: str) -> Published:
        """What a project has published under a name; raises ServingError where there is none."""

    def numbered(self, project: str, iteration: str | None) -> Published:
        """A published iteration by its id, or the only one; raises ServingError where there is none."""

    def stop(self) -> None:
        """Follow no longer what is published."""


class Projects:
    """Finds what is published, in one project or in several, and follows what changes.

    Args:
        catalogues: one for each project.

    Raises:
        ServingError: two folders hold the same project.
    """

    def __init__(self, catalogues: Sequence[Catalogue]) -> None:
        self._catalogues = {catalogue.project_id or "": catalogue for catalogue in catalogues}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if len(self._catalogues) < len(catalogues):
            raise ServingError(
                "Expected folders of different projects, received two with the same project name. Name each "
                "once in DAHLIA_PROJECTS, and give copies another name in params.yaml.",
                code="BadRequestInvalidIds",
                status=500,
            )

    @property
    def ready(self) -> bool:
        """Whether anything is published."""
        return any(catalogue.names for catalogue in self._catalogues.values())

    def named(self, project: str, name: str) -> Published:
        """What a project has published under a name.

        Args:
            project: the project's id, as the client wrote it.
            name: the publish name.

        Raises:
            ServingError: there is no such project, or no such name.
        """
        key, catalogue = self._of(project)
        return _pick(key, catalogue, name)

    def numbered(self, project: str, iteration: str | None) -> Published:
        """An iteration by its id, or the only one that is published.

        Args:
            project: the project's id, as the client wrote it.
            iteration: the iteration's id, as the client wrote it; None for the only one.

        Raises:
            ServingError: the project is not here, the id is none, the iteration is not published, or more
                than one is.
        """
        key, catalogue = self._of(project)
        known = _published(catalogue.iterations)
        if iteration is None and len(known) > 1:
            raise ServingError(
                f"{len(known)} iterations are published, so none is the default. Add "
                f"?iterationId= with one of {_listed(list(known))}.",
                code="NotFoundProjectDefaultIteration",
                status=404,
            )
        asked = next(iter(known)) if iteration is None else parse_id(iteration, "iteration")
        if asked not in known:
            raise ServingError(
                f"Invalid iteration: {asked} is not published. Published: {_listed(list(known))}.",
                code="NotFoundIteration",
                status=404,
            )
        return _pick(key, catalogue, known[asked])

    def any(self, project: str | None, name: str | None) -> Published:
        """What is published; project and name may be left out where there is one alone.

        Raises:
            ServingError: nothing fits, or more than one does.
        """
        if project is not None:
            catalogues: Mapping[str, Catalogue] = dict([self._of(project)])
        else:
            catalogues = self._catalogues
        pairs = [(key, one) for key, catalogue in catalogues.items() for one in catalogue.names]
        known = [one for _, one in _published(pairs)]
        fitting = pairs if name is None else [(key, one) for key, one in pairs if one == normalise(name)]
        if len(fitting) > 1:
            what = "the name of a published iteration" if name is None else "the id of a project"
            choice = known if name is None else [key for key, _ in fitting]
            raise ServingError(
                f"Expected {what}, received none. Name one: {_listed(choice)}.",
                code="BadRequestRequiredParamIsNull",
                status=400,
            )
        if not fitting:
            raise _unknown_name(name or "", known)
        key, found = fitting[0]
        return _pick(key, catalogues[key], found)

    def refresh(self) -> None:
        """Ask every source once."""
        for catalogue in self._catalogues.values():
            catalogue.refresh()

    def start(self, seconds: float) -> None:
        """Ask every source now, then every `seconds` in the background those that can change."""
        self.refresh()
        following = [one for one in self._catalogues.values() if one.source.changes]
        if following:
            self._thread = threading.Thread(
                target=self._follow, args=(following, seconds), name="catalogue", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _follow(self, catalogues: Sequence[Catalogue], seconds: float) -> None:
        while not self._stop.wait(seconds):
            for catalogue in catalogues:
                catalogue.refresh()

    def _of(self, project: str) -> tuple[str, Catalogue]:
        asked = parse_id(project, "project")
        # A Bento in which nothing is published does not know its project; its answer is that.
        key = asked if asked in self._catalogues else ""
        if key not in self._catalogues:
            raise ServingError(
                f"There is no project {asked} here; this service answers for "
                f"{_listed(list(self._catalogues))}.",
                code="NotFoundProject",
                status=404,
            )
        return key, self._catalogues[key]


def _pick(project: str, catalogue: Catalogue, name: str) -> Published:
    servable = catalogue.get(name)
    if servable is None:
        raise _unknown_name(name, _published(catalogue.names))
    return Published(project, name, servable)


def _published(known: _Known) -> _Known:
    if not known:
        raise ServingError(
            "Nothing is published yet. Publish an iteration, for example with "
            "`dahlia publish 1 --as production`; it is served within seconds.",
            code="ErrorPredictionServiceUnavailable",
            status=503,
        )
    return known


def _unknown_name(name: str, known: Sequence[str]) -> ServingError:
    return ServingError(
        f"Invalid iteration: nothing is published as {name!r}. Published: {_listed(known)}.",
        code="NotFoundIteration",
        status=404,
    )


def _listed(known: Sequence[str]) -> str:
    more = len(known) - _MOST_LISTED
    return ", ".join(known[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
