"""From an image and what is published to an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.dataset.polyglots import refuse_polyglot
from dahlia.errors import ImageError
from dahlia.http.replies import REQUEST, refused_image
from dahlia.serving.models.model_cache import ModelCache
from dahlia.serving.models.publications import Publications, Published
from dahlia.serving.prediction_api import answer
from dahlia.serving.stored.store import Kept, PredictionStore

if TYPE_CHECKING:
    from dahlia.serving.metrics import Metrics
    from dahlia.serving.models.runtime import Model

_Result = TypeVar("_Result")


class Answered(NamedTuple):
    """A prediction.

    Attributes:
        fields: of an `ImagePrediction`.
        stored: whether it is kept; None where it was not to be.
    """

    fields: dict[str, Any]
    stored: bool | None


class Predictor:
    """Answers predictions; decoding and inference run in `threads` threads beside the event loop.

    Args:
        publications: what is published.
        models: keeps them in memory.
        store: where predictions are kept; None keeps none.
        threads: predictions computed at once.
        metrics: counts what is answered and what is kept.
    """

    def __init__(
        self,
        publications: Publications,
        models: ModelCache[Model],
        store: PredictionStore | None,
        threads: int,
        metrics: Metrics,
    ) -> None:
        self.publications = publications
        self.models = models
        self.metrics = metrics
        self._store = store
        self._pool = ThreadPoolExecutor(threads, "prediction")

    async def predict(
        self, published: Published, image: bytes, *, keep: bool, application: str | None = None
    ) -> Answered:
        """Classify an image.

        Args:
            published: the iteration that is to answer.
            image: an image file.
            keep: whether to keep image and answer, where a store is set up.
            application: what the client calls itself, kept with the answer.

        Raises:
            ServiceError: the model cannot be loaded, or the image cannot be decoded.
        """
        store = self._store if keep else None
        return await self.run(self._work, published, image, store, application, REQUEST.get())

    async def run(self, work: Callable[..., _Result], *given: Any) -> _Result:
        """Call a function in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    def close(self) -> None:
        """Stop following what is published, and write what is waiting."""
        self.publications.stop()
        self._pool.shutdown()
        if self._store:
            self._store.close()

    def _work(
        self,
        published: Published,
        image: bytes,
        store: PredictionStore | None,
        application: str | None,
        request: str,
    ) -> Answered:
        model = self.models.get(published.servable)
        try:
            refuse_polyglot(image)
            scored = model.predict(image)
        except (ImageError, DecodingBusy) as error:
            raise refused_image(error) from error
        result = answer(model, scored)
        if store is None:
            return Answered(result, None)
        kept = store.offer(Kept(image, result, published.name, application, request))
        self.metrics.kept(published, kept)
        return Answered(result, kept)
