"""Reads settings from a TOML file and the environment, which wins, and says where each was set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from pydantic import ValidationError as PydanticError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dahlia.config import explain
from dahlia.errors import ConfigError
from dahlia.masking import masked
from dahlia.settings.sources import CONFIG, Given, Source, fields_of, from_environment, from_file
from dahlia.settings.values import SecretUrl

DEFAULT_FILE = Path("dahlia.toml")
_SOURCES: ContextVar[tuple[Source, ...]] = ContextVar("sources", default=())


class Tree(BaseSettings):
    """Sections of settings. Only `read` reads a file and the environment; the constructor gives defaults."""

    read_elsewhere: ClassVar[Set[tuple[str, str]]] = frozenset()
    """Sections and keys whose variables this program reads by other rules than these."""

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

    @classmethod
    def has_prefix(cls, section: str) -> bool:
        """Whether variables that begin like those of a section are this program's, and unknown ones refused.

        Args:
            section: by its present or its former name.
        """
        return False

    @classmethod
    def uses(cls, section: str, key: str) -> bool:
        """Whether this program uses a key; what variables set wrongly elsewhere is not refused."""
        return True


_Tree = TypeVar("_Tree", bound=Tree)


@dataclass(frozen=True)
class Read(Generic[_Tree]):
    """What was read.

    Attributes:
        settings: those in effect.
        origins: where each was set that is set, such as `{"server.port": "dahlia.toml:12"}`.
        warnings: a sentence or two for each variable that is passed over, though it may be meant for Dahlia,
            and for each wrong value of what only another program uses.
    """

    settings: _Tree
    origins: dict[str, str]
    warnings: tuple[str, ...]


def named_file(environment: Mapping[str, str]) -> Path | None:
    """The file that `DAHLIA_CONFIG` names."""
    name = environment.get(CONFIG)
    return Path(name) if name else None


def chosen_file(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    """`file`, else what `DAHLIA_CONFIG` names, else `dahlia.toml` in the current folder if there is one."""
    return file or named_file(environment) or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def read(
    kind: type[_Tree], known: type[Tree], file: Path | None, environment: Mapping[str, str]
) -> Read[_Tree]:
    """Read settings.

    Args:
        kind: what to read.
        known: has everything that may be set, of which `kind` may have a part.
        file: that must be there; None for none.
        environment: usually `os.environ`.

    Raises:
        ConfigError: the file cannot be read, or a key or value is not known; it names the line or the
            variable of each, and shows no password.
    """
    named = from_environment(known, environment, kind.has_prefix, kind.uses)
    wrong = _refused(known, named)
    passed_over = [one for one in wrong if not kind.uses(one.section, one.key)]
    variables = named.without(passed_over)
    in_file = [from_file(known, file)] if file else []
    wrong_in_file = {one: problem for source in in_file for one, problem in _refused(known, source).items()}
    of_others = [one for one in wrong_in_file if one.section not in kind.model_fields]
    problems = [problem for source in (*in_file, named) for problem in source.problems]
    problems += [problem for one, problem in wrong_in_file.items() if one not in of_others]
    problems += [problem for one, problem in wrong.items() if one not in passed_over]
    if problems:
        raise ConfigError("\n".join(problems))
    sources = (*in_file, variables)
    origins = {name: origin for source in sources for name, origin in source.origins.items()}
    told = [wrong[one] for one in passed_over if (one.section, one.key) not in kind.read_elsewhere]
    told += [wrong_in_file[one] for one in of_others]
    warnings = (*named.warnings, *(f"{problem} It is passed over here." for problem in told))
    return Read(_built(kind, *reversed(sources)), origins, warnings)


def _built(kind: type[_Tree], *sources: Source) -> _Tree:
    """Settings from sources, of which the first wins."""
    token = _SOURCES.set(sources)
    try:
        return kind()
    finally:
        _SOURCES.reset(token)


def _refused(kind: type[Tree], source: Source) -> dict[Given, str]:
    """What is wrong with the values of one source, also with those that another one replaces."""
    wrong = _wrong(kind, source)
    for one in source.replaced:
        wrong |= _wrong(kind, Source(kind, [one]))
    return wrong


def _wrong(kind: type[Tree], source: Source) -> dict[Given, str]:
    try:
        _built(kind, source)
    except PydanticError as error:
        return dict(_problems(error.errors(), kind, source))
    return {}


def _problems(
    details: Iterable[ErrorDetails], kind: type[Tree], source: Source
) -> Iterable[tuple[Given, str]]:
    for detail in details:
        one = source.given[str(detail["loc"][0]), str(detail["loc"][1])]
        text = f"{one.origin}: {explain(detail, kind)}"
        # A `SecretUrl` masks itself; but a URL may also stand where none belongs.
        shown = text if isinstance(detail["input"], SecretUrl) else masked(text)
        yield one, f"{shown} It is: {fields_of(kind, one.section)[one.key].description}."
