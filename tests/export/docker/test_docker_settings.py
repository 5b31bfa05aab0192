from __future__ import annotations

import pytest

from dahlia.errors import ConfigError
from dahlia.export.docker.context.settings import read_settings


def test_defaults() -> None:
    settings = read_settings({"PREDICTION_KEY": "", "PORT": ""})
    assert (settings.host, settings.port, settings.key, settings.reach) == ("0.0.0.0", 80, None, "public")
    assert settings.threads >= 1


def test_values() -> None:
    given = {"HOST": "::1", "PORT": "8080", "PREDICTION_KEY": "k", "URL_FETCH": "off", "THREADS": "3"}
    settings = read_settings(given)
    assert (settings.host, settings.port, settings.key) == ("::1", 8080, "k")
    assert (settings.reach, settings.threads) == ("off", 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("THREADS", "0"),
        ("THREADS", "²"),
        ("URL_FETCH", "all"),
        ("ORIGINS", "app.example"),
    ],
)
def test_values_that_cannot_be_used(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_settings({name: value})
