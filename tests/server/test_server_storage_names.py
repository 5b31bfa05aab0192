"""Where each kind of file lies."""

from __future__ import annotations

import pytest

from dahlia.server.storage import names
from dahlia.server.storage.backend import StorageError, scrub
from dahlia.server.storage.names import check_key

SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (names.image_key(SHA, ".jpg"), f"images/01/{SHA}.jpg"),
        (names.thumbnail_key(SHA), f"thumbnails/01/{SHA}.jpg"),
        (names.resized_key(SHA), f"resized/01/{SHA}.jpg"),
        (names.iteration_prefix("7"), "iterations/7"),
        (names.export_key("7", "onnx.zip"), "exports/7/onnx.zip"),
        (names.history_key("9"), "histories/9.bundle"),
    ],
)
def test_every_kind_has_its_folder(key: str, expected: str) -> None:
    assert check_key(key) == expected


@pytest.mark.parametrize(
    ("sha256", "suffix"),
    [
        ("../../etc", ".jpg"),
        (SHA.upper(), ".jpg"),
        (SHA + "0", ".jpg"),
        (SHA, "jpg"),
        (SHA, "./x"),
        (SHA, ""),
    ],
)
def test_nothing_else_names_an_image(sha256: str, suffix: str) -> None:
    with pytest.raises(StorageError, match=r"Expected a (SHA-256|suffix)"):
        names.image_key(sha256, suffix)


@pytest.mark.parametrize(
    ("key", "sha256"),
    [(names.image_key(SHA, ".png"), SHA), (names.thumbnail_key(SHA), SHA), ("images/readme.txt", "")],
)
def test_the_content_is_read_from_the_name(key: str, sha256: str) -> None:
    assert names.sha256_of_key(key) == sha256


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Could not reach https://user:pass@host/x?X-Amz-Credential=abc.", "Could not reach https://host/x"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("What is this? Nothing.", "What is this Nothing."),
    ],
)
def test_no_credential_is_told(text: str, expected: str) -> None:
    assert scrub(text) == expected
