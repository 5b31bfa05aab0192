from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.http.body import image_of
from dahlia.http.form_parts import MAX_PARTS, read_parts
from dahlia.serving.bentoml_support import read_form, texts_of, write_form

FORM = "multipart/form-data; boundary=x"


def part(name: str, content: bytes, *, file: bool = False, headers: str = "") -> bytes:
    named = f'name="{name}"' + ('; filename="a"' if file else "")
    return f"--x\r\nContent-Disposition: form-data; {named}\r\n{headers}\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--x--\r\n"


IMAGE = part("image", b"bytes", file=True)


def as_bentoml_reads_it(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Names and contents by the parser that BentoML uses; a file's with its file name before it."""

    async def show(request: Request) -> JSONResponse:
        async with request.form() as fields:
            return JSONResponse([(name, await _shown(value)) for name, value in fields.multi_items()])

    with TestClient(Starlette(routes=[Route("/", show, methods=["POST"])])) as client:
        response = client.post("/", content=body, headers={"content-type": content_type})
    return [(name, value) for name, value in response.json()]


async def _shown(value: str | UploadFile) -> str:
    if isinstance(value, str):
        return value
    return f"{value.filename}: {(await value.read()).decode('latin-1')}"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([IMAGE], []),
        ([part("IMAGE", b"bytes", file=True)], []),
        ([IMAGE, part("name", b"production")], [("name", '"production"')]),
        ([IMAGE, part("name", b'"production"')], [("name", '"production"')]),
        ([IMAGE, part("name", b"2024")], [("name", '"2024"')]),
        ([IMAGE, part("name", b"[1]")], [("name", '"[1]"')]),
        ([IMAGE, part("name", b"[" * 8_000)], [("name", '"' + "[" * 8_000 + '"')]),
        ([IMAGE, part("name", b"null")], []),
        ([IMAGE, part("name", "日本".encode())], [("name", '"\\u65e5\\u672c"')]),
        ([IMAGE, part("name", b"a"), part("name", b"b")], [("name", '"b"')]),
        ([IMAGE, part("project", b"a\r\n--"), part("other", b"x")], [("project", '"a\\r\\n--"')]),
        ([IMAGE, part("+AGkAbQBhAGcAZQ-", b"http://127.0.0.1/")], []),
    ],
)
@pytest.mark.parametrize("charset", ["", "; charset=utf-7", "; charset=utf-16", "; charset=nonsense"])
def test_what_bentoml_sees(parts: list[bytes], expected: list[tuple[str, str]], charset: str) -> None:
    """`+AGkAbQBhAGcAZQ-` is `image` in UTF-7: BentoML would fetch the address from there."""
    read = read_form(form(*parts), FORM + charset, "image")
    body, content_type = write_form(read, "image")
    assert as_bentoml_reads_it(body, content_type) == [*expected, ("image", "image: bytes")]


def test_all_files_of_a_batch_are_there() -> None:
    sent = form(
        *(part(name, bytes([48 + n]), file=True) for n, name in enumerate(["images", "file", "a", ""]))
    )
    seen = as_bentoml_reads_it(*write_form(read_form(sent, FORM, "images", several=True), "images"))
    assert seen == [("images", f"images: {n}") for n in range(4)]


def test_a_boundary_cannot_be_guessed() -> None:
    parts = read_form(form(IMAGE), FORM, "image")
    assert write_form(parts, "image")[1] != write_form(parts, "image")[1]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"bytes", "application/json", 415),
        (b"bytes", "application/x-www-form-urlencoded", 415),
        (b"bytes", "", 415),
        (b"", "", 415),
        (form(IMAGE, part("image", b"http://127.0.0.1/")), FORM, 400),
        (form(IMAGE, part("other", b"x", file=True)), FORM, 400),
        (form(IMAGE, part("name", b"\xff\xfe")), FORM, 400),
        (form(IMAGE, part("name", b"a" * 100_000)), FORM, 400),
        (form(part("image", b"", file=True)), FORM, 400),
        (form(part("name", b"v1")), FORM, 400),
    ],
)
def test_what_is_no_form_with_a_file(body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(ServiceError) as caught:
        read_form(body, content_type, "image")
    assert caught.value.status == status


def test_texts() -> None:
    sent = form(part("tag", b"red"), part("name", b'"v1"'), part("project", b"null"), IMAGE)
    assert texts_of(read_form(sent, FORM, "image")) == {"tag": "red", "name": "v1"}


LONG = "multipart/form-data; boundary=" + "x" * 257
MALFORMED = [
    (b"", FORM),
    (b"bytes", "multipart/form-data"),
    (b"bytes", "multipart/form-data; boundary="),
    (form(IMAGE), "multipart/form-data; boundary=y"),
    (form(IMAGE), 'multipart/form-data; boundary="'),
    (form(IMAGE) + b"more", FORM),
    (form(part("a", b"1", headers="X-A: " + "a" * 2_000 + "\r\n")), FORM),
    (form(part("a", b"1", file=True, headers="Content-Transfer-Encoding: x-own\r\n")), FORM),
    (form(part("a", b"\r\n--xy" * 2_000, file=True)), FORM),
    (form(IMAGE), "multipart/form-data; boundary=\xe9"),
    (form(IMAGE), LONG),
    (IMAGE, FORM),
    (IMAGE[:-2], FORM),
    (form(*[part("a", b"1")] * (MAX_PARTS + 1)), FORM),
    (form(*[part("a", b"1")] * 10_000), FORM),
    (form(*[part("a", b"1", file=True)] * 10_000), FORM),
    (form(part("a", b"1", headers="X-A: " + "a" * 1_000_000 + "\r\n")), FORM),
    (form(part("a", b"1", headers="a" * 1_000_000 + ": 1\r\n")), FORM),
    (form(part("a", b"1", headers="X: 1\r\n" * 100_000)), FORM),
    (b"--x\r\nContent-Disposition\r\n\r\nbytes\r\n--x--\r\n", FORM),
    (b"--x\r\n\r\nbytes\r\n--x--\r\n", FORM),
    (form(part("image", b"!", file=True, headers="Content-Transfer-Encoding: base64\r\n")), FORM),
    (b"x" * 100_000 + form(IMAGE), FORM),
]


@pytest.mark.parametrize(("body", "content_type"), MALFORMED)
def test_malformed_forms(body: bytes, content_type: str) -> None:
    with pytest.raises(ServiceError) as caught:
        image_of(body, content_type, "image")
    assert (caught.value.status, caught.value.code) == (400, "BadRequestImageStream")


def test_as_many_parts_as_are_allowed() -> None:
    parts = read_parts(form(*[part("a", b"1")] * MAX_PARTS), FORM)
    assert parts is not None
    assert len(parts) == MAX_PARTS


def test_a_nested_form_is_a_file_like_any_other() -> None:
    inner = b"--y\r\nContent-Disposition: form-data; name=image\r\n\r\nother\r\n--y--"
    nested = part("image", inner, file=True, headers="Content-Type: multipart/mixed; boundary=y\r\n")
    assert image_of(form(nested), FORM, "image") == inner
