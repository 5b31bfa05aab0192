"""`POST /predict?draw=true`: the photo with what a detector finds in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from starlette.datastructures import Headers
from starlette.responses import Response

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.dataset.imaging import OVERSAMPLING, SERVED_PIXELS, Pixels, decode_then, squash
from dahlia.dataset.polyglots import refuse_polyglot
from dahlia.errors import ImageError, ServiceError
from dahlia.http.body import read_body
from dahlia.http.parameters import read_query
from dahlia.http.replies import refused_image
from dahlia.serving.bentoml_support import read_form, texts_of
from dahlia.serving.models.readers import Scored

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from dahlia.http.admission import Admission
    from dahlia.serving.models.publications import Published
    from dahlia.serving.prediction_api import Predictor

FIELD = "image"
DRAWN = "detect"
THRESHOLD = 0.5
"""The lowest score that is drawn, unless the request names another."""
LEAST_EDGE, MOST_EDGE = 640, 1280
"""Pixels of the picture's longer edge: in a smaller one nobody could read names."""

DRAW, EXPLAIN = "draw", "explain"
"""Parameters that ask for another answer than the plain one."""
_YES, _NO = "true", "false"
_PARAMETERS = (EXPLAIN, DRAW, "threshold")
_JPEG = "image/jpeg"
_QUALITY = 90
# Of tags, in their order: far apart for most eyes, and on most photos (Okabe and Ito, Color Universal Design,
# 2008, without black). RGB.
_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
_DARK, _LIGHT = (20, 20, 20), (255, 255, 255)
_LONGEST = 40  # characters of a name


