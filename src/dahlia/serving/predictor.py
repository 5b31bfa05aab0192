"""From an image and a publish name to an answer."""

from __future__ import annotations

import anyio
import anyio.to_thread

from dahlia.errors import ImageError, ServingError
from dahlia.serving.answers import ImagePrediction, answer
from dahlia.serving.catalogue import Catalogue
from dahlia.serving.runtime import Model, Scored
from dahlia.serving.store import Kept, PredictionStore

_CODES = {"zero-byte": "BadRequestImageStream", "decompression-bomb": "BadRequestImageDimensions"}


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
        name, model = self._choose(name)
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._threads)
        scored = await anyio.to_thread.run_sync(_scores, model, image, limiter=self._limiter)
        result = answer(model, scored)
        if keep and self._store:
            self._store.offer(Kept(image, result.model_dump(), name, application))
        return result

    def close(self) -> None:
        """Stop following the registry, and write what is waiting."""
        self.catalogue.stop()
        if self._store:
            self._store.close()

    def _choose(self, name: str | None) -> tuple[str, Model]:
        known = self.catalogue.names
        if not known:
            raise ServingError(
                "Nothing is published yet. Publish an iteration, for example with "
                "`dahlia publish 1 production`; it is served within seconds.",
                code="ErrorPredictionServiceUnavailable",
                status=503,
            )
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


def _scores(model: Model, image: bytes) -> list[Scored]:
    try:
        return model.predict(image)
    except ImageError as error:
        code = _CODES.get(error.code, "BadRequestImageFormat")
        raise ServingError(str(error), code=code, status=400) from error
