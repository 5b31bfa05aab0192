from __future__ import annotations

import os
from pathlib import Path

import pytest

from dahlia.dataset.decoding_memory import allowed_memory, machine_memory
from dahlia.errors import ConfigError
from dahlia.settings import service as settings_module
from dahlia.settings.display import settings_toml
from dahlia.settings.server import Settings, load_settings
from dahlia.settings.service import _Sections, read_settings
from dahlia.settings.sources import variable


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults() -> None:
    settings = read_settings({})
    assert (settings.key, settings.model_threads, settings.model_memory) == (None, 0, 1 << 30)
    assert settings.predictions is None
    assert settings.projects == ()
    assert settings.url_fetch == "public"


def test_from_where_images_are_fetched() -> None:
    assert read_settings({"DAHLIA_URL_FETCH": "any"}).url_fetch == "any"
    with pytest.raises(ConfigError, match="DAHLIA_URL_FETCH"):
        read_settings({"DAHLIA_URL_FETCH": "all"})


@pytest.mark.parametrize(
    ("cores", "workers", "threads", "at_once"), [(1, 1, 4, 1), (2, 2, 4, 1), (4, 4, 4, 1), (16, 4, 16, 4)]
)
def test_processes_and_threads_follow_the_cores(
    cores: int, workers: int, threads: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "usable_cores", lambda: cores)
    settings = read_settings({})
    assert (settings.workers, settings.threads, settings.at_once) == (workers, threads, at_once)


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
    if name in ("DAHLIA_THREADS", "DAHLIA_MODEL_THREADS") and text == "0":  # what the cores allow
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


def test_the_file_that_is_named_is_read_too(folder: Path) -> None:
    text = (
        '[service]\nworkers = 3\nprojects = ["a"]\n[inference]\nthreads = 5\n[server]\nheader_seconds = 7\n'
    )
    (folder / "own.toml").write_text(text)
    settings = read_settings({"DAHLIA_CONFIG": "own.toml", "DAHLIA_THREADS": "6"})
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
    assert read_settings({"DAHLIA_CONFIG": "dahlia.toml"}) == plain
    assert plain.origins.admit("http://localhost:1")
    assert not plain.origins.admit("https://a.example")


def test_a_file_of_the_current_folder_is_not_read(folder: Path) -> None:
    plain = read_settings({})
    (folder / "dahlia.toml").write_text(
        '[security]\nurl_fetch = "any"\nprediction_origins = "*"\n'
        '[service]\nprojects = ["a"]\npredictions_folder = "/elsewhere"\n'
    )
    assert read_settings({}) == read_settings({"DAHLIA_CONFIG": ""}) == plain
    assert read_settings({"DAHLIA_CONFIG": "dahlia.toml"}).url_fetch == "any"
    (folder / "dahlia.toml").write_text("no TOML")
    assert read_settings({}) == plain


EVERY_PAGE = {
    "file": ('prediction_origins = "*"', {}, "loopback"),
    "list in a file": ('prediction_origins = ["*"]', {}, "loopback"),
    "file and key": ('prediction_origins = "*"', {"DAHLIA_PREDICTION_KEY": "k"}, "*"),
    "key": ("", {"DAHLIA_PREDICTION_KEY": "k"}, "*"),
    "own variable": ("", {"DAHLIA_ORIGINS": "*"}, "*"),
    "file and own variable": ('prediction_origins = "*"', {"DAHLIA_ORIGINS": "*"}, "*"),
    "file, other own variable": ('prediction_origins = "*"', {"DAHLIA_ORIGINS": "none"}, "none"),
    "the server's variable": ("", {"DAHLIA_SECURITY_PREDICTION_ORIGINS": "*"}, "loopback"),
    "page": ('prediction_origins = "https://*.b.example, https://a.example"', {}, None),
}


@pytest.mark.parametrize(("line", "environment", "origins"), EVERY_PAGE.values(), ids=EVERY_PAGE)
def test_without_a_key_only_the_services_variable_opens_it_to_every_page(
    folder: Path, line: str, environment: dict[str, str], origins: str | None
) -> None:
    (folder / "named.toml").write_text(f"[security]\n{line}\n")
    settings = read_settings({"DAHLIA_CONFIG": "named.toml", **environment})
    assert str(settings.origins) == (origins or "https://*.b.example, https://a.example")
    warned = any("`*` is passed over, as no key is set" in one for one in settings.warnings)
    assert warned == (origins == "loopback")


OF_CLIENTS = [
    "DAHLIA_PROJECT", "DAHLIA_PREDICTION", "DAHLIA_WORKER", "DAHLIA_SERVICE_URL", "DAHLIA_SERVICE_NAME",
    "DAHLIA_SERVICE_KEY", "DAHLIA_INFERENCE_URL", "DAHLIA_PREDICTION_URL", "DAHLIA_PREDICTION_ENDPOINT",
    "DAHLIA_PREDICTION_RESOURCE_ID", "DAHLIA_SERVER_URL", "DAHLIA_SERVER_PRT",
    "DAHLIA_LIMITS_PREDICTED_REGIONS",
]  # fmt: skip


