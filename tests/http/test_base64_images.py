"""Images as base64 text, in place of their bytes."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from dahlia.http.form_images import unwrapped
from heif_samples import heic, heif


def saved(kind: str) -> bytes:
    if kind == "HEIC":
        return heif(heic())
    file = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "HEIC"])
@pytest.mark.parametrize("prefix", [b"", b"data:image/any;base64,", b"\n "])
def test_an_image_of_any_format_is_unwrapped(kind: str, prefix: bytes) -> None:
    image = saved(kind)
    for text in (base64.b64encode(image), base64.urlsafe_b64encode(image), base64.encodebytes(image)):
        assert unwrapped(prefix + text) == image
    assert unwrapped(image) == image


@pytest.mark.parametrize("data", [b"", b"AAAAGGZ0eXB", b"SUkq", b"/9j/!", b"data:image/png;base64,!"])
def test_what_is_no_image_stays(data: bytes) -> None:
    assert unwrapped(data) == data
