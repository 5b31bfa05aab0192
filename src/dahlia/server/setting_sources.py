"""What a TOML file and the environment set, and where each value was said.

The prediction service has variables of its own (`dahlia.serving.settings`). Those that mean the same here are
taken as well, so that nobody who sets `DAHLIA_URL_FETCH=off` is fetched for; the others are passed over.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic.fields import FieldInfo

from dahlia.config import known_keys, nearest
from dahlia.errors import ConfigError
from dahlia.server.secret_url import SecretUrl

PREFIX = "DAHLIA_"
ALSO = {
    "DAHLIA_URL_FETCH": ("security", "url_fetch"),
    "DAHLIA_ORIGINS": ("security", "prediction_origins"),
    "DAHLIA_URL_FETCH_ALLOW": ("security", "url_fetch_allow"),
    "DAHLIA_PREDICTIONS_MB": ("predictions", "max_mb"),
    "DAHLIA_THREADS": ("prediction", "threads"),
    "DAHLIA_MODEL_THREADS": ("prediction", "model_threads"),
    "DAHLIA_MODEL_MEMORY": ("prediction", "model_memory_mb"),
    "DAHLIA_MAX_CONCURRENCY": ("prediction", "max_concurrency"),
    "DAHLIA_MAX_CONNECTIONS": ("server", "max_connections"),
    "DAHLIA_MAX_CONNECTIONS_PER_ADDRESS": ("server", "max_connections_per_address"),
    "DAHLIA_PROXIES": ("server", "proxies"),
    "DAHLIA_HEADER_SECONDS": ("server", "header_seconds"),
    "DAHLIA_STALLED_SECONDS": ("server", "stalled_seconds"),
    "DAHLIA_DECODE_MEMORY": ("limits", "decode_memory_mb"),
}
PASSED_OVER = frozenset(
    {
        "DAHLIA_CONFIG",
        "DAHLIA_PREDICTION_KEY",
        "DAHLIA_WORKERS",
        "DAHLIA_POLL_SECONDS",
        "DAHLIA_PREDICTIONS",
        "DAHLIA_PROJECTS",
    }
)
REMOVED = frozenset(
    {
        ("limits", "min_tags_detection"),
        ("limits", "min_images_per_tag_detection"),
        ("limits", "predicted_regions"),
    }
)
_REMOVED = "is no longer a setting, and never had an effect."

# Kubernetes sets these in every pod for a service called dahlia-server or dahlia-database.
_SERVICE_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP|SCTP)\w*)")
_SERVICE_PORT = re.compile(r"(tcp|udp|sctp)://.*")
_TYPING_ERROR = 0.9

_HEADER = re.compile(r"\s*\[\s*[\"']?([\w-]+)[\"']?\s*\]")
_KEY = re.compile(r"\s*[\"']?([\w.-]+)[\"']?\s*=")


@dataclass(frozen=True)
class Given:
    """A value that somebody set.

    Attributes:
        section: of `Settings`.
        key: in the section.
        value: not yet checked; a `SecretUrl` where the setting may hold a password.
        origin: `dahlia.toml:12`, or the variable.
    """

    section: str
    key: str
    value: object
    origin: str


def variable(section: str, key: str) -> str:
    """The variable that sets a key."""
    return f"{PREFIX}{section}_{key}".upper()


def fields_of(model: type[BaseModel], section: str) -> dict[str, FieldInfo]:
    """The declarations of a section's keys: default, range, description."""
    part: Any = model.model_fields[section].annotation
    declared: dict[str, FieldInfo] = part.model_fields
    return declared


def from_file(model: type[BaseModel], path: Path) -> tuple[list[Given], list[str]]:
    """What a TOML file sets, and what is wrong with its keys.

    Raises:
        ConfigError: it is missing, cannot be read, or is not TOML.
    """
    text, content = _read(path)
    given, problems = [], []
    for section, values in content.items():
        problem = _section_problem(model, section, values)
        if problem:
            problems.append(f"{_place(path, text, section)}: {problem}")
            continue
        for key, value in values.items():
            origin = _place(path, text, section, key)
            problem = _key_problem(model, section, key, value)
            if problem:
                problems.append(f"{origin}: {problem}")
            else:
                given.append(Given(section, key, _sealed(model, section, key, value), origin))
    return given, problems


