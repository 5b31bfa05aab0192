"""The Custom Vision prediction API: from a request to its answer."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers

from dahlia.serving.http.body import MAX_IMAGE, address_of, image_of, read_body
from dahlia.serving.http.form_images import TO_IMAGE, refuse_image
from dahlia.serving.http.paths import Route, check_task
from dahlia.serving.http.query import check_prediction, query_of
from dahlia.serving.http.replies import reply

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope

    from dahlia.serving.http.admission import Admission
    from dahlia.serving.http.fetch import Bring
    from dahlia.serving.models.projects import Offer, Published
    from dahlia.serving.predictor import Predictor


PARAMETERS = ("application", "iterationId", "store")  # of the query
STORED = "dahlia-stored"  # a header: whether image and answer are on this machine's disk


async def handle(
    scope: Scope,
    receive: Receive,
    route: Route,
    predictor: Predictor[Any],
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
        ServingError: it is refused.
        Disconnected: the client went away.
    """
    started = perf_counter()
    headers = Headers(scope=scope)
    query = query_of(scope)
    check_prediction(query, named=route.name is not None, stored=route.keep)
    with admission.body() as hold:
        body = await read_body(receive, headers, hold, most)
        published = _asked_for(route, query, predictor.projects)
        content_type = headers.get("content-type", "")
        if route.what == "url":
            refuse_image(body, content_type, TO_IMAGE)
            with admission.fetch():
                image = await bring(address_of(body, content_type, PARAMETERS), most=most)
        else:
            image = image_of(body, content_type, most=most, parameters=PARAMETERS)
        with admission.prediction():
            answered = await predictor.predict(
                published, image, keep=route.keep, application=query.get("application")
            )
    predictor.meters.answered(published, perf_counter() - started)
    stored = {} if answered.stored is None else {STORED: str(answered.stored).lower()}
    return reply(answered.fields, 200, route.version, **stored)


def _asked_for(route: Route, query: dict[str, str], projects: Offer) -> Published:
    check_task(route.task)
    if route.name is None:  # v1 and v2
        return projects.numbered(route.project, query.get("iterationId"))
    return projects.named(route.project, route.name)
