"""Settings: defaults, one file, the environment; and what is refused."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner

from dahlia.errors import ConfigError
from dahlia.server.commands import config
from dahlia.settings.display import service_reference
from dahlia.settings.server import Settings, load_settings, read_all
from dahlia.settings.sources import fields_of, variable

PASSWORD = "thorn"
SECRET = f"postgresql://rose:{PASSWORD}@host/garden"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str, name: str = "dahlia.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_lie_in_the_current_folder(folder: Path) -> None:
    settings = load_settings(None, {})
    assert settings == Settings()
    assert settings.server.home == folder / "dahlia-server"
    assert settings.database_url.reveal() == f"sqlite:///{folder}/dahlia-server/dahlia.db"
    assert settings.storage_url.reveal() == f"{folder}/dahlia-server/files"
    assert settings.tracking_uri.reveal() == f"sqlite:///{folder}/dahlia-server/mlflow.db"
    assert (settings.server.host, settings.server.port, settings.server.public_url) == (
        "127.0.0.1",
        3000,
        None,
    )


def test_limits_are_those_of_the_standard_tier() -> None:
    limits = Settings().limits
    assert (limits.projects, limits.images_per_project, limits.tags_per_project) == (100, 100_000, 500)
    assert (limits.iterations_per_project, limits.min_tags, limits.min_images_per_tag) == (20, 2, 5)
    assert (limits.max_image_mb, limits.max_prediction_mb) == (6, 4)
    assert (limits.max_edge, limits.max_aspect) == (10_240, 25)
    assert (limits.regions_per_image, limits.tags_per_image) == (300, 100)
    assert (limits.batch_images, limits.batch_tags, limits.batch_regions) == (64, 20, 64)
    assert (limits.read_ids, limits.page, limits.suggestions, limits.delete_images) == (256, 256, 64, 256)
    assert (limits.metadata_pairs, limits.metadata_key, limits.metadata_value) == (10, 128, 256)


def test_rates_are_off() -> None:
    assert set(Settings().rates.model_dump().values()) == {0}


def test_a_request_may_carry_64_images_of_6_mb_in_base64() -> None:
    limits, most = Settings().limits, Settings().server.max_body_mb
    assert most > limits.batch_images * limits.max_image_mb * 4 / 3


def test_the_environment_wins_over_the_file(folder: Path) -> None:
    written(folder, '[server]\nport = 1\nhost = "0.0.0.0"\n')
    settings = load_settings(None, {"DAHLIA_SERVER_PORT": "2"})
    assert (settings.server.port, settings.server.host) == (2, "0.0.0.0")


def test_which_file_is_read(folder: Path) -> None:
    default, named, given = (
        written(folder, f"[server]\nport = {port}\n", name)
        for port, name in ((1, "dahlia.toml"), (2, "named.toml"), (3, "given.toml"))
    )
    environment = {"DAHLIA_CONFIG": str(named)}
    assert load_settings(given, environment).server.port == 3
    assert load_settings(None, environment).server.port == 2
    assert load_settings(None, {"DAHLIA_CONFIG": ""}).server.port == 1
    default.unlink()
    assert load_settings(None, {}).server.port == 3000


READ = {
    "text": ("DAHLIA_SERVER_HOST", "::1", "server.host", "::1"),
    "whole number": ("DAHLIA_LIMITS_PAGE", "64", "limits.page", 64),
    "fraction": ("DAHLIA_JOBS_POLL_SECONDS", "0.25", "jobs.poll_seconds", 0.25),
    "off": ("DAHLIA_JOBS_WARM", "off", "jobs.warm", False),
    "true": ("DAHLIA_JOBS_WARM", "true", "jobs.warm", True),
    "choice": ("DAHLIA_SECURITY_URL_FETCH", "any", "security.url_fetch", "any"),
    "path": ("DAHLIA_SERVER_HOME", "/srv/dahlia", "server.home", Path("/srv/dahlia")),
    "address": (
        "DAHLIA_SERVER_PUBLIC_URL",
        "https://a.example/x/",
        "server.public_url",
        "https://a.example/x",
    ),
    "empty is not set": ("DAHLIA_SERVER_PORT", "", "server.port", 3000),
    "no worker": ("DAHLIA_JOBS_WORKERS", "0", "jobs.workers", 0),
    "its other name": ("DAHLIA_URL_FETCH", "off", "security.url_fetch", "off"),
}


@pytest.mark.parametrize(("name", "text", "key", "value"), READ.values(), ids=READ)
def test_variables_are_read_as_their_type(name: str, text: str, key: str, value: object) -> None:
    section, name_of = key.split(".")
    assert getattr(getattr(load_settings(None, {name: text}), section), name_of) == value


def test_relative_places_are_those_of_the_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(
        folder, '[server]\nhome = "state"\n[storage]\nurl = "photos"\n[database]\nurl = "sqlite:///x.db"\n'
    )
    settings = load_settings(None, {})
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert settings.server.home == folder / "state"
    assert settings.storage_url.reveal() == f"{folder}/photos"
    assert settings.database_url.reveal() == f"sqlite:///{folder}/x.db"


def test_the_proper_name_wins_over_that_of_the_prediction_service() -> None:
    both = {"DAHLIA_URL_FETCH": "any", "DAHLIA_SECURITY_URL_FETCH": "off"}
    assert load_settings(None, both).security.url_fetch == "off"


def test_every_variable_of_the_prediction_service_may_be_there() -> None:
    names = set(re.findall(r"`(DAHLIA_\w+)`", service_reference()))
    values = {"DAHLIA_URL_FETCH": "off", "DAHLIA_PROXIES": "10.0.0.0/8", "DAHLIA_ORIGINS": "loopback"}
    values |= {"DAHLIA_URL_FETCH_ALLOW": "photos.lan", "DAHLIA_RUNTIME": "auto"}
    settings = load_settings(None, {name: values.get(name, "7") for name in names})
    assert len(names) > 10
    assert settings.predictions.days == settings.predictions.max_mb == 7
    assert settings.inference.threads == settings.inference.model_memory_mb == 7
    assert settings.server.max_connections == settings.server.stalled_seconds == 7
    assert settings.server.proxies == "10.0.0.0/8"
    assert settings.security.allow_list
    assert settings.jobs == Settings().jobs


def test_sections_are_read_by_their_former_name(folder: Path) -> None:
    written(folder, "[prediction]\nthreads = 3\nmodel_threads = 4\n")
    inference = load_settings(None, {"DAHLIA_PREDICTION_MODEL_THREADS": "5"}).inference
    assert (inference.threads, inference.model_threads) == (3, 5)
    both = {"DAHLIA_PREDICTION_THREADS": "6", "DAHLIA_INFERENCE_THREADS": "7", "DAHLIA_THREADS": "8"}
    assert load_settings(None, both).inference.threads == 7


def test_a_wrong_value_is_refused_though_another_replaces_it(folder: Path) -> None:
    written(folder, "[server]\nport = 'x'\n")
    with pytest.raises(ConfigError, match=r"dahlia.toml:2: `server.port`"):
        load_settings(None, {"DAHLIA_SERVER_PORT": "1"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DAHLIA_SERVER_PORT", "tcp://10.0.0.7:3000"),
        ("DAHLIA_SERVER_SERVICE_HOST", "10.0.0.7"),
        ("DAHLIA_SERVER_SERVICE_PORT_HTTP", "3000"),
        ("DAHLIA_DATABASE_PORT_5432_TCP_ADDR", "10.0.0.8"),
        ("DAHLIA_DATABASE_PORT", "tcp://10.0.0.8:5432"),
        ("DAHLIA_SERVICE_HOST", "10.0.0.9"),  # of one called dahlia
        ("DAHLIA_SERVICE_PORT", "80"),
        ("DAHLIA_PREDICTION_PORT", "tcp://10.0.0.9:80"),
    ],
)
def test_what_kubernetes_sets_for_services_is_no_setting(name: str, text: str) -> None:
    assert load_settings(None, {name: text}) == Settings()


@pytest.mark.parametrize("name", ["DAHLIA_VERSION", "DAHLIA_PORTAL", "PATH", "DAHLIA_"])
def test_what_is_like_no_setting_is_passed_over(name: str) -> None:
    assert load_settings(None, {name: "x"}) == Settings()


REFUSED_VARIABLES = {
    "key": (
        "DAHLIA_SERVER_PRT",
        "1",
        r"DAHLIA_SERVER_PRT is no setting, DAHLIA_SERVER_ has no PRT; did you mean PORT",
    ),
    "unlike any": ("DAHLIA_STORAGE_ZZZ", "1", "DAHLIA_STORAGE_ has no ZZZ; known: URL."),
    "section": ("DAHLIA_SECURTY_URL_FETCH", "off", "did you mean DAHLIA_SECURITY_URL_FETCH?"),
    "removed": (
        "DAHLIA_LIMITS_PREDICTED_REGIONS",
        "200",
        "the environment: DAHLIA_LIMITS_PREDICTED_REGIONS is no longer a setting, and never had an effect. "
        "Unset it.",
    ),
    "other name, mistyped": ("DAHLIA_URL_FECTH", "off", "did you mean DAHLIA_URL_FETCH?"),
    "former section": ("DAHLIA_PREDICTION_FOO", "1", "DAHLIA_PREDICTION_ has no FOO; known: THREADS"),
    "former section, mistyped": (
        "DAHLIA_PREDICTION_THRAEDS",
        "1",
        "did you mean DAHLIA_PREDICTION_THREADS?",
    ),
    "former section's name, mistyped": (
        "DAHLIA_PREDICTON_THREADS",
        "1",
        "did you mean DAHLIA_PREDICTION_THREADS?",
    ),
    "number": ("DAHLIA_SERVER_PORT", "two", "DAHLIA_SERVER_PORT: `server.port` cannot be 'two': .*integer"),
    "fraction": ("DAHLIA_SERVER_PORT", "1.5", "`server.port` cannot be '1.5': .*integer"),
    "its meaning": ("DAHLIA_SERVER_PORT", "two", "It is: port to listen on"),
    "range": ("DAHLIA_LIMITS_PAGE", "0", "`limits.page` cannot be 0: .*greater than or equal to 1"),
    "endless": ("DAHLIA_JOBS_LEASE_SECONDS", "inf", "`jobs.lease_seconds` cannot be inf: .*finite"),
    "whether": ("DAHLIA_JOBS_WARM", "perhaps", "`jobs.warm` cannot be 'perhaps': .*boolean"),
    "choice": ("DAHLIA_SECURITY_URL_FETCH", "pubic", "'pubic'; did you mean public?"),
    "other name": (
        "DAHLIA_MODEL_MEMORY",
        "lots",
        "DAHLIA_MODEL_MEMORY: `inference.model_memory_mb` cannot be",
    ),
    "address": ("DAHLIA_SERVER_PUBLIC_URL", "dahlia.example", "expected an address such as https://"),
    "query": ("DAHLIA_SERVER_PUBLIC_URL", "https://a/?b", r"without \? and #"),
    "database": (
        "DAHLIA_DATABASE_URL",
        "mysql://h/x",
        "cannot be 'mysql://h/x': expected sqlite:///dahlia.db or",
    ),
    "tracking": ("DAHLIA_TRACKING_URI", "mlruns", "expected sqlite:///mlflow.db or"),
    "mask": ("DAHLIA_DATABASE_URL", "postgresql://rose:***@h/x", "its password is masked"),
}


@pytest.mark.parametrize(("name", "text", "message"), REFUSED_VARIABLES.values(), ids=REFUSED_VARIABLES)
def test_variables_are_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(None, {name: text})


REFUSED_FILES = {
    "section": ("\n[severs]\n", r"dahlia.toml:2: unknown section `severs`; did you mean server\?"),
    "key": ("[server]\n# x\nprt = 1\n", r"dahlia.toml:3: unknown key `server.prt`; did you mean port"),
    "removed": (
        "[limits]\nmin_tags_detection = 1\n",
        "dahlia.toml:2: `limits.min_tags_detection` is no longer a setting, and never had an effect. Delete "
        "the line.",
    ),
    "former section": ("[prediction]\nx = 1\n", "dahlia.toml:2: unknown key `inference.x`; known: threads"),
    "two names": (
        "[inference]\nthreads = 1\n[prediction]\nthreads = 2\n",
        "dahlia.toml:4: `inference.threads` is set by dahlia.toml:2 too. Delete a line.",
    ),
    "dotted": ("jobs.wrkers = 1\n", r"dahlia.toml:1: unknown key `jobs.wrkers`; did you mean workers"),
    "inline": ("\njobs = {wrkers = 1}\n", "dahlia.toml:2: unknown key `jobs.wrkers`"),
    "no section": ("server = 3\n", r"dahlia.toml:1: `server` is a section: write \[server\]"),
    "tables": ("[[server]]\nport = 1\n", "`server` is a section"),
    "number in quotes": (
        '[server]\nport = "3000"\n',
        "dahlia.toml:2: `server.port` cannot be '3000': .*integer",
    ),
    "truth for a number": ("[server]\nport = true\n", "`server.port` cannot be True"),
    "number for a truth": ("[jobs]\nwarm = 1\n", "`jobs.warm` cannot be 1: .*boolean"),
    "number for a URL": ("[database]\nurl = 1\n", "dahlia.toml:2: `database.url` must be text in quotes"),
    "range": ("[server]\nport = 70000\n", "dahlia.toml:2: `server.port` cannot be 70000"),
    "syntax": ("[server]\nport = \n", "dahlia.toml is not TOML: .*line 2.* Correct the line"),
    "twice": ("[server]\nport = 1\nport = 2\n", "is not TOML"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED_FILES.values(), ids=REFUSED_FILES)
def test_files_are_refused(folder: Path, text: str, message: str) -> None:
    written(folder, text)
    with pytest.raises(ConfigError, match=message):
        load_settings(None, {})


def test_everything_wrong_is_said_at_once(folder: Path) -> None:
    written(folder, "[server]\nprt = 1\nport = 'x'\n")
    with pytest.raises(ConfigError) as refused:
        load_settings(None, {"DAHLIA_JOBS_WARM": "x", "DAHLIA_JOBS_WARN": "x"})
    assert len(str(refused.value).splitlines()) == 4


def test_a_file_that_is_named_must_be_there(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.toml was expected and is not there"):
        load_settings(Path("absent.toml"), {})
    with pytest.raises(ConfigError, match=r"absent.toml was expected"):
        load_settings(None, {"DAHLIA_CONFIG": "absent.toml"})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(folder, {})
    (folder / "latin.toml").write_bytes(b"[server]\nhost = '\xe9'\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(folder / "latin.toml", {})


LEAKS = {
    "scheme": f'[database]\nurl = "mysql://rose:{PASSWORD}@host/garden"\n',
    "list": f'[database]\nurl = ["{SECRET}"]\n',
    "table": f'[database.url]\nx = "{SECRET}"\n',
    "unknown key": f'[database]\nuri = "{SECRET}"\n',
    "section": f'database = "{SECRET}"\n',
    "unknown section": f'databas = "{SECRET}"\n',
    "elsewhere": f'[server]\nport = "{SECRET}"\n',
    "elsewhere, in a list": f'[server]\nhost = ["{SECRET}"]\n',
    "public": f'[server]\npublic_url = "https://rose:{PASSWORD}@host"\n',
    "no quotes": f"[database]\nurl = {SECRET}\n",
    "choice": f'[security]\nurl_fetch = "{SECRET}"\n',
    "key": f'[service]\nprediction_key = ["{PASSWORD}"]\n',
    "parameter": f'[tracking]\nuri = "sqlite?password={PASSWORD}"\n',
    "beside": f'[database]\nurl = "{SECRET}"\n[server]\nport = "x"\n',
}


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_no_error_shows_a_password(folder: Path, text: str) -> None:
    written(folder, text)
    with pytest.raises(ConfigError) as refused:
        load_settings(None, {})
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("section", ["database", "storage"])
def test_no_repr_shows_a_password(section: str) -> None:
    settings = load_settings(None, {variable(section, "url"): SECRET})
    assert getattr(settings, f"{section}_url").reveal() == SECRET
    assert PASSWORD not in repr(settings) + settings.model_dump_json()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().server.port = 1


UNITS = {"_mb": "megabytes", "_seconds": "seconds", "_hours": "hours", "days": "days", "_edge": "pixels"}


@pytest.mark.parametrize(
    ("section", "key"),
    [(section, key) for section in Settings.model_fields for key in fields_of(Settings, section)],
)
def test_every_setting_is_described_with_its_unit(section: str, key: str) -> None:
    description = fields_of(Settings, section)[key].description
    assert description
    assert "|" not in description
    for ending, unit in UNITS.items():
        assert unit in description or not key.endswith(ending)
    if section == "rates":
        assert "per second" in description


def test_no_two_settings_share_a_variable() -> None:
    names = [variable(part, key) for part in Settings.model_fields for key in fields_of(Settings, part)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "name",
    ["DAHLIA_PROJECT", "DAHLIA_PREDICTION", "DAHLIA_WORKER", "DAHLIA_SERVICE_URL", "DAHLIA_SERVICE_NAME",
     "DAHLIA_SERVICE_KEY", "DAHLIA_SERVICE_WORKER", "DAHLIA_INFERENCE_URL"],
)  # fmt: skip
def test_variables_that_may_be_others_are_warned_of(name: str) -> None:
    found = read_all(None, {name: "1"})
    assert found.settings == Settings()
    (warning,) = found.warnings
    assert f"{name} is no setting" in warning


@pytest.mark.parametrize(
    ("name", "text"),
    [("DAHLIA_WORKERS", "auto"), ("DAHLIA_WORKERS", "0"), ("DAHLIA_POLL_SECONDS", "0"),
     ("DAHLIA_SERVICE_WORKERS", "0"), ("DAHLIA_PREDICTION_KEY", " ")],
)  # fmt: skip
def test_a_wrong_value_of_the_prediction_service_is_warned_of(name: str, text: str) -> None:
    found = read_all(None, {name: text, "DAHLIA_SERVER_PORT": "7"})
    assert found.settings.service == Settings().service
    assert found.settings.server.port == 7
    assert set(found.origins) == {"server.port"}
    (warning,) = found.warnings
    assert warning.startswith(f"{name}: ")


def test_a_wrong_value_of_the_prediction_service_in_the_file_is_refused(folder: Path) -> None:
    written(folder, "[service]\nworkers = 0\n")
    with pytest.raises(ConfigError, match=r"dahlia.toml:2: `service.workers` cannot be 0"):
        load_settings(None, {})


def test_the_server_says_what_it_passes_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAHLIA_WORKERS", "auto")
    monkeypatch.setenv("DAHLIA_SERVICE_URL", "http://127.0.0.1")
    for options in ([], ["--toml"]):
        ran = CliRunner().invoke(config, options)
        assert ran.exit_code == 0
        assert len(re.findall("^Warning: .*DAHLIA_(?:WORKERS|SERVICE_URL)", ran.stderr, re.M)) == 2
        assert "Warning" not in ran.stdout