def from_environment(model: type[BaseModel], environment: Mapping[str, str]) -> tuple[list[Given], list[str]]:
    """What variables set, by their own names last, and which of them are no settings."""
    names = {
        variable(part, key): (part, key) for part in known_keys([], model) for key in fields_of(model, part)
    }
    mine = {
        name: text for name, text in sorted(environment.items()) if name.startswith(PREFIX) and text.strip()
    }
    given = [
        Given(part, key, _converted(model, part, key, mine[name]), name)
        for name, (part, key) in (ALSO | names).items()
        if name in mine and not _is_link(name, mine[name])
    ]
    unknown = [
        name
        for name, text in mine.items()
        if name not in ALSO | names and name not in PASSED_OVER and not _is_link(name, text)
    ]
    return given, [problem for name in unknown if (problem := _variable_problem(name, names))]


def _variable_problem(name: str, names: Mapping[str, tuple[str, str]]) -> str | None:
    if name in {variable(*removed) for removed in REMOVED}:
        return f"the environment: {name} {_REMOVED} Unset it."
    if section := next((part for part, _ in names.values() if name.startswith(variable(part, ""))), None):
        word = name.removeprefix(variable(section, ""))
        near = nearest(word, [key.upper() for part, key in names.values() if part == section])
        return f"the environment: {name} is no setting, {variable(section, '')} has no {word}{near}"
    if close := difflib.get_close_matches(name, names, n=1, cutoff=_TYPING_ERROR):
        return f"the environment: {name} is no setting; did you mean {close[0]}?"
    return None


def _is_link(name: str, text: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_PORT.fullmatch(text)))


def _section_problem(model: type[BaseModel], section: str, values: object) -> str | None:
    if section not in model.model_fields:
        return f"unknown section `{section}`{nearest(section, known_keys([], model))}"
    if not isinstance(values, dict):
        return f"`{section}` is a section: write [{section}], and its keys in the lines below."
    return None


def _key_problem(model: type[BaseModel], section: str, key: str, value: object) -> str | None:
    if (section, key) in REMOVED:
        return f"`{section}.{key}` {_REMOVED} Delete the line."
    known = list(fields_of(model, section))
    if key not in known:
        return f"unknown key `{section}.{key}`{nearest(key, known)}"
    if _secret_kind(model, section, key) and not isinstance(value, str):
        return f"`{section}.{key}` must be text in quotes, received something else."
    return None


def _sealed(model: type[BaseModel], section: str, key: str, value: object) -> object:
    kind = _secret_kind(model, section, key)
    return kind(value) if kind and isinstance(value, str) else value


def _converted(model: type[BaseModel], section: str, key: str, text: str) -> object:
    """A variable's text as its setting's type; what has none is left for the check to refuse."""
    if secret := _secret_kind(model, section, key):
        return secret(text)
    try:
        return TypeAdapter(_kind(model, section, key)).validate_strings(text)
    except PydanticError:
        return text


def _secret_kind(model: type[BaseModel], section: str, key: str) -> type[SecretUrl] | None:
    kind = _kind(model, section, key)
    parts = [part for option in (kind, *get_args(kind)) for part in (option, *get_args(option))]
    return next((part for part in parts if isinstance(part, type) and issubclass(part, SecretUrl)), None)


def _kind(model: type[BaseModel], section: str, key: str) -> Any:
    return fields_of(model, section)[key].annotation


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} was expected and is not there. Name another with --config, or none."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Make it readable.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}. Correct the line.") from None


def _place(path: Path, text: str, section: str, key: str | None = None) -> str:
    line = _line(text, section, key) or _line(text, section, None)
    return f"{path}:{line}" if line else str(path)


def _line(text: str, section: str, key: str | None) -> int | None:
    """The line on which a section begins or a key is set; none where it is written in a rare way."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            current = header[1]
            if key is None and current == section:
                return number
        elif found := _KEY.match(line):
            dotted = f"{current}.{found[1]}" if current else found[1]
            if dotted == (f"{section}.{key}" if key else section):
                return number
    return None
