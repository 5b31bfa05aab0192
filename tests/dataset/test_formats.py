from __future__ import annotations

from typing import get_args

import pytest

from dahlia.dataset.formats import FORMATS, SUFFIXES, ImageFormat, format_of, sniff
from dahlia.errors import ImageError


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x18ftypcrx \0\0\0\0", "a camera's raw photo (CR3). Convert it"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0", "a video"),
        (b"II+\0" + bytes(20), "BigTIFF. Convert it"),
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
        (b"hello", "5 bytes that begin with 'hello'"),
        (b"\x01\x02\xff, world", "10 bytes that begin with 01 02 ff 2c 20 77 6f 72"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, words: str) -> None:
    assert format_of(data) is None
    with pytest.raises(ImageError) as refused:
        sniff(data)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypheix\0\0\0\0mif1heix", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", "AVIF"),
        (b"\0\0\0\x18ftypavis\0\0\0\0avifmsf1", "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1tmap", "HEIC"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mif1heic", None),
        (b"\xff\xff\xff\xffftypheic", "HEIC"),
    ],
)
def test_formats_of_phones_and_scanners(data: bytes, format: str | None) -> None:
    assert format_of(data) == format


def test_every_format_has_suffixes_and_is_named() -> None:
    assert set(SUFFIXES) == set(get_args(ImageFormat))
    assert {name.lower() for name in SUFFIXES} == set(FORMATS.lower().replace(" or", ",").split(", "))
    assert len({suffix for suffixes in SUFFIXES.values() for suffix in suffixes}) == 15