class Drawer:
    """Answers with the photo, and boxes, tags and scores drawn on it.

    Args:
        predictor: has the models, and lends its threads.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def answer(self, scope: Scope, receive: Receive, admission: Admission) -> Response:
        """Answer a request with a JPEG.

        Raises:
            ServiceError: it is refused, or the model finds no places.
            Disconnected: the client went away.
        """
        headers = Headers(scope=scope)
        threshold = _threshold(_asked(scope).get("threshold"))
        with admission.body() as hold:
            body = await read_body(receive, headers, hold)
            form = read_form(body, headers.get("content-type", ""), FIELD)
            said = texts_of(form)
            published = self._predictor.publications.any(said.get("project"), said.get("name"))
            with admission.prediction():
                content = await self._predictor.run(self._work, published, form.images[0], threshold)
        return Response(content, media_type=_JPEG)

    def _work(self, published: Published, image: bytes, threshold: float) -> bytes:
        model = self._predictor.models.get(published.servable)
        if model.reader.task != DRAWN:
            raise ServiceError(
                "BadRequestOperationNotSupported",
                "Expected an iteration that detects objects, whose boxes are drawn; received one that "
                "classifies images. Leave out draw=true, or ask with explain=true which parts of the image "
                "speak for a tag.",
            )
        try:
            refuse_polyglot(image)
            size = model.card.input.size
            at_least = max(OVERSAMPLING * size, LEAST_EDGE)
            made = partial(_pair, size=size)
            canvas, small = decode_then(image, made, at_least, max_decoded=SERVED_PIXELS)
            # A model takes files. One of its own size, without loss, is what it would make of the photo.
            found = [one for one in model.predict(_file(".bmp", small)) if one.probability >= threshold]
            columns = {tag.id: number for number, tag in enumerate(model.card.tags)}
            return drawn(canvas, found, [columns[one.tag.id] for one in found])
        except (ImageError, DecodingBusy) as error:
            raise refused_image(error) from error


def view_of(scope: Scope) -> str:
    """What a request asks for instead of a plain answer: `DRAW`, `EXPLAIN`, or nothing.

    Raises:
        ServiceError: it says neither yes nor no, asks for both, or names the lowest score of boxes that
            nobody draws.
    """
    asked = _asked(scope)
    draws = _says_yes(DRAW, asked, "the photo with its boxes")
    explains = _says_yes(EXPLAIN, asked, "which parts of the photo support a tag")
    if not draws and "threshold" in asked:
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected threshold together with draw={_YES}, received it without: it is the lowest score of "
            f"boxes that are drawn. Add draw={_YES}, or leave threshold out.",
        )
    if draws and explains:
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected one of draw={_YES}, for detectors, and explain={_YES}, for classifiers; received "
            "both. Leave one out.",
        )
    return DRAW if draws else EXPLAIN if explains else ""


def _says_yes(name: str, asked: Mapping[str, str], what: str) -> bool:
    said = asked.get(name, _NO)
    if said.lower() not in (_YES, _NO):
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected {name} as {_YES} or {_NO}, received {said[:40]!r}. Send {name}={_YES} for {what}, or "
            f"leave {name} out.",
        )
    return said.lower() == _YES


def _asked(scope: Scope) -> dict[str, str]:
    found = read_query(scope.get("query_string", b""), _PARAMETERS, required=("draw", "threshold"))
    return {name: values[0] for name, values in found.items()}


def _threshold(text: str | None) -> float:
    if text is None:
        return THRESHOLD
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected threshold as a number from 0 to 1, received {text[:40]!r}. Boxes with at least this "
            f"score are drawn; leave it out for {THRESHOLD:g}.",
        )
    return value


def drawn(photo: Pixels, found: Sequence[Scored], colours: Sequence[int]) -> bytes:
    """The photo with boxes.

    Args:
        photo: (H, W, 3) RGB; drawn on.
        found: what to draw; what has no place is left out.
        colours: of each, a number; equal ones have one colour.

    Returns:
        A JPEG file.
    """
    # The likeliest last, on top of the others.
    for one, colour in sorted(zip(found, colours, strict=True), key=lambda pair: pair[0].probability):
        _draw(photo, one, _COLOURS[colour % len(_COLOURS)])
    return _file(".jpg", photo, cv2.IMWRITE_JPEG_QUALITY, _QUALITY)


def _file(suffix: str, photo: Pixels, *options: int) -> bytes:
    return bytes(cv2.imencode(suffix, cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), options)[1])


def _pair(photo: Pixels, size: int) -> tuple[Pixels, Pixels]:
    """What is drawn on, its longer edge from `LEAST_EDGE` to `MOST_EDGE` pixels, and what the model sees."""
    return _scaled(photo), squash(photo, size)


def _scaled(photo: Pixels) -> Pixels:
    height, width = photo.shape[:2]
    longest = max(height, width)
    scale = min(max(longest, LEAST_EDGE), MOST_EDGE) / longest
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.array(cv2.resize(photo, size, interpolation=method), np.uint8)


def _draw(canvas: Pixels, one: Scored, colour: tuple[int, int, int]) -> None:
    if one.place is None:
        return
    height, width = canvas.shape[:2]
    unit = max(height, width)
    line = max(2, round(unit / 320))
    left, top = round(one.place.left * width), round(one.place.top * height)
    right = round((one.place.left + one.place.width) * width)
    bottom = round((one.place.top + one.place.height) * height)
    # A dark edge around the line shows it on what has its own colour.
    cv2.rectangle(canvas, (left, top), (right, bottom), _DARK, line + 2, cv2.LINE_AA)
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, line, cv2.LINE_AA)
    _label(canvas, _words(one), (left, top), max(15, round(unit / 48)), colour)


def _words(one: Scored) -> str:
    name = one.tag.name if len(one.tag.name) <= _LONGEST else f"{one.tag.name[: _LONGEST - 1]}…"
    return f"{name} {one.probability:.0%}"


def _label(
    canvas: Pixels, text: str, corner: tuple[int, int], size: int, colour: tuple[int, int, int]
) -> None:
    """The text above a box's corner, or inside where there is no room, always within the photo."""
    height, width = canvas.shape[:2]
    writer = _writer(size)
    length = writer.length(text)
    padding = max(2, size // 4)
    tall = size + 2 * padding
    left = max(0, min(corner[0], width - length - 2 * padding))
    top = corner[1] - tall if corner[1] >= tall else min(corner[1], max(0, height - tall))
    cv2.rectangle(canvas, (left, top), (left + length + 2 * padding, top + tall), colour, cv2.FILLED)
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 110
    baseline = left + padding, top + padding + round(0.82 * size)
    writer.write(canvas, text, baseline, _DARK if bright else _LIGHT)


class _Writer:
    """Writes with OpenCV's own fonts, which have all scripts from version 5 on."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._face: Any = cv2.FontFace("sans")

    def length(self, text: str) -> int:
        """In pixels."""
        box = cv2.getTextSize((0, 0), text, (0, 0), self._face, self._size, _WEIGHT)
        return int(box[2])

    def write(self, canvas: Pixels, text: str, start: tuple[int, int], colour: tuple[int, int, int]) -> None:
        """Write from the left end of the baseline on."""
        cv2.putText(canvas, text, start, colour, self._face, self._size, _WEIGHT)


_WEIGHT = 500  # of 100 to 900


class _PlainWriter:
    """Writes with the strokes of earlier versions, which have ASCII alone."""

    def __init__(self, size: int) -> None:
        self._scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, round(0.75 * size))

    def length(self, text: str) -> int:
        """In pixels."""
        return int(cv2.getTextSize(_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, self._scale, 1)[0][0])

    def write(self, canvas: Pixels, text: str, start: tuple[int, int], colour: tuple[int, int, int]) -> None:
        """Write from the left end of the baseline on."""
        cv2.putText(
            canvas, _ascii(text), start, cv2.FONT_HERSHEY_SIMPLEX, self._scale, colour, 1, cv2.LINE_AA
        )


def _ascii(text: str) -> str:
    return text.replace("…", "...").encode("ascii", "replace").decode()


def _writer(size: int) -> _Writer | _PlainWriter:
    return _Writer(size) if hasattr(cv2, "FontFace") else _PlainWriter(size)
