"""What one project has published: names and iterations, kept equal to the source."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from dahlia.errors import DahliaError
from dahlia.serving.models.runtime import Model
from dahlia.serving.models.shelf import Shelf
from dahlia.serving.models.sources import Servable, Source
from dahlia.tracking.names import normalise

_RETRY_SECONDS = 30.0

_logger = logging.getLogger("bentoml.dahlia")


class Catalogue:
    """Publish names and the iterations that they stand for.

    At the start nothing is loaded. A name that is new or moved later gets its iteration only once that is
    loaded; one that cannot be loaded leaves the older one in place.

    Args:
        source: what is published.
        shelf: loads models and keeps them.
    """

    def __init__(self, source: Source, shelf: Shelf[Model]) -> None:
        self.source = source
        self._shelf = shelf
        self._names: Mapping[str, Servable] = {}
        self._refused: dict[int, float] = {}
        self._complaint: str | None = None
        self._started = False

    @property
    def names(self) -> list[str]:
        """The names that are served, sorted."""
        return sorted(self._names)

    @property
    def iterations(self) -> dict[str, str]:
        """The ids of the iterations that are served, each with the first of its names."""
        return {servable.id: name for name, servable in sorted(self._names.items(), reverse=True)}

    @property
    def project_id(self) -> str | None:
        """The project's id; None as long as nothing says it."""
        return self.source.project_id

    def get(self, name: str) -> Servable | None:
        """The iteration published under a name."""
        return self._names.get(normalise(name))

    def refresh(self) -> None:
        """Ask the source once, and take over what is new."""
        try:
            published = self.source.published()
        except DahliaError as error:
            self._complain(str(error))
            return
        self._complain(None)
        known = {servable.number: servable for servable in self._names.values()}
        names: dict[str, Servable] = {}
        for name, number in published.items():
            servable = known.get(number) or self._admit(name, number) or self._names.get(name)
            if servable:
                known[servable.number] = names[name] = servable
        self._announce(names)
        self._names = names
        self._started = True

    def _admit(self, name: str, number: int) -> Servable | None:
        if self._refused.get(number, 0.0) > time.monotonic():
            return None
        try:
            servable = self.source.locate(number)
            if self._started:
                self._shelf.get(servable)
        except DahliaError as error:
            self._refused[number] = time.monotonic() + _RETRY_SECONDS
            kept = "the older one keeps serving" if name in self._names else "the name is not served"
            _logger.error(
                "%r stands for iteration %d, which cannot be loaded; %s. %s", name, number, kept, error
            )
            return None
        return servable

    def _announce(self, names: Mapping[str, Servable]) -> None:
        for name in sorted({*names, *self._names}):
            before, after = self._names.get(name), names.get(name)
            if after and (before is None or before.number != after.number):
                _logger.info("Serving iteration %d (%s) as %r.", after.number, after.id, name)
            elif after is None:
                _logger.info("No longer serving %r.", name)

    def _complain(self, complaint: str | None) -> None:
        if complaint and complaint != self._complaint:
            _logger.warning("What is published cannot be read; serving what is known. %s", complaint)
        self._complaint = complaint
