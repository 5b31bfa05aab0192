"""The images in the bodies that SDKs, curl and browsers send."""

from __future__ import annotations

import base64
import contextlib
from random import Random

import pytest

from dahlia.errors import ServiceError
from dahlia.server.api.image_bodies import read_images, read_one_image

FORM = 'multipart/form-data; boundary="---b"'
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256))
JPEG_TEXT = base64.encodebytes(JPEG)
TEXT = b"one\nand another line"
ONE, TWO = bytes(range(256)) * 40, b"\r\n-----\r\n\xff\xd8" * 300


def form(*parts: tuple[str, bytes]) -> bytes:
    pieces = [b"-----b\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + data + b"\r\n"
              for head, data in parts]  # fmt: skip
    return b"".join(pieces) + b"-----b--\r\n"


MICROCONTROLLER = (
    b'-----b\r\nContent-Disposition: form-data; name="key"\r\n\r\n'
    b'-----b\r\nContent-Disposition: form-data; name="imageFile"; filename="a.jpg"\r\n'
    b"Content-Type: Content-Type: image/jpg\r\n\r\n\r\n" + JPEG + b"-----b--\r\n"
)


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
        (FORM, form(('name="file"; filename="x"', b"text")), [b"text"]),
        (
            FORM,
            form(('name="imageData1"', b"a"), ('name="imageData[]"', b"b"), ('name="file"', ONE)),
            [b"a", b"b", ONE],
        ),
        (FORM, form(('filename="x"', ONE), ("", TWO)), [ONE, TWO]),
        (FORM, form(("name=\"a\"; filename*=utf-8''%C3%BC.jpg", b"text")), [b"text"]),
        (FORM, form(('name="a"\r\nContent-Type: image/jpeg', b"text")), [b"text"]),
        (FORM, form(('name="a"; filename=""', b""), ('name="b"; filename="x"', ONE)), [ONE]),
        (FORM, form(('name="a"', JPEG_TEXT)), [JPEG]),
        (FORM, form(('name="imageData"', b"data:image/jpeg;base64," + JPEG_TEXT)), [JPEG]),
        (FORM, form(('name="imageData"\r\nContent-Transfer-Encoding: base64', JPEG_TEXT)), [JPEG]),
        (
            FORM,
            form(('name="imageData"\r\nContent-Transfer-Encoding: quoted-printable', b"=FF=D8=\r\n=FF")),
            [b"\xff\xd8\xff"],
        ),
        ("", JPEG_TEXT, [JPEG]),
        ("text/plain", b"data:image/jpeg;base64," + JPEG_TEXT, [JPEG]),
        ("", form(('name="a"; filename="x"', ONE)), [ONE]),
        ("application/octet-stream", form(('name="a"; filename="x"', ONE)), [ONE]),
        ("multipart/form-data", form(('name="a"; filename="x"', ONE)), [ONE]),
        ("multipart/form-data", JPEG, [JPEG]),
        (FORM, JPEG, [JPEG]),
        (FORM, b"A preamble\r\n" + form(('name="a"; filename="x"', ONE)), [ONE]),
        (FORM, form(('name="a"; filename="x"', TEXT)).replace(b"\r\n", b"\n"), [TEXT]),
        (FORM, form(('name="a"; filename="x"', ONE)).replace(b"-----b\r", b"-----b \t\r") + b"\r\n", [ONE]),
        ("multipart/form-data; boundary=---b", form(('name="a"; filename="x"', ONE)), [ONE]),
        ("Multipart/Form-Data; Boundary=---b; charset=utf-8", form(('NAME="a"; FileName="x"', ONE)), [ONE]),
        (FORM, form(('name="imageData"', b""), ('name="imageData"; filename="x"', ONE)), [b"", ONE]),
        (FORM, form(*[('name="imageData"; filename="x"', ONE)] * 64), [ONE] * 64),
        (FORM, form(('name="imageData"; filename="x"', bytes(6 << 20))), [bytes(6 << 20)]),
        (FORM, MICROCONTROLLER, [JPEG]),
    ],
)
def test_finds_the_images(content_type: str, body: bytes, images: list[bytes]) -> None:
    assert list(read_images(content_type, body).images) == images


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('name="imageData"', None),
        ('name="imageData"; filename=""', None),
        ('name="imageData"; filename="a b.jpg"', "a b.jpg"),
        ("name=imageData; filename=a.jpg; filename*=utf-8''%C3%BC.jpg", "ü.jpg"),
        ('name="a"; filename*="utf-8\'\'a%20b.jpg"', "a b.jpg"),
        ("name=\"a\"; filename*=iso-8859-1'en'%FC.jpg", "ü.jpg"),
        (r'name="imageData"; filename="C:\photos\a.jpg"', "a.jpg"),
    ],
)
def test_files_keep_their_names(head: str, name: str | None) -> None:
    assert read_images(FORM, form((head, ONE))).files == (name,)


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("application/octet-stream", b"", "an empty body"),
        (FORM, b"", "an empty body"),
        ("multipart/form-data", b"", "an empty body"),
        (FORM, form(), "no field"),
        (FORM, form(('name="image"', b"text")), "the fields 'image'"),
        (FORM, form(('name="image"', b"t" * 10_000)), "a text of 10,000 bytes"),
        (FORM, form(('name="image"; filename=""', b"")), "no file was chosen"),
        ("application/json", b'{"images": []}', "images/files"),
        ("", b"https://example.com/a.jpg", "images/urls"),
        (FORM, form(('name="imageData"', ONE), ('name="imageData"', ONE))[:-20], "stops before"),
        (FORM, form(*[('name="imageData"', b"")] * 1001), "more than 1000 parts"),
        ("multipart/form-data", b"text", "Do not set the header Content-Type yourself"),
        ("multipart/form-data; boundary=c", form(('name="imageData"', ONE)), "does not occur"),
        ("multipart/form-data; boundary=" + "b" * 300, form(('name="imageData"', ONE)), "longer than 256"),
        (FORM, ONE + b"-----b--", "cannot be parsed"),
        (FORM, ONE, "does not occur"),
    ],
)
def test_refuses_what_holds_none(content_type: str, body: bytes, words: str) -> None:
    with pytest.raises(ServiceError, match=words) as refused:
        read_images(content_type, body)
    assert (refused.value.code, refused.value.status) == ("BadRequestImageStream", 400)


