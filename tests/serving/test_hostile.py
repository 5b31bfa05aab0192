"""What people send who mean harm: each is refused, in a moment, and harms nobody else."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from running_services import SERVICE, make_project
from serving_helpers import PROJECT_ID, picture, png_of_size, serving, url
from starlette.testclient import TestClient
from test_forms import MALFORMED

from dahlia.dataset.polyglots import refuse_polyglot
from dahlia.errors import ImageError
from heif_samples import HEVC, PICTURE, Made, heic, heif

FORM = {"content-type": "multipart/form-data; boundary=x"}
PAGE = b"<!DOCTYPE html><html><script>alert(1)</script></html>"


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("page.html", PAGE)
    return buffer.getvalue()


def block(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(edge: int) -> bytes:
    """A PNG of so many pixels that really are in it, two colours, in some kilobytes."""
    packer = zlib.compressobj(9)
    row = bytes(1 + edge // 8)
    pixels = b"".join(packer.compress(row) for _ in range(edge)) + packer.flush()
    header = struct.pack(">IIBBBBB", edge, edge, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", pixels) + block(b"IEND", b"")


def with_block(kind: bytes, start: bytes) -> bytes:
    """A small PNG with a block that unpacks to 100 MB."""
    png = picture(kind="PNG")
    return png[:33] + block(kind, start + zlib.compress(bytes(100 << 20), 1)) + png[33:]


def gif_of_size(width: int, height: int) -> bytes:
    gif = picture(kind="GIF")
    return gif[:6] + struct.pack("<HH", width, height) + gif[10:]


def tiff_of_size(edge: int) -> bytes:
    tags = [(256, edge), (257, edge), (258, 8), (259, 8), (262, 1), (273, 8), (277, 1), (278, edge), (279, 9)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 20) + bytes(12) + struct.pack("<H", len(tags)) + entries + bytes(4)


def avif_of_size(edge: int) -> bytes:
    """A small AVIF that says another size."""
    avif = picture(kind="AVIF")
    place = avif.index(b"ispe") + 8
    return avif[:place] + struct.pack(">II", edge, edge) + avif[place + 8 :]


def animation() -> bytes:
    frames = [Image.new("P", (64, 48), n % 2) for n in range(100)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


PHOTO = picture()
IMAGES = {
    "PNG bomb": (bomb(20_000), "BadRequestImageDimensions"),
    "PNG that is large at work": (bomb(10_000), "BadRequestImageDimensions"),
    "PNG, a million by one": (png_of_size(1_000_000, 1), "BadRequestImageDimensions"),
    "PNG, one by a million": (png_of_size(1, 1_000_000), "BadRequestImageDimensions"),
    "PNG, no pixels": (png_of_size(0, 0), "BadRequestImageFormat"),
    "GIF bomb": (gif_of_size(65535, 65535), "BadRequestImageDimensions"),
    "JPEG bomb": (PHOTO.replace(struct.pack(">HH", 48, 64), b"\xff\xdc" * 2, 1), "BadRequestImageDimensions"),
    "cut JPEG": (PHOTO[:-40], "BadRequestImageFormat"),
    "JPEG without its end and more": (PHOTO[:-5], "BadRequestImageFormat"),
    "JPEG without its end, page": (PHOTO[:-2] + PAGE, "BadRequestImageFormat"),
    "PNG without its end, page": (picture(kind="PNG")[:-12] + PAGE, "BadRequestImageFormat"),
    "cut PNG": (picture(kind="PNG")[:-30], "BadRequestImageFormat"),
    "cut GIF": (picture(kind="GIF")[:-10], "BadRequestImageFormat"),
    "cut BMP": (picture(kind="BMP")[:-10], "BadRequestImageFormat"),
    "cut WebP": (picture(kind="WEBP")[:-10], "BadRequestImageFormat"),
    "JPEG and archive": (PHOTO + archive(), "BadRequestImageFormat"),
    "JPEG, archive, JPEG's end": (PHOTO + archive() + b"\xff\xd9", "BadRequestImageFormat"),
    "PNG and archive": (picture(kind="PNG") + archive(), "BadRequestImageFormat"),
    "JPEG and page": (PHOTO + PAGE, "BadRequestImageFormat"),
    "JPEG and PHP": (PHOTO + b"\n<?php system($_GET['x']); ?>", "BadRequestImageFormat"),
    "PNG and page": (picture(kind="PNG") + PAGE, "BadRequestImageFormat"),
    "GIF and page": (picture(kind="GIF") + PAGE, "BadRequestImageFormat"),
    "page and JPEG": (PAGE + PHOTO, "BadRequestImageFormat"),
    "PHP with a GIF's head": (b"GIF89a<?php system($_GET['x']); ?>", "BadRequestImageFormat"),
    "script with a GIF's head": (b"GIF89a/*" + bytes(100) + b"*/=1;alert(1)", "BadRequestImageFormat"),
    "SVG": (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "BadRequestImageFormat"),
    "SVG with entities": (b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>", "BadRequestImageFormat"),
    "archive": (archive(), "BadRequestImageFormat"),
    "PDF": (picture(kind="PDF"), "BadRequestImageFormat"),
    "PostScript": (picture(kind="EPS"), "BadRequestImageFormat"),
    "TIFF bomb": (tiff_of_size(60_000), "BadRequestImageDimensions"),
    "cut TIFF": (picture(kind="TIFF")[:-200], "BadRequestImageFormat"),
    "HEIC of nothing": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "BadRequestImageFormat"),
    "HEIC of many pictures": (heif(heic(data=PICTURE * 50)), "BadRequestImageFormat"),
    "HEIC that says more than it is": (
        heif(Made(b"hvc1", PICTURE, (*HEVC[:2], (b"ispe", bytes(4) + struct.pack(">II", 60_000, 60_000))))),
        "BadRequestImageDimensions",
    ),
    "cut HEIC": (heif(heic())[:-10], "BadRequestImageFormat"),
    "cut AVIF": (picture(kind="AVIF")[:-10], "BadRequestImageFormat"),
    "AVIF bomb": (avif_of_size(60_000), "BadRequestImageDimensions"),
    "AVIF that says less than it is": (avif_of_size(1), "BadRequestImageFormat"),
    "Netpbm": (picture(kind="PPM"), "BadRequestImageFormat"),
    "zeros": (bytes(1000), "BadRequestImageFormat"),
    "nothing": (b"", "BadRequestImageStream"),
}


@pytest.mark.parametrize(("image", "code"), IMAGES.values(), ids=IMAGES.keys())
def test_images(client: TestClient, image: bytes, code: str) -> None:
    response = client.post(url(), content=image)
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert len(response.json()["message"]) > 40


@pytest.mark.parametrize(
    "image",
    [
        PHOTO + bytes(100),
        PHOTO + PHOTO,  # a depth map, a brighter one
        PHOTO + struct.pack(">I", 24) + b"ftypmp42" + bytes(1000),  # a film
        PHOTO + b"<?xpacket begin=''?><x:xmpmeta/>",
        PHOTO + b"PK\x05\x06 of a note",
        picture(kind="PNG") + bytes(100),
        animation(),
        picture(kind="WEBP"),
        picture(kind="BMP"),
        picture(kind="TIFF"),
        picture(kind="AVIF"),
        heif(heic()),
        PHOTO[:-2],
        picture(kind="PNG")[:-12],
        with_block(b"zTXt", b"a\0\0"),
        with_block(b"iCCP", b"a\0\0"),
    ],
)
def test_what_cameras_and_editors_write(client: TestClient, image: bytes) -> None:
    refuse_polyglot(image)
    assert client.post(url(), content=image).status_code == 200


def test_an_archive_behind_a_long_comment() -> None:
    long = archive()[:-2] + struct.pack("<H", 65535) + bytes(65535)
    with pytest.raises(ImageError, match="ZIP"):
        refuse_polyglot(PHOTO + long)


ADDRESSES = [
    "file:///etc/passwd",
    "ftp://127.0.0.1/a.jpg",
    "gopher://127.0.0.1:25/_HELO",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "jar:http://127.0.0.1!/a.jpg",
    "//127.0.0.1/a.jpg",
    "http:///a.jpg",
    "http://[::1",
    "http://127.0.0.1:99999/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://[::ffff:127.0.0.1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://user:password@127.0.0.1/",
    "http://127.0.0.1/\r\nHost: other",
    "\0",
    "",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses(client: TestClient, address: str) -> None:
    response = client.post(url(end="url"), json={"url": address})
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestImageUrl")


@pytest.mark.parametrize(
    "body",
    [
        b'{"url": ' + b"[" * 100_000,
        b'{"url": ' + b'{"url": ' * 100_000,
        b'{"url": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"url": 1' + b"0" * 100_000 + b"}",
        b'{"url": NaN}',
        b'{"url": null}',
        b'{"url": "http://127.0.0.1/", "URL": null}',
        b'{"\\ud800": 1}',
        b'"' + b"a" * 1_000_000 + b'"',
        b"\xef\xbb\xbf{}",
        '{"url": "http://127.0.0.1/"}'.encode("utf-16"),
    ],
)
def test_json(client: TestClient, body: bytes) -> None:
    response = client.post(url(end="url"), content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestImageUrl")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The service in one process, so that a harmed client's process is this one."""
    root = make_project(tmp_path_factory.mktemp("project"), {"Iteration 1": 1}).root
    with serving(SERVICE, root, tmp_path_factory.mktemp("bentoml"), DAHLIA_WORKERS="1") as (base, _):
        yield base, root / "serve.log"


