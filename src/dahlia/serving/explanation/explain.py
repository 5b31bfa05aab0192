"""`POST /predict?explain=true`: which parts of a photo speak for a tag, as numbers or as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.responses import Response

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.dataset.imaging import SERVED_PIXELS, load
from dahlia.errors import ImageError, ServiceError
from dahlia.http.body import read_body
from dahlia.http.replies import refused_image, reply
from dahlia.serving.explanation.activation import Activation
from dahlia.serving.explanation.heat_picture import as_numbers, as_png
from dahlia.serving.forms import read_form, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope

    from dahlia.http.admission import Admission
    from dahlia.serving.models.model_cache import ModelCache
    from dahlia.serving.models.publications import Published
    from dahlia.serving.predictor import Predictor


FIELD = "image"
_PNG = "image/png"


class Explainer:
    """Answers with a prediction and the class-activation map of one tag.

    Args:
        predictor: gives the prediction, and lends its threads.
        activations: the graphs that give the maps.
    """

    def __init__(self, predictor: Predictor, activations: ModelCache[Activation]) -> None:
        self._predictor = predictor
        self._activations = activations

    async def answer(self, scope: Scope, receive: Receive, admission: Admission) -> Response:
        """Answer a request: a PNG where its `Accept` names `image/png`, else JSON.

        Raises:
            ServiceError: it is refused.
            Disconnected: the client went away.
        """
        headers = Headers(scope=scope)
        with admission.body() as hold:
            body = await read_body(receive, headers, hold)
            form = read_form(body, headers.get("content-type", ""), FIELD)
            image, said = form.images[0], texts_of(form)
            published = self._predictor.publications.any(said.get("project"), said.get("name"))
            with admission.prediction():
                return await self.explain(published, image, said.get("tag"), headers.get("accept", ""))

    async def explain(self, published: Published, image: bytes, asked: str | None, accept: str) -> Response:
        """A prediction and the map of one tag.

        Args:
            published: the iteration that is to answer.
            image: an image file.
            asked: the tag, by its name or id; the most probable one where it is None.
            accept: the request's header; a PNG where it names `image/png`, else JSON.

        Raises:
            ServiceError: the image cannot be decoded, there is no such tag, or the network has no map.
        """
        result, _ = await self._predictor.predict(published, image, keep=False)
        tag = _tag(result["predictions"], asked)
        wants = as_png if _PNG in accept else as_json(result, tag)
        content = await self._predictor.run(self._work, published, tag["tagId"], image, wants)
        if isinstance(content, bytes):
            return Response(content, media_type=_PNG)
        return reply(content, 200)

    def _work(self, published: Published, tag: str, image: bytes, wants: Callable[[Any, bytes], Any]) -> Any:
        card = self._predictor.models.get(published.servable).card
        column = [one.id for one in card.tags].index(tag)
        activation = self._activations.get(published.servable)
        try:
            (heat,) = activation.maps(load(image, card.input.size, max_decoded=SERVED_PIXELS), [column])
            return wants(heat, image)
        except (ImageError, DecodingBusy) as error:
            raise refused_image(error) from error


def as_json(result: dict[str, Any], tag: dict[str, Any]) -> Callable[[Any, bytes], dict[str, Any]]:
    """Gives what adds a map, in logits, to the fields of a prediction."""

    def add(heat: Any, _: bytes) -> dict[str, Any]:
        named = {"tagId": tag["tagId"], "tagName": tag["tagName"]}
        return result | {"activation": named | {"map": as_numbers(heat)}}

    return add


def _tag(predictions: list[dict[str, Any]], asked: str | None) -> dict[str, Any]:
    if asked is None:
        return predictions[0]
    for tag in predictions:
        if asked in (tag["tagName"], tag["tagId"]):
            return tag
    raise ServiceError(
        "NotFoundTag",
        f"Expected a tag of the model, by its name or id, received {asked[:80]!r}. It has "
        f"{', '.join(sorted(tag['tagName'] for tag in predictions)[:20])}.",
    )
