"""URLs whose password no text shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from dahlia.masking import masked
from dahlia.settings.values import SecretUrl

MASKED = {
    "postgresql://rose@host/garden": "postgresql://rose@host/garden",
    "postgresql://rose:thorn@host/garden": "postgresql://rose:***@host/garden",
    "postgresql://rose:th@rn/x@host/garden": "postgresql://rose:***@host/garden",
    "postgresql://:thorn@host": "postgresql://:***@host",
    "postgresql://rose:th\norn@host": "postgresql://rose:***@host",
    "postgresql://host/garden?user=rose&password=thorn&x=1": "postgresql://host/garden?user=rose&password=***&x=1",
    "postgresql://host/garden?sslPassword=thorn": "postgresql://host/garden?sslPassword=***",
    "https://thorn@mlflow.example": "https://***@mlflow.example",
    "s3://KEY:thorn@bucket/prefix": "s3://KEY:***@bucket/prefix",
    "s3://bucket/prefix": "s3://bucket/prefix",
    "sqlite:////srv/dahlia.db": "sqlite:////srv/dahlia.db",
    "/srv/files": "/srv/files",
}


@pytest.mark.parametrize(("url", "shown"), MASKED.items())
def test_texts_show_no_password(url: str, shown: str) -> None:
    secret = SecretUrl(url)
    assert masked(url) == shown
    assert str(secret) == f"{secret}" == shown
    assert repr(secret) == repr(shown)
    assert secret.reveal() == url
    assert secret.is_masked is False


def test_json_and_repr_of_a_model_show_none() -> None:
    class Place(BaseModel):
        url: SecretUrl

    place = Place.model_validate({"url": "postgresql://rose:thorn@host/garden"})
    assert "thorn" not in repr(place) + str(place)
    assert json.loads(place.model_dump_json()) == {"url": "postgresql://rose:***@host/garden"}


def test_equal_exactly_where_the_passwords_are() -> None:
    one, same, other = (SecretUrl(f"x://a:{word}@h") for word in ("thorn", "thorn", "leaf"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "x://a:thorn@h"


ANCHORED = {
    "sqlite:///dahlia.db": "sqlite:////srv/dahlia.db",
    "sqlite+pysqlite:///sub/dahlia.db": "sqlite+pysqlite:////srv/sub/dahlia.db",
    "sqlite:////var/dahlia.db": "sqlite:////var/dahlia.db",
    "sqlite:///:memory:": "sqlite:///:memory:",
    "sqlite:///file:dahlia?uri=true": "sqlite:///file:dahlia?uri=true",
    "sqlite://": "sqlite://",
    "files": "/srv/files",
    "/var/files": "/var/files",
    "s3://bucket/prefix": "s3://bucket/prefix",
    "postgresql://host/garden": "postgresql://host/garden",
}


@pytest.mark.parametrize(("url", "absolute"), ANCHORED.items())
def test_relative_files_stay_where_they_are(url: str, absolute: str) -> None:
    assert SecretUrl(url).anchored(Path("/srv")).reveal() == absolute


def test_a_copied_mask_is_seen() -> None:
    assert SecretUrl("postgresql://rose:***@host").is_masked
