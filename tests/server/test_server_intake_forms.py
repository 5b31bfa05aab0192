"""The images in the bodies that SDKs, curl and browsers send."""

from __future__ import annotations

import pytest

from dahlia.server.contract.errors import ServiceError
from dahlia.server.intake.forms import read_image_parts

FORM = 'multipart/form-data; boundary="---b"'
ONE, TWO = bytes(range(256)) * 40, b"\r\n-----\r\n\xff\xd8" * 300


def form(*parts: tuple[str, bytes]) -> bytes:
    pieces = [b"-----b\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + data + b"\r\n"
              for head, data in parts]  # fmt: skip
    return b"".join(pieces) + b"-----b--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "images"),
    [
        ("application/octet-stream", ONE, [ONE]),
        ("", ONE, [ONE]),
        ("image/jpeg", ONE, [ONE]),
        (FORM, form(('name="imageData"', ONE)), [ONE]),
        (FORM, form(('name="imageData"; filename="a.jpg"\r\nContent-Type: image/jpeg', ONE)), [ONE]),
        (FORM, form(('name="imageData"\r\nContent-Type: application/octet-stream', ONE)), [ONE]),
        (FORM, form(('name="ImageData"; filename="ü.jpg"', ONE), ('name="imageData"', TWO)), [ONE, TWO]),
        (FORM, form(('name="other"', b"text"), ('name="imageData"', TWO)), [TWO]),
        (FORM, form(('name="imageData"', b""), ('name="imageData"; filename="x"', ONE)), [b"", ONE]),
        (FORM, form(*[('name="imageData"; filename="x"', ONE)] * 64), [ONE] * 64),
        (FORM, form(('name="imageData"; filename="x"', bytes(6 << 20))), [bytes(6 << 20)]),
    ],
)
def test_finds_the_images(content_type: str, body: bytes, images: list[bytes]) -> None:
    assert read_image_parts(content_type, body) == images


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("application/octet-stream", b"", "an empty body"),
        (FORM, b"", "stops before"),
        (FORM, form(), "no field"),
        (FORM, form(('name="image"', ONE)), "the fields 'image'"),
        (FORM, form(('name="imageData"', ONE), ('name="imageData"', ONE))[:-20], "stops before"),
        (FORM, form(*[('name="imageData"', b"")] * 1001), "more than 1000 parts"),
        ("multipart/form-data", form(('name="imageData"', ONE)), "stops before"),
        ("multipart/form-data; boundary=" + "b" * 300, form(('name="imageData"', ONE)), "stops before"),
        (FORM, ONE + b"-----b--", "cannot be parsed"),
        (FORM, ONE, "stops before"),
    ],
)
def test_refuses_what_holds_none(content_type: str, body: bytes, words: str) -> None:
    with pytest.raises(ServiceError, match=words) as refused:
        read_image_parts(content_type, body)
    assert (refused.value.code, refused.value.status) == ("BadRequestImageStream", 400)
