from __future__ import annotations

import os
from pathlib import Path

import pytest

from dahlia.errors import ConfigError
from dahlia.settings import service as settings_module
from dahlia.settings.display import settings_toml
from dahlia.settings.server import load_settings
from dahlia.settings.service import read_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
    assert read_settings({"DAHLIA_DECODE_MEMORY": "0"}).decode_memory == 2 << 30
    with pytest.raises(ConfigError, match="DAHLIA_DECODE_MEMORY"):
        read_settings({"DAHLIA_DECODE_MEMORY": "-1"})


def test_folders_of_projects() -> None:
    settings = read_settings({"DAHLIA_PROJECTS": os.pathsep.join(["a", "", "/b c"])})
    assert settings.projects == (Path("a"), Path("/b c"))


def test_an_empty_key_is_no_key() -> None:
    assert read_settings({"DAHLIA_PREDICTION_KEY": ""}).key is None


@pytest.mark.parametrize(
    "name", ["DAHLIA_WORKERS", "DAHLIA_THREADS", "DAHLIA_MODEL_THREADS", "DAHLIA_MODEL_MEMORY"]
)
@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_counts(name: str, text: str) -> None:
    if (name, text) == ("DAHLIA_THREADS", "0"):  # as on the server: what the cores allow
        assert read_settings({name: text}) == read_settings({})
        return
    with pytest.raises(ConfigError, match=name):
        read_settings({name: text})


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_seconds(text: str) -> None:
    with pytest.raises(ConfigError, match="DAHLIA_POLL_SECONDS"):
        read_settings({"DAHLIA_POLL_SECONDS": text})


@pytest.mark.parametrize("name", ["DAHLIA_WORKERS", "DAHLIA_THREADS", "DAHLIA_PREDICTIONS_DAYS"])
def test_an_empty_variable_counts_as_not_set(name: str) -> None:
    assert read_settings({name: ""}) == read_settings({})


def test_a_key_of_spaces_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"DAHLIA_PREDICTION_KEY: .* expected a key"):
        read_settings({"DAHLIA_PREDICTION_KEY": "  "})


def test_the_file_is_read_too(folder: Path) -> None:
    text = (
        '[service]\nworkers = 3\nprojects = ["a"]\n[inference]\nthreads = 5\n[server]\nheader_seconds = 7\n'
    )
    (folder / "dahlia.toml").write_text(text)
    settings = read_settings({"DAHLIA_THREADS": "6"})
    assert (settings.workers, settings.threads, settings.projects) == (3, 6, (Path("a"),))
    assert settings.limits.header_seconds == 7
    (folder / "other.toml").write_text("[service]\nworkers = 0\n")
    with pytest.raises(ConfigError, match=r"other.toml:2: `service.workers` cannot be 0"):
        read_settings({"DAHLIA_CONFIG": "other.toml"})


def test_what_only_the_server_reads_is_not_checked() -> None:
    assert read_settings({"DAHLIA_TRACKING_URI": "mlruns", "DAHLIA_JOBS_WORKERS": "x"}) == read_settings({})


@pytest.mark.parametrize("name", ["DAHLIA_URL_FECTH", "DAHLIA_SERVICE_WORKER", "DAHLIA_SERVER_PROXYS"])
def test_variables_that_are_mistyped_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is no setting.*did you mean"):
        read_settings({name: "1"})


def test_a_file_of_the_servers_defaults_changes_nothing(folder: Path) -> None:
    plain = read_settings({})
    (folder / "dahlia.toml").write_text(settings_toml(load_settings(None, {})))
    assert read_settings({}) == plain
    assert plain.origins.admit("http://localhost:1")
    assert not plain.origins.admit("https://a.example")