@contextmanager
def others(base: str) -> Iterator[None]:
    """Somebody else, whose requests are all answered meanwhile, each within two seconds."""
    done = threading.Event()
    answers: list[tuple[int, bool]] = []

    def ask() -> None:
        while True:
            started = time.monotonic()
            status, _ = post(base, PHOTO)
            answers.append((status, time.monotonic() - started < 2))
            if done.is_set():
                break

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in asking:
            thread.join()
    assert len(answers) >= 2
    assert set(answers) == {(200, True)}


def post(base: str, body: bytes, path: str = "", **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(base + (path or url()), body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def raw(base: str, *pieces: bytes, ends: bool = False) -> bytes:
    """What comes back to bytes, sent as they are; `ends` closes our side after them."""
    place = urlsplit(base)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        return connection.recv(65536)


def head(*lines: str) -> bytes:
    return "\r\n".join([f"POST {url()} HTTP/1.1", "Host: a", *lines, "", ""]).encode()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_others_are_not_harmed(alone: tuple[str, Path]) -> None:
    base, log = alone
    with others(base):
        for image, code in IMAGES.values():
            status, answer = post(base, image)
            assert (status, answer["code"]) == (400, code)
        for body, content_type in MALFORMED:
            for path in (url(), "/predict", "/predict_batch"):
                status, answer = post(base, body, path, **{"Content-Type": content_type})
                assert status == 400, (content_type, answer)
                assert answer["code"] == "BadRequestImageStream"
        for address in ADDRESSES:
            status, answer = post(base, json.dumps({"url": address}).encode(), url(end="url"))
            assert (status, answer["code"]) == (400, "BadRequestImageUrl")
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("pieces", "ends", "status"),
    [
        ([head("Content-Length: 100"), PHOTO[:50]], True, b""),
        ([head(f"Content-Length: {len(PHOTO) - 10}"), PHOTO], False, b"400"),
        ([head("Content-Length: -1"), PHOTO], False, b"400"),
        ([head("Content-Length: 1e3"), PHOTO], False, b"400"),
        ([head("Content-Length: 10", "Content-Length: 20"), PHOTO], False, b"400"),
        ([head("Content-Length: 10", "Transfer-Encoding: chunked"), b"zz\r\n"], False, b"400"),
        ([head("Transfer-Encoding: chunked"), b"zz\r\n"], False, b"400"),
        ([head("Transfer-Encoding: chunked"), b"ffffffffffffffffff\r\n"], False, b"400"),
        ([head("Content-Length: 99999999999999999999999"), PHOTO], False, b"400"),
        ([head("Content-Length: 999999999999"), PHOTO], False, b"400"),
        ([head("A: " + "a" * 200_000), b""], False, b"4"),
        ([b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"], False, b"400"),
        ([b"GET / HTTP/0.9\r\n\r\n\r\n"], True, b""),
    ],
)
def test_wrong_lengths_and_frames(
    alone: tuple[str, Path], pieces: list[bytes], ends: bool, status: bytes
) -> None:
    base, log = alone
    with others(base):
        answer = raw(base, *pieces, ends=ends)
    assert not answer.startswith(b"HTTP/1.1 5")
    if status:
        assert answer.startswith(b"HTTP/1.1 " + status)
    assert post(base, PHOTO)[0] == 200
    assert "Traceback" not in log.read_text()


def test_ids_are_no_paths(client: TestClient) -> None:
    for project in ("..%2f..%2fetc", "%00", "a" * 5000, PROJECT_ID + "%0a"):
        response = client.post(url(project=project), content=PHOTO)
        assert (response.status_code, response.json()["code"]) == (400, "BadRequestInvalidIds")
