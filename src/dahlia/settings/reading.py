"""Reads settings from a TOML file and the environment, which wins, and says where each was set."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError as PydanticError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dahlia.config import explain
from dahlia.errors import ConfigError
from dahlia.settings.secret_url import SecretUrl, masked
from dahlia.settings.sources import CONFIG, Source, fields_of, from_environment, from_file

DEFAULT_FILE = Path("dahlia.toml")
_SOURCES: ContextVar[tuple[Source, ...]] = ContextVar("sources", default=())


class Tree(BaseSettings):
    """Sections of settings. Only `read` reads a file and the environment; the constructor gives defaults."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Those for which `_built` was called; by themselves settings read nothing."""
        return (init_settings, *_SOURCES.get())


_Tree = TypeVar("_Tree", bound=Tree)


def read(
    kind: type[_Tree], known: type[Tree], file: Path | None, environment: Mapping[str, str]
) -> tuple[_Tree, dict[str, str]]:
    """Read settings.

    Args:
        kind: what to read.
        known: has everything that may be set, of which `kind` may have a part.
        file: that must be there; None for what `DAHLIA_CONFIG` names, or `dahlia.toml` if there is one.
        environment: usually `os.environ`.

    Returns:
        The settings; and for each that is set where, such as `{"server.port": "dahlia.toml:12"}`.

    Raises:
        ConfigError: the file cannot be read, or a key or value is not known; it names the line or the
            variable of each, and shows no password.
    """
    path = _chosen(file, environment)
    sources = (*([from_file(known, path)] if path else []), from_environment(known, environment))
    problems = [problem for source in sources for problem in source.problems]
    problems += [problem for source in sources for problem in _refused(kind, source)]
    if problems:
        raise ConfigError("\n".join(problems))
    origins = {name: origin for source in sources for name, origin in source.origins.items()}
    return _built(kind, *reversed(sources)), origins


def _chosen(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    if file or environment.get(CONFIG):
        return file or Path(environment[CONFIG])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _built(kind: type[_Tree], *sources: Source) -> _Tree:
    """Settings from sources, of which the first wins."""
    token = _SOURCES.set(sources)
    try:
        return kind()
    finally:
        _SOURCES.reset(token)


def _refused(kind: type[Tree], source: Source) -> list[str]:
    """What is wrong with the values of one source, whichever of them another source replaces."""
    try:
        _built(kind, source)
    except PydanticError as error:
        return [_problem(detail, kind, source) for detail in error.errors()]
    return []


def _problem(detail: ErrorDetails, kind: type[Tree], source: Source) -> str:
    section, key = str(detail["loc"][0]), str(detail["loc"][1])
    text = f"{source.origins[f'{section}.{key}']}: {explain(detail, kind)}"
    # A `SecretUrl` masks itself; but a URL may also stand where none belongs.
    shown = text if isinstance(detail["input"], SecretUrl) else masked(text)
    return f"{shown} It is: {fields_of(kind, section)[key].description}."