@pytest.mark.parametrize(
    "name",
    ["tagIds", "tagIds[0]", "tagids[]", "tagIds[a]", "tagIds{}", "tagIds.0", "tag_ids", " tagIds", "tagId"],
)
@pytest.mark.parametrize("more", ["", '; filename="blob"\r\nContent-Type: application/json'])
def test_lists_beside_the_images(name: str, more: str) -> None:
    found = read_images(FORM, form(('name="a"; filename="x"', JPEG), (f'name="{name}"{more}', b'["A"]')))
    assert (found.images, found.list_of("tagIds")) == ((JPEG,), ['["A"]'])


def test_names_that_are_mistaken_for_a_list() -> None:
    found = read_images(FORM, form(('name="a"; filename="x"', JPEG), ('name="comment"', b"b"), ("tags", b"")))
    assert found.list_of("tagIds") == []
    found = read_images(FORM, form(('name="a"; filename="x"', JPEG), ('name="tags"', b"b")))
    with pytest.raises(ServiceError, match="Did you mean tagIds"):
        found.list_of("tagIds")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            form(('name="a"; filename="x"', JPEG), ('name="b"; filename="x"', JPEG)),
            "2 files, in the fields 'a', 'b'",
        ),
        (form(('name="imageData"', b"text"), ('name="file"; filename="x"', JPEG)), "one image, received 2"),
        (form(('name="file"; filename="x"', JPEG), ('name="Store"', b"false")), "store in the query"),
        (form(('name="file"; filename="x"', b"")), "an empty file"),
        (form(('name="imageData"', b"https://example.com/a.jpg")), "url in place of image"),
        (form(('name="file"; filename="x"', bytes(1001))), "larger"),
    ],
)
def test_one_image_is_one(body: bytes, words: str) -> None:
    with pytest.raises(ServiceError, match=words) as refused:
        read_one_image(FORM, body, 1000)
    assert refused.value.status == 400
    assert (
        read_one_image(FORM, form(('name="file"; filename="x"', JPEG), ('name="note"', b"x")), 1000) == JPEG
    )


def test_bodies_that_were_tampered_with_are_read_or_refused() -> None:
    whole = form(('name="a"; filename="x"', ONE[:300]), ("", b"text"), ('name="imageData"', JPEG_TEXT))
    random = Random(1)
    for _ in range(3000):
        body = bytearray(whole)
        for _ in range(random.randint(1, 6)):
            at = random.randrange(len(body))
            body[at : at + random.randint(0, 9)] = random.choice(
                [b"", b"\r\n", b"--", b'"', b"-----b", b"\xff", b":"]
            )
        for content_type in (FORM, "", "multipart/form-data"):
            with contextlib.suppress(ServiceError):
                assert read_images(content_type, bytes(body)).images


@pytest.mark.parametrize(
    "body",
    [
        b"--" + b" " * 3_000_000,
        b"-----b\r\n\r\n" + b"\r\n-----b-" * 300_000,
        b" " * 3_000_000,
        form(*[("x=" + ';"' * 400, b"")] * 1000),
        b"-----b\r\n" + b"a:" * 1_000_000,
        b"data:" + b"a" * 3_000_000,
        b"<?xml" + b" " * 3_000_000,
    ],
    ids=range(7),
)
def test_work_is_bounded_whatever_a_body_repeats(body: bytes) -> None:
    with contextlib.suppress(ServiceError):
        read_images(FORM, body)