@pytest.mark.parametrize("name", OF_CLIENTS)
def test_variables_that_may_be_others_are_warned_of(name: str) -> None:
    settings = read_settings({name: "1"})
    assert settings == read_settings({})
    (warning,) = settings.warnings
    assert f"{name} is no" in warning
    assert warning.endswith("It is passed over.")


OF_THE_SERVER = [
    ("server", "port", "x"), ("database", "url", "dahlia.db"), ("storage", "url", "s3://rose:***@bucket"),
    ("cleaning", "every_seconds", "0"), ("jobs", "workers", "two"), ("rates", "predictions", "-1"),
    ("security", "secret", "thorn"), ("backup", "keep", "0"),
]  # fmt: skip


def test_these_are_all_sections_that_only_the_server_reads() -> None:
    sections = set(Settings.model_fields) - set(_Sections.model_fields)
    assert sections - {"tracking"} <= {section for section, _, _ in OF_THE_SERVER}


@pytest.mark.parametrize(("section", "key", "text"), OF_THE_SERVER)
def test_a_wrong_value_that_only_the_server_uses_is_warned_of(section: str, key: str, text: str) -> None:
    settings = read_settings({variable(section, key): text})
    assert settings == read_settings({})
    (warning,) = settings.warnings
    assert warning.startswith(f"{variable(section, key)}: ")
    assert warning.endswith("It is passed over here.")
    assert "thorn" not in warning


@pytest.mark.parametrize(
    "lines",
    [
        '[database]\nurl = "dahlia.db"', '[storage]\nurl = "s3://rose:***@bucket"', "[jobs]\nworkers = -1",
        "[cleaning]\nevery_seconds = 0", '[tracking]\nuri = "mlruns"', "[rates]\npredictions = true",
        '[backup]\nkeep = "7"',
    ],
)  # fmt: skip
def test_a_wrong_value_in_a_section_of_the_server_in_the_file_is_warned_of(folder: Path, lines: str) -> None:
    (folder / "named.toml").write_text(f"{lines}\n[service]\nworkers = 2\n")
    settings = read_settings({"DAHLIA_CONFIG": "named.toml"})
    assert settings.workers == 2
    (warning,) = settings.warnings
    assert warning.startswith("named.toml:2: ")


def test_a_tracking_uri_is_not_the_settings_to_judge() -> None:
    """The registry of a project reads it, and takes what the server refuses."""
    assert read_settings({"DAHLIA_TRACKING_URI": "mlruns"}).warnings == ()


def test_what_is_set_properly_is_not_warned_of(folder: Path) -> None:
    """Both programs may have one environment and one file."""
    assert read_settings({"DAHLIA_TRAINING_KEY": "k", "DAHLIA_JOBS_WORKERS": "2"}).warnings == ()
    (folder / "named.toml").write_text(settings_toml(Settings()))
    assert read_settings({"DAHLIA_CONFIG": "named.toml"}).warnings == ()


@pytest.mark.parametrize("name", ["DAHLIA_URL_FETCH", "DAHLIA_ORIGINS", "DAHLIA_PREDICTION_KEY"])
def test_spaces_are_no_value_of_what_protects(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_settings({name: " "})
    if name != "DAHLIA_PREDICTION_KEY":  # the server does not use it
        with pytest.raises(ConfigError, match=name):
            load_settings(None, {name: " "})


def test_spaces_name_no_proxy() -> None:
    assert read_settings({"DAHLIA_PROXIES": " "}).limits.proxies == ()
    assert load_settings(None, {"DAHLIA_PROXIES": " "}).server.connection_limits.proxies == ()
    assert read_settings({"DAHLIA_PROXIES": ""}) == read_settings({})


def test_both_variables_of_a_key_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"^DAHLIA_URL_FETCH: "):
        read_settings({"DAHLIA_URL_FETCH": "of", "DAHLIA_SECURITY_URL_FETCH": "off"})
    with pytest.raises(ConfigError, match=r"DAHLIA_INFERENCE_THREADS: .*\nDAHLIA_THREADS: "):
        read_settings({"DAHLIA_THREADS": "x", "DAHLIA_INFERENCE_THREADS": "y"})


@pytest.mark.parametrize(
    ("text", "megabytes"), [("", None), (" ", None), ("0", None), (" 300", 300), ("+7", 7)]
)
def test_memory_for_decoding_is_read_alike(
    text: str, megabytes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAHLIA_DECODE_MEMORY", text)
    expected = machine_memory() // 4 if megabytes is None else megabytes << 20
    assert allowed_memory() == read_settings().decode_memory == expected


def test_the_service_refuses_what_decoding_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAHLIA_DECODE_MEMORY", "-1")
    for read in (read_settings, allowed_memory):
        with pytest.raises(ConfigError, match="DAHLIA_DECODE_MEMORY"):
            read()
