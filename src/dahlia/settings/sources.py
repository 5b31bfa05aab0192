"""What a TOML file and the environment set, and where each value was set."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic_settings import PydanticBaseSettingsSource

from dahlia.config import nearest
from dahlia.errors import ConfigError
from dahlia.settings.values import InService, Protects, SecretUrl

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

PREFIX = "DAHLIA_"
CONFIG = "DAHLIA_CONFIG"
FORMER = {"prediction": "inference"}
"""Names that sections had, which are still read."""

_REMOVED_KEYS = frozenset(
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


@dataclass(frozen=True, eq=False)  # values may be lists
class Given:
    """A value that was set.

    Attributes:
        section: of the settings.
        key: in the section.
        value: not yet checked; a `SecretUrl` where the setting may hold a password.
        origin: `dahlia.toml:12`, or the variable.
    """

    section: str
    key: str
    value: object
    origin: str


class Source(PydanticBaseSettingsSource):
    """What one place sets, for pydantic-settings.

    Args:
        settings_cls: the settings.
        given: what is set; of two values for one key the later counts.
        problems: what is wrong with the names of what is set, so that nothing is read.
        warnings: what may be wrong with them.

    Attributes:
        given: what counts, by section and key.
        replaced: what does not count, as a later value is set for its key.
        problems: the same.
        warnings: the same.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        given: Iterable[Given],
        problems: Sequence[str] = (),
        warnings: Sequence[str] = (),
    ) -> None:
        super().__init__(settings_cls)
        every = tuple(given)
        self.given = {(one.section, one.key): one for one in every}
        self.replaced = [one for one in every if self.given[one.section, one.key] is not one]
        self.problems = problems
        self.warnings = warnings
        self._values: dict[str, dict[str, object]] = {}
        for (section, key), one in self.given.items():
            self._values.setdefault(section, {})[key] = one.value

    @property
    def origins(self) -> dict[str, str]:
        """Where each value was set that counts: `{"server.port": "dahlia.toml:12"}`."""
        return {f"{section}.{key}": one.origin for (section, key), one in self.given.items()}

    def without(self, some: Collection[Given]) -> Source:
        """The same, less some values."""
        kept = (one for one in (*self.replaced, *self.given.values()) if one not in some)
        return Source(self.settings_cls, kept, self.problems, self.warnings)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """A section's values."""
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values by section and key."""
        return dict(self._values)


def variable(section: str, key: str) -> str:
    """The variable that sets a key."""
    return f"{PREFIX}{section}_{key}".upper()


def variables(model: type[BaseSettings]) -> dict[str, tuple[str, str]]:
    """Every variable with the section and the key that it sets; of two for one key the later wins."""
    keys = [(section, key) for section in model.model_fields for key in fields_of(model, section)]
    of_service = {name: one for one in keys if (name := service_variable(model, *one))}
    former = {variable(old, key): (new, key) for old, new in FORMER.items() for key in fields_of(model, new)}
    return of_service | former | {variable(*one): one for one in keys}


def service_variable(model: type[BaseSettings], section: str, key: str) -> str | None:
    """The variable that the prediction service's page names; None where the service does not read the key."""
    marks = fields_of(model, section)[key].metadata
    return next((mark.name for mark in marks if isinstance(mark, InService)), None)


def fields_of(model: type[BaseSettings], section: str) -> dict[str, FieldInfo]:
    """The declarations of a section's keys: default, range, description."""
    part: Any = model.model_fields[section].annotation
    declared: dict[str, FieldInfo] = part.model_fields
    return declared


def from_file(model: type[BaseSettings], path: Path) -> Source:
    """What a TOML file sets.

    Raises:
        ConfigError: it is missing, cannot be read, or is not TOML.
    """
    text, content = _read(path)
    given: dict[tuple[str, str], Given] = {}
    problems = []
    for written, values in content.items():
        section = FORMER.get(written, written)
        if problem := _section_problem(model, section, values):
            problems.append(f"{_place(path, text, written)}: {problem}")
            continue
        for key, value in values.items():
            origin = _place(path, text, written, key)
            if problem := _key_problem(model, section, key, value):
                problems.append(f"{origin}: {problem}")
            elif other := given.get((section, key)):
                problems.append(f"{origin}: `{section}.{key}` is set by {other.origin} too. Delete a line.")
            else:
                sealed = _sealed(model, section, key, value)
                given[section, key] = Given(section, key, sealed, origin)
    return Source(model, given.values(), problems)


