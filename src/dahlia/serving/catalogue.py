"""The models in memory, by publish name, kept equal to what is published."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from dahlia.errors import DahliaError
from dahlia.serving.runtime import Model
from dahlia.serving.sources import Servable, Source
from dahlia.tracking.names import normalise

_RETRY_SECONDS = 30.0

_logger = logging.getLogger("bentoml.dahlia")


class Catalogue:
    """Publish names and their loaded models.

    A changed name gets its new model only once that model is loaded and has answered; a model that cannot
    be loaded leaves the older one in place. Names that share an iteration share a model.

    Args:
        source: what is published.
        load: loads an iteration's files.
    """

    def __init__(self, source: Source, load: Callable[[Servable], Model]) -> None:
        self._source = source
        self._load = load
        self._models: dict[str, Model] = {}
        self._failed: dict[int, float] = {}
        self._complaint: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def names(self) -> list[str]:
        """The names that are served, sorted."""
        return sorted(self._models)

    @property
    def iterations(self) -> dict[str, str]:
        """The ids of the iterations that are served, each with the first of its names."""
        served = sorted(self._models.items(), reverse=True)
        return {model.iteration: name for name, model in served}

    @property
    def project_id(self) -> str | None:
        """The project's id; None as long as nothing says it."""
        return self._source.project_id

    def get(self, name: str) -> Model | None:
        """The model published under a name."""
        return self._models.get(normalise(name))

    def refresh(self) -> None:
        """Ask the source once, and load what is new."""
        try:
            published = self._source.published()
        except DahliaError as error:
            self._complain(str(error))
            return
        self._complain(None)
        loaded = {model.number: model for model in self._models.values()}
        models: dict[str, Model] = {}
        for name, number in published.items():
            model = loaded.get(number) or self._try_load(name, number) or self._models.get(name)
            if model:
                loaded[model.number] = models[name] = model
        self._announce(models)
        self._models = models

    def start(self, seconds: float) -> None:
        """Refresh now, then every `seconds` in the background where the source can change."""
        self.refresh()
        if self._source.changes:
            self._thread = threading.Thread(
                target=self._follow, args=(seconds,), name="catalogue", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _follow(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self.refresh()

    def _try_load(self, name: str, number: int) -> Model | None:
        if self._failed.get(number, 0.0) > time.monotonic():
            return None
        try:
            return self._load(self._source.locate(number))
        except DahliaError as error:
            self._failed[number] = time.monotonic() + _RETRY_SECONDS
            kept = "the older one goes on serving" if name in self._models else "the name is not served"
            _logger.error(
                "%r stands for iteration %d, which cannot be loaded; %s. %s", name, number, kept, error
            )
            return None

    def _announce(self, models: dict[str, Model]) -> None:
        for name in sorted({*models, *self._models}):
            before, after = self._models.get(name), models.get(name)
            if after and (before is None or before.number != after.number):
                _logger.info("Serving iteration %d (%s) as %r.", after.number, after.iteration, name)
            elif after is None:
                _logger.info("No longer serving %r.", name)

    def _complain(self, complaint: str | None) -> None:
        if complaint and complaint != self._complaint:
            _logger.warning("What is published cannot be read; serving what is loaded. %s", complaint)
        self._complaint = complaint
