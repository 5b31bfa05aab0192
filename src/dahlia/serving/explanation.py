"""`POST /predict?explain=true`: which parts of a photo speak for a tag, as numbers or as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from starlette.datastructures import Headers
from starlette.responses import Response

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.dataset.imaging import SERVED_PIXELS, Pixels, decode_then, load
from dahlia.errors import ImageError, ServiceError
from dahlia.http.body import read_body
from dahlia.http.replies import refused_image, reply
from dahlia.serving.activation import Activation
from dahlia.serving.bentoml_support import read_form, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope

    from dahlia.http.admission import Admission
    from dahlia.serving.models.loading import ModelCache
    from dahlia.serving.models.publications import Published
    from dahlia.serving.prediction_api import Predictor


FIELD = "image"
EXPLAINED = "classify"
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
            ServiceError: the image cannot be decoded, there is no such tag, the network has no map, or the
                model detects objects.
        """
        await self._predictor.run(self._require_map, published)
        result = (await self._predictor.predict(published, image, keep=False)).own
        tag = _tag(result["predictions"], asked)
        wants = as_png if _PNG in accept else as_json(result, tag)
        content = await self._predictor.run(self._work, published, tag["tagId"], image, wants)
        if isinstance(content, bytes):
            return Response(content, media_type=_PNG)
        return reply(content, 200)

    def _require_map(self, published: Published) -> None:
        if self._predictor.models.get(published.servable).reader.task != EXPLAINED:
            raise ServiceError(
                "BadRequestOperationNotSupported",
                "Expected an iteration that classifies images, whose tags a map explains; received one that "
                "detects objects and says where they are. Leave out explain=true, or ask with draw=true for "
                "the image with its boxes.",
            )

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


MAX_EDGE = 1024  # pixels

_FIRST_COLOUR = 96  # of the 256 of the scale: those before are as dark as shadows of the photo
_OPAQUE = 0.8  # at the hottest point: the photo's outlines stay visible
_NOTHING = 1e-9  # logits
_FAST = 2  # PNG's effort, 0 to 9


def as_numbers(heat: npt.NDArray[np.float32]) -> list[list[float]]:
    """The map itself, in rows from top to bottom.

    Args:
        heat: (h, w), in logits; see `dahlia.serving.activation`.

    Returns:
        h lists of w numbers with six digits. Their mean is what the photo adds to the tag's logit; a cell
        that is above the mean speaks more for the tag than the photo does as a whole.
    """
    return [[float(f"{value:.6g}") for value in row] for row in heat]


def as_png(heat: npt.NDArray[np.float32], image: bytes) -> bytes:
    """The map over its photo, which is made grey so that all colour is heat.

    What speaks for the tag glows, from dark violet to yellow; yellow is as strong as anything in the map, for
    or against the tag. What speaks against it stays grey.

    Args:
        heat: (h, w), in logits.
        image: the file of the photo.

    Returns:
        A PNG file in the photo's proportions, as displayed, its longer edge at most `MAX_EDGE` pixels.

    Raises:
        ImageError: the photo cannot be decoded.
    """
    photo = decode_then(image, _shrink, MAX_EDGE, max_decoded=SERVED_PIXELS)
    height, width = photo.shape[:2]
    # Clipped before it is smoothed: a cubic curve swings above zero beside what lies far below.
    smooth = cv2.resize(np.maximum(heat, 0), (width, height), interpolation=cv2.INTER_CUBIC)
    strongest = max(float(np.max(smooth)), -float(heat.min()), _NOTHING)
    share = np.maximum(np.asarray(smooth, np.float32) / strongest, 0)
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2BGR)
    levels = (_FIRST_COLOUR + share * (255 - _FIRST_COLOUR)).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    painted = cv2.blendLinear(colours, grey, _OPAQUE * share, 1 - _OPAQUE * share)
    return bytes(cv2.imencode(".png", painted, [cv2.IMWRITE_PNG_COMPRESSION, _FAST])[1])


def _shrink(photo: Pixels) -> Pixels:
    height, width = photo.shape[:2]
    scale = MAX_EDGE / max(height, width)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
