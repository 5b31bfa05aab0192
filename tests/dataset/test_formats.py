from __future__ import annotations

import pytest

from dahlia.dataset.formats import format_of, sniff
from dahlia.errors import ImageError


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC, the format of iPhones. Save the photo as JPEG"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF. Convert it"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0", "a video"),
        (b"II*\0" + bytes(20), "TIFF. Convert it"),
        (b"%PDF-1.7", "PDF. Save the page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"PK\x03\x04" + bytes(30), "a ZIP archive. Unpack it"),
        (b"\x1f\x8b" + bytes(30), "a compressed archive"),
        (b"<!DOCTYPE html><html><svg></svg></html>", "a web page"),
        (b"\n  <HTML><body>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer"),
        (b'{"error": "not found"}', "JSON"),
        (b"<?xml version='1.0'?><Error/>", "XML"),
        (b"https://example.com/a.jpg", "an address"),
        (b"data:text/plain,hello", "a data URL"),
        (b"/9j/4AAQSkZJRgAB", "base64 text"),
        (b"hello", "5 bytes that begin with b'hello'"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, words: str) -> None:
    assert format_of(data) is None
    with pytest.raises(ImageError) as refused:
        sniff(data)
    assert words in str(refused.value)
