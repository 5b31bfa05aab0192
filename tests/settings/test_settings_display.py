"""What `dahlia config` prints."""

from __future__ import annotations

import io
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from dahlia.settings.display import Row, explain, settings_reference, settings_table, settings_toml
from dahlia.settings.server import Settings, load_settings
from dahlia.settings.sources import fields_of, variable

SECRET = "postgresql://rose:thorn@host/garden"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(text: str = "", **environment: str) -> dict[str, Row]:
    Path("dahlia.toml").write_text(text, encoding="utf-8")
    return {row.key: row for row in explain(None, environment)}


def test_every_setting_has_a_row() -> None:
    assert list(rows()) == [
        f"{part}.{key}" for part in Settings.model_fields for key in fields_of(Settings, part)
    ]
    assert {row.source for row in rows().values()} == {"default"}


SOURCES = {
    "default": ("", {}, "server.port", "3000", "default"),
    "file": ("[server]\n\nport = 81\n", {}, "server.port", "81", "dahlia.toml:3"),
    "environment": (
        "[server]\nport = 1\n",
        {"DAHLIA_SERVER_PORT": "2"},
        "server.port",
        "2",
        "DAHLIA_SERVER_PORT",
    ),
    "other name": ("", {"DAHLIA_URL_FETCH": "off"}, "security.url_fetch", "off", "DAHLIA_URL_FETCH"),
    "said, as it is": ("[server]\nport = 3000\n", {}, "server.port", "3000", "dahlia.toml:2"),
    "none": ("", {}, "server.public_url", "", "default"),
    "truth": ("[jobs]\nwarm = false\n", {}, "jobs.warm", "false", "dahlia.toml:2"),
    "fraction": ("[rates]\npredictions = 0.1\n", {}, "rates.predictions", "0.1", "dahlia.toml:2"),
    "former section": ("[prediction]\nthreads = 3\n", {}, "inference.threads", "3", "dahlia.toml:2"),
    "folders": ('[service]\nprojects = ["a", "b"]\n', {}, "service.projects", "a:b", "dahlia.toml:2"),
    "key": ("", {"DAHLIA_PREDICTION_KEY": "thorn"}, "service.prediction_key", "***", "DAHLIA_PREDICTION_KEY"),
    "secret": (
        "",
        {"DAHLIA_DATABASE_URL": SECRET},
        "database.url",
        SECRET.replace("thorn", "***"),
        "DAHLIA_DATABASE_URL",
    ),
}


@pytest.mark.parametrize(("text", "environment", "key", "value", "source"), SOURCES.values(), ids=SOURCES)
def test_value_and_source(text: str, environment: dict[str, str], key: str, value: str, source: str) -> None:
    assert rows(text, **environment)[key] == Row(key, value, source)


PAGES = {
    "default": ("", {}, "*; prediction service: loopback"),
    "key": ("", {"DAHLIA_PREDICTION_KEY": "k"}, "*"),
    "service's variable": ("", {"DAHLIA_ORIGINS": "loopback"}, "loopback"),
    "refused": (
        "",
        {"DAHLIA_WORKERS": "auto"},
        "*; prediction service: its settings are refused",
    ),
    "file of the server": (
        '[security]\nprediction_origins = "none"\n',
        {},
        "none; prediction service: loopback",
    ),
    "file of both": (
        '[security]\nprediction_origins = "none"\n',
        {"DAHLIA_CONFIG": "dahlia.toml"},
        "none",
    ),
}


@pytest.mark.parametrize(("text", "environment", "value"), PAGES.values(), ids=PAGES)
def test_whose_pages_each_program_admits(text: str, environment: dict[str, str], value: str) -> None:
    assert rows(text, **environment)["security.prediction_origins"].value == value


def test_the_default_places_are_shown_whole(folder: Path) -> None:
    assert rows()["database.url"].value == f"sqlite:///{folder}/dahlia-server/dahlia.db"


def test_the_table_shows_what_was_said_and_no_password() -> None:
    console = Console(width=160, file=io.StringIO())
    shown = rows(DAHLIA_DATABASE_URL=SECRET, DAHLIA_SERVER_HOST="[::1]")
    with console.capture() as capture:
        console.print(settings_table(list(shown.values())))
    text = capture.get()
    assert "[::1]" in text
    assert "DAHLIA_DATABASE_URL" in text
    assert "thorn" not in text


def test_toml_gives_the_same_settings_again(folder: Path) -> None:
    environment = {
        "DAHLIA_SERVER_HOST": 'a "b" \\ é\x7f',
        "DAHLIA_JOBS_WARM": "no",
        "DAHLIA_STORAGE_URL": "s3://bucket/x",
        "DAHLIA_RATES_PREDICTIONS": "0.5",
        "DAHLIA_PROJECTS": "a:b",
    }
    settings = load_settings(None, environment)
    (folder / "again.toml").write_text(settings_toml(settings), encoding="utf-8")
    again = load_settings(folder / "again.toml", {})
    assert again.database_url == settings.database_url
    assert again.tracking_uri == settings.tracking_uri
    for section in set(Settings.model_fields) - {"database", "tracking"}:
        assert getattr(again, section) == getattr(settings, section)


def test_toml_leaves_a_masked_password_to_its_reader(folder: Path) -> None:
    text = settings_toml(load_settings(None, {"DAHLIA_DATABASE_URL": SECRET}))
    assert "thorn" not in text
    assert '# url = "postgresql://rose:***@host/garden"' in text
    assert "url" not in tomllib.loads(text)["database"]


def test_the_reference_names_every_variable_and_no_place_of_this_machine(folder: Path) -> None:
    text = settings_reference()
    for section in Settings.model_fields:
        assert f"### `[{section}]`" in text
        for key in fields_of(Settings, section):
            assert f"`{variable(section, key)}`" in text
    assert str(folder) not in text
    assert "| `home` | dahlia-server |" in text


def test_settings_load_nothing_heavy() -> None:
    script = (
        "import sys, dahlia.settings.display as c; c.explain(None, {}); "
        "sys.exit(any(n in sys.modules for n in ('torch', 'mlflow', 'numpy', 'pandas', 'sqlalchemy')))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", script]).returncode == 0
