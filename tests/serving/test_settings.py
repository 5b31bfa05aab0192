from __future__ import annotations

import os
from pathlib import Path

import pytest

from dahlia.errors import ConfigError
from dahlia.serving import settings as settings_module
from dahlia.serving.settings import read_settings


def test_defaults() -> None:
    settings = read_settings({})
    assert (settings.key, settings.model_threads, settings.model_memory) == (None, 1, 1 << 30)
    assert settings.predictions is None
    assert settings.projects == ()
    assert settings.url_fetch == "public"


def test_from_where_images_are_fetched() -> None:
    assert read_settings({"DAHLIA_URL_FETCH": "any"}).url_fetch == "any"
    with pytest.raises(ConfigError, match="DAHLIA_URL_FETCH"):
        read_settings({"DAHLIA_URL_FETCH": "all"})


@pytest.mark.parametrize(("cores", "workers", "threads"), [(1, 1, 2), (2, 2, 2), (4, 4, 2), (16, 4, 8)])
def test_processes_and_threads_follow_the_cores(
    cores: int, workers: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "usable_cores", lambda: cores)
    settings = read_settings({})
    assert (settings.workers, settings.threads) == (workers, threads)


def test_memory_for_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "machine_memory", lambda: 8 << 30)
    assert read_settings({}).decode_memory == 2 << 30
    assert read_settings({"DAHLIA_DECODE_MEMORY": "300"}).decode_memory == 300 << 20
    with pytest.raises(ConfigError, match="DAHLIA_DECODE_MEMORY"):
        read_settings({"DAHLIA_DECODE_MEMORY": "0"})


def test_folders_of_projects() -> None:
    settings = read_settings({"DAHLIA_PROJECTS": os.pathsep.join(["a", "", "/b c"])})
    assert settings.projects == (Path("a"), Path("/b c"))


def test_an_empty_key_is_no_key() -> None:
    assert read_settings({"DAHLIA_PREDICTION_KEY": ""}).key is None


@pytest.mark.parametrize(
    "name", ["DAHLIA_WORKERS", "DAHLIA_THREADS", "DAHLIA_MODEL_THREADS", "DAHLIA_MODEL_MEMORY"]
)
@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_counts(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_settings({name: text})


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_seconds(text: str) -> None:
    with pytest.raises(ConfigError, match="DAHLIA_POLL_SECONDS"):
        read_settings({"DAHLIA_POLL_SECONDS": text})
