"""From an image and a publish name to an answer."""

from __future__ import annotations

from collections.abc import Sized
from typing import TypeVar

import anyio
import anyio.to_thread

from dahlia.errors import ImageError, ServingError
from dahlia.serving.answers import ImagePrediction, answer
from dahlia.serving.catalogue import Catalogue
from dahlia.serving.paths import parse_id
from dahlia.serving.replies import REQUEST, refused_image
from dahlia.serving.runtime import Model, Scored
from dahlia.serving.store import Kept, PredictionStore

_Known = TypeVar("_Known", bound=Sized)


class Predictor:
    """Answers predictions; decoding and inference run in `threads` threads beside the event loop.

    Args:
        catalogue: the published models.
        store: where predictions are kept; None keeps none.
        threads: predictions computed at once.
    """

    def __init__(self, catalogue: Catalogue, store: PredictionStore | None, threads: int) -> None:
        self.catalogue = catalogue
        self._store = store
        self._threads = threads
        self._limiter: anyio.CapacityLimiter | None = None

    async def predict(
        self, name: str | None, image: bytes, *, keep: bool, application: str | None = None
    ) -> ImagePrediction:
        """Classify an image.

        Args:
            name: the publish name; None where exactly one is published.
            image: an image file.
            keep: whether to keep image and answer, where a store is set up.
            application: what the client calls itself, kept with the answer.

        Raises:
            ServingError: the name is not published, or the image cannot be decoded.
        """
        name, model = self.choose(name)
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._threads)
        scored = await anyio.to_thread.run_sync(_scores, model, image, limiter=self._limiter)
        result = answer(model, scored)
        if keep and self._store:
            self._store.offer(Kept(image, result.model_dump(), name, application, REQUEST.get()))
        return result

    def choose(self, name: str | None) -> tuple[str, Model]:
        """The model of a publish name, or the only one where None is asked for.

        Raises:
            ServingError: there is no such name, nothing is published, or more than one is.
        """
        known = self._published(self.catalogue.names)
        chosen = known[0] if name is None and len(known) == 1 else name
        if chosen is None:
            raise ServingError(
                f"Expected the name of a published iteration, received none. Say which: {', '.join(known)}.",
                code="BadRequestRequiredParamIsNull",
                status=400,
            )
        model = self.catalogue.get(chosen)
        if model is None:
            raise ServingError(
                f"Invalid iteration: nothing is published as {chosen!r}. Published: {', '.join(known)}.",
                code="NotFoundIteration",
                status=404,
            )
        return chosen, model

    def name_of(self, iteration: str | None) -> str:
        """A publish name of an iteration, or of the only one that is published where None is asked for.

        Raises:
            ServingError: the id is none, the iteration is not published, or more than one is.
        """
        known = self._published(self.catalogue.iterations)
        if iteration is None and len(known) > 1:
            raise ServingError(
                f"{len(known)} iterations are published, so none is the default. Add "
                f"?iterationId= with one of {', '.join(known)}.",
                code="NotFoundProjectDefaultIteration",
                status=404,
            )
        asked = next(iter(known)) if iteration is None else parse_id(iteration, "iteration")
        if asked not in known:
            raise ServingError(
                f"Invalid iteration: {asked} is not published. Published: {', '.join(known)}.",
                code="NotFoundIteration",
                status=404,
            )
        return known[asked]

    def close(self) -> None:
        """Stop following the registry, and write what is waiting."""
        self.catalogue.stop()
        if self._store:
            self._store.close()

    @staticmethod
    def _published(known: _Known) -> _Known:
        if not known:
            raise ServingError(
                "Nothing is published yet. Publish an iteration, for example with "
                "`dahlia publish 1 production`; it is served within seconds.",
                code="ErrorPredictionServiceUnavailable",
                status=503,
            )
        return known


def _scores(model: Model, image: bytes) -> list[Scored]:
    try:
        return model.predict(image)
    except ImageError as error:
        raise refused_image(error) from error
