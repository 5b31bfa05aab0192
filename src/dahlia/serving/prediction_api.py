"""The Custom Vision prediction API: from an image and what is published to an answer and its words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import SkipJsonSchema
from starlette.datastructures import Headers

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.dataset.polyglots import refuse_polyglot
from dahlia.errors import ImageError
from dahlia.http.body import MAX_IMAGE, address_of, image_of, read_body
from dahlia.http.form_images import TO_IMAGE, refuse_image
from dahlia.http.parameters import check_prediction, query_of
from dahlia.http.paths import Route, check_task
from dahlia.http.replies import REQUEST, new_id, refused_image, reply, timestamp
from dahlia.serving.models.loading import ModelCache
from dahlia.serving.models.publications import Publications, Published
from dahlia.serving.models.readers import Scored
from dahlia.serving.models.runtime import Model
from dahlia.serving.stored.store import Kept, PredictionStore
from dahlia.serving.under_way import UnderWay

if TYPE_CHECKING:
    from pydantic.config import JsonDict
    from starlette.responses import Response
    from starlette.types import Receive, Scope

    from dahlia.http.admission import Admission
    from dahlia.http.fetch import Bring
    from dahlia.serving.metrics import Metrics


PARAMETERS = ("application", "iterationId", "store")  # of the query
_DIGITS = 6  # of what is computed from float32 numbers
STORED = "dahlia-stored"  # a header: whether image and answer are on this machine's disk


async def handle(
    scope: Scope,
    receive: Receive,
    route: Route,
    predictor: Predictor,
    admission: Admission,
    bring: Bring,
    most: int = MAX_IMAGE,
) -> Response:
    """Answer a prediction.

    Args:
        scope: the request.
        receive: gives its body.
        route: what its path asks for.
        predictor: the models.
        admission: how much is taken on at once.
        bring: gives the image at an address.
        most: bytes that an image may have.

    Raises:
        ServiceError: it is refused.
        Disconnected: the client went away.
    """
    started = perf_counter()
    headers = Headers(scope=scope)
    query = query_of(scope)
    check_prediction(query, named=route.name is not None, stored=route.keep)
    with admission.body() as hold:
        body = await read_body(receive, headers, hold, most)
        published = _asked_for(route, query, predictor.publications)
        content_type = headers.get("content-type", "")
        if route.what == "url":
            refuse_image(body, content_type, TO_IMAGE)
            await predictor.require(published, route.task)
            with admission.fetch():
                image = await bring(address_of(body, content_type, PARAMETERS), most=most)
        else:
            image = image_of(body, content_type, most=most, parameters=PARAMETERS)
        with admission.prediction():
            answered = await predictor.predict(
                published, image, keep=route.keep, application=query.get("application"), task=route.task
            )
    predictor.metrics.answered(published, perf_counter() - started)
    stored = {} if answered.stored is None else {STORED: str(answered.stored).lower()}
    return reply(answered.fields, 200, route.version, **stored)


def _asked_for(route: Route, query: dict[str, str], publications: Publications) -> Published:
    if route.name is None:  # v1 and v2
        return publications.numbered(route.project, query.get("iterationId"))
    return publications.named(route.project, route.name)


class BoundingBox(BaseModel):
    """Where in the image a tag is, as fractions of its width and height, from the top left corner."""

    left: float
    top: float
    width: float
    height: float


def _drop_default(schema: JsonDict) -> None:
    del schema["default"]


class Prediction(BaseModel):
    """A tag and how probable it is."""

    probability: float = Field(description="calibrated, 0 to 1; of a detector, that the box is right")
    tagId: str = Field(description="UUID")  # noqa: N815
    tagName: str  # noqa: N815
    tagType: Literal["Regular", "Negative"]  # noqa: N815
    boundingBox: BoundingBox | SkipJsonSchema[None] = Field(  # noqa: N815
        None,
        description="of detectors; what classifies says no places, and the field is absent",
        json_schema_extra=_drop_default,
    )

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        if self.boundingBox is None:
            del fields["boundingBox"]
        return fields


class ImagePrediction(BaseModel):
    """What one iteration says of one image."""

    id: str = Field(description="UUID of this prediction")
    project: str = Field(description="UUID of the project")
    iteration: str = Field(description="UUID of the iteration that answered")
    created: str = Field(description="UTC, such as 2026-03-01T12:30:05.25Z")
    predictions: list[Prediction] = Field(
        description="of a classifier every tag, the most probable first; of a detector every box, those of a "
        "tag together, the most probable first"
    )


class OwnPrediction(ImagePrediction):
    """The same, and what Custom Vision does not say."""

    none_of_these: float = Field(
        description="probability that none of the tags applies, 0 to 1; of a detector, that the likeliest "
        "box is wrong"
    )


def answer(model: Model, scored: Sequence[Scored]) -> dict[str, Any]:
    """The fields of an `ImagePrediction`, with a new id and the present time."""
    return {
        "id": new_id(),
        "project": model.card.project_id,
        "iteration": model.iteration,
        "created": timestamp(datetime.now(UTC)),
        "predictions": [_prediction(one) for one in scored],
    }


def _prediction(one: Scored) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "probability": one.probability,
        "tagId": one.tag.id,
        "tagName": one.tag.name,
        "tagType": one.tag.type,
    }
    return fields if one.place is None else fields | {"boundingBox": one.place._asdict()}


_Result = TypeVar("_Result")


class Answered(NamedTuple):
    """A prediction.

    Attributes:
        fields: of an `ImagePrediction`.
        stored: whether it is kept; None where it was not to be.
        none_of_these: the probability that none of the tags applies.
    """

    fields: dict[str, Any]
    stored: bool | None
    none_of_these: float

    @property
    def own(self) -> dict[str, Any]:
        """The fields of an `OwnPrediction`."""
        return self.fields | {"none_of_these": self.none_of_these}


class Predictor:
    """Answers predictions; decoding and inference run in `threads` threads beside the event loop.

    Args:
        publications: what is published.
        models: keeps them in memory.
        store: where predictions are kept; None keeps none.
        threads: predictions computed at once.
        metrics: counts what is answered and what is kept.
        under_way: of all processes of the service; None where there is no other.
    """

    def __init__(
        self,
        publications: Publications,
        models: ModelCache[Model],
        store: PredictionStore | None,
        threads: int,
        metrics: Metrics,
        under_way: UnderWay | None = None,
    ) -> None:
        self.publications = publications
        self.models = models
        self.metrics = metrics
        self._store = store
        self._under_way = under_way or UnderWay()
        self._pool = ThreadPoolExecutor(threads, "prediction")

    async def predict(
        self,
        published: Published,
        image: bytes,
        *,
        keep: bool,
        application: str | None = None,
        task: str | None = None,
    ) -> Answered:
        """Say what is in an image.

        Args:
            published: the iteration that is to answer.
            image: an image file.
            keep: whether to keep image and answer, where a store is set up.
            application: what the client calls itself, kept with the answer.
            task: `classify` or `detect`; None for whatever the iteration does.

        Raises:
            ServiceError: the iteration does not do the task, the model cannot be loaded, or the image cannot
                be decoded.
        """
        store = self._store if keep else None
        with self._under_way.one():
            return await self.run(self._work, published, image, store, application, task, REQUEST.get())

    async def require(self, published: Published, task: str | None) -> None:
        """Refuse what an iteration does not do, before anything else is done for it.

        Args:
            published: the iteration that is to answer.
            task: see `predict`.

        Raises:
            ServiceError: it does not do the task, or its model cannot be loaded.
        """
        await self.run(lambda: check_task(task, self.models.get(published.servable).reader.task))

    def served(self) -> list[dict[str, Any]]:
        """What is published, and what computes it; the runtime is None while the model is not loaded."""
        return [
            {
                "project": project,
                "name": name,
                "iteration": servable.id,
                "number": servable.number,
                "runtime": model.runtime if (model := self.models.peek(servable)) else None,
            }
            for project, names in self.publications.projects.items()
            for name, servable in names.items()
        ]

    async def run(self, work: Callable[..., _Result], *given: Any) -> _Result:
        """Call a function in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    def close(self) -> None:
        """Stop following what is published, and write what is waiting."""
        self.publications.stop()
        self._pool.shutdown()
        self._under_way.close()
        if self._store:
            self._store.close()

    def _work(
        self,
        published: Published,
        image: bytes,
        store: PredictionStore | None,
        application: str | None,
        task: str | None,
        request: str,
    ) -> Answered:
        model = self.models.get(published.servable)
        check_task(task, model.reader.task)
        try:
            refuse_polyglot(image)
            scored = model.predict(image, self._under_way.is_only_one)
        except (ImageError, DecodingBusy) as error:
            raise refused_image(error) from error
        result = answer(model, scored)
        none = round(model.reader.none(scored), _DIGITS)
        if store is None:
            return Answered(result, None, none)
        kept = store.offer(Kept(image, result, published.name, application, request))
        self.metrics.kept(published, kept)
        return Answered(result, kept, none)