def from_environment(
    model: type[BaseSettings],
    environment: Mapping[str, str],
    has_prefix: Callable[[str], bool],
    uses: Callable[[str, str], bool],
) -> Source:
    """What variables set; those that Kubernetes sets, and those unlike any setting's, are passed over.

    A name that is no setting's is a problem if it must be meant for the program, and otherwise a warning: an
    environment may have variables of clients and of other programs.

    Args:
        model: everything that may be set.
        environment: variables.
        has_prefix: whether all variables of a section, by its present or former name, are the program's.
        uses: whether the program uses a section's key.
    """
    names = variables(model)
    mine = {
        name: text
        for name, text in sorted(environment.items())
        if name.startswith(PREFIX) and name != CONFIG and not _is_link(name, text)
    }
    given = [
        Given(*key, _converted(model, *key, mine[name]), name)
        for name, key in names.items()
        if name in mine and not _is_unset(model, *key, mine[name])
    ]
    own = [name for name, key in names.items() if uses(*key) and _is_distinct(model, name, *key)]
    unknown = {
        name: problem
        for name, text in mine.items()
        if name not in names and text.strip() and (problem := _variable_problem(model, name, names))
    }
    meant = {name for name in unknown if _has_prefix(model, name, has_prefix) or _closest(name, own)}
    problems = [problem for name, problem in unknown.items() if name in meant]
    warnings = [f"{problem} It is passed over." for name, problem in unknown.items() if name not in meant]
    return Source(model, given, problems, warnings)


def _is_unset(model: type[BaseSettings], section: str, key: str, text: str) -> bool:
    # Spaces must not open what the variable was to close.
    return not (text if _protects(model, section, key) else text.strip())


def _protects(model: type[BaseSettings], section: str, key: str) -> bool:
    return any(isinstance(mark, Protects) for mark in fields_of(model, section)[key].metadata)


def _is_distinct(model: type[BaseSettings], name: str, section: str, key: str) -> bool:
    """Whether what is almost this name must be meant for it; the service's short names are not so rare."""
    is_short = name == service_variable(model, section, key) != variable(section, key)
    return not is_short or _protects(model, section, key)


def _has_prefix(model: type[BaseSettings], name: str, has_prefix: Callable[[str], bool]) -> bool:
    sections = (*model.model_fields, *FORMER)
    return any(name.startswith(variable(section, "")) and has_prefix(section) for section in sections)


def _closest(name: str, names: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=_TYPING_ERROR)), None)


def _variable_problem(
    model: type[BaseSettings], name: str, names: Mapping[str, tuple[str, str]]
) -> str | None:
    if name in {variable(*removed) for removed in _REMOVED_KEYS}:
        return f"the environment: {name} {_REMOVED} Unset it."
    if problem := _unknown_in(model, name, {section: section for section in model.model_fields}):
        return problem
    if close := _closest(name, names):
        return f"the environment: {name} is no setting; did you mean {close}?"
    return _unknown_in(model, name, FORMER)


def _unknown_in(model: type[BaseSettings], name: str, sections: Mapping[str, str]) -> str | None:
    for written, section in sections.items():
        beginning = variable(written, "")
        if name.startswith(beginning):
            word = name.removeprefix(beginning)
            near = nearest(word, [key.upper() for key in fields_of(model, section)])
            return f"the environment: {name} is no setting, {beginning} has no {word}{near}"
    return None


def _is_link(name: str, text: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_PORT.fullmatch(text)))


def _section_problem(model: type[BaseSettings], section: str, values: object) -> str | None:
    if section not in model.model_fields:
        return f"unknown section `{section}`{nearest(section, list(model.model_fields))}"
    if not isinstance(values, dict):
        return f"`{section}` is a section: write [{section}], and its keys in the lines below."
    return None


def _key_problem(model: type[BaseSettings], section: str, key: str, value: object) -> str | None:
    if (section, key) in _REMOVED_KEYS:
        return f"`{section}.{key}` {_REMOVED} Delete the line."
    known = list(fields_of(model, section))
    if key not in known:
        return f"unknown key `{section}.{key}`{nearest(key, known)}"
    if _secret_kind(model, section, key) and not isinstance(value, str):
        return f"`{section}.{key}` must be text in quotes, received something else."
    return None


def _sealed(model: type[BaseSettings], section: str, key: str, value: object) -> object:
    kind = _secret_kind(model, section, key)
    return kind(value) if kind and isinstance(value, str) else value


def _converted(model: type[BaseSettings], section: str, key: str, text: str) -> object:
    """A variable's text as its setting's type; what has none is left for the check to refuse."""
    if secret := _secret_kind(model, section, key):
        return secret(text)
    try:
        return TypeAdapter(_kind(model, section, key)).validate_strings(text)
    except PydanticError:
        return text


def _secret_kind(model: type[BaseSettings], section: str, key: str) -> type[SecretUrl] | None:
    kind = _kind(model, section, key)
    parts = [part for option in (kind, *get_args(kind)) for part in (option, *get_args(option))]
    return next((part for part in parts if isinstance(part, type) and issubclass(part, SecretUrl)), None)


def _kind(model: type[BaseSettings], section: str, key: str) -> Any:
    return fields_of(model, section)[key].annotation


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} was expected and is not there. Name another with --config or {CONFIG}, or none."
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
