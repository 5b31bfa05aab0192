from __future__ import annotations

import pytest

from dahlia.errors import ConfigError
from dahlia.serving.settings import read_settings


def test_defaults() -> None:
    settings = read_settings({})
    assert (settings.key, settings.workers, settings.model_threads) == (None, 1, 1)
    assert settings.threads >= 1
    assert settings.predictions is None
    assert settings.url_fetch == "public"


def test_from_where_images_are_fetched() -> None:
    assert read_settings({"DAHLIA_URL_FETCH": "any"}).url_fetch == "any"
    with pytest.raises(ConfigError, match="DAHLIA_URL_FETCH"):
        read_settings({"DAHLIA_URL_FETCH": "all"})


def test_an_empty_key_is_no_key() -> None:
    assert read_settings({"DAHLIA_PREDICTION_KEY": ""}).key is None


@pytest.mark.parametrize("name", ["DAHLIA_WORKERS", "DAHLIA_THREADS", "DAHLIA_MODEL_THREADS"])
@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_counts(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_settings({name: text})


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_seconds(text: str) -> None:
    with pytest.raises(ConfigError, match="DAHLIA_POLL_SECONDS"):
        read_settings({"DAHLIA_POLL_SECONDS": text})
