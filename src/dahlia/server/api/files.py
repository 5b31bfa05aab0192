"""Files behind signed addresses, which need no key."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from dahlia.server.contract.models import ServiceErrorBody
from dahlia.server.http.access import TheServer
from dahlia.server.http.addresses import FILES
from dahlia.server.http.files import file_answer

router = APIRouter(tags=["Files"])


@router.get(
    FILES + "{key:path}",
    response_class=Response,
    responses={
        200: {"description": "the file", "content": {"application/octet-stream": {}}},
        304: {"description": "the client already has it"},
        403: {"model": ServiceErrorBody, "description": "the address was not signed here, or has expired"},
        404: {"model": ServiceErrorBody, "description": "the file was deleted"},
    },
)
def get_file(server: TheServer, request: Request, key: str) -> Response:
    """A file that an answer of the API named: use its address unchanged, with the signature."""
    server.links.check(FILES + key, request.url.query, server.now())
    return file_answer(server, request, key)
