"""Reading `params.yaml`, checked key by key against `dahlia.params`.

`params.yaml` is the Hydra composition of `conf/`; every stage reads it through `load_params`, so an
unknown key or value is refused here with the nearest known ones.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import TypeVar, get_args

import yaml
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError
from pydantic_core import ErrorDetails

from dahlia.errors import ConfigError
from dahlia.masking import masked, shown
from dahlia.params import NAMING, DomainParams, Params

_Checked = TypeVar("_Checked", bound=BaseModel)
# libyaml where PyYAML was built with it: ten times as fast.
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check `params.yaml`.

    Raises:
        ConfigError: the file is missing or not YAML, or a key or value is not known; the message
            names the nearest known ones.
    """
    return check_params(read_yaml(path), str(path))


def read_yaml(path: Path) -> object:
    """Read one of a project's YAML files.

    Raises:
        ConfigError: the file is missing, cannot be read, or is not YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 (both are safe)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} was expected and is not there. Run this in a project folder, or make one with "
            "`dahlia init DIR`."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Restore the file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not YAML: {masked(str(error))}. Correct the line, or restore the file."
        ) from error


def check_params(values: object, origin: str) -> Params:
    """Check composed parameters; `origin` names them in messages.

    Raises:
        ConfigError: a key or value is not known, or one is missing.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{origin}: expected sections such as `project:`, received {shown(values)}.")
    params = check_section(Params, values, origin)
    if params.domain.withdrawn:
        raise ConfigError(
            f"{origin}: the domain {params.domain.name} cannot be used. {params.domain.withdrawn}"
        )
    return params


def check_domain(values: object, origin: str) -> DomainParams:
    """Check the section `domain` alone; a withdrawn one passes.

    Raises:
        ConfigError: see `check_params`.
    """
    return check_section(DomainParams, values, origin, within="domain.")


def nearest(word: str, known: list[str]) -> str:
    """`; did you mean a or b?` for the known words like `word`, else the list of all."""
    spelled: dict[str, list[str]] = {}
    for one in known:
        spelled.setdefault(one.casefold(), []).append(one)
    found = difflib.get_close_matches(word.casefold(), list(spelled), n=3, cutoff=0.6)
    if close := [one for name in found for one in spelled[name]][:3]:
        return f"; did you mean {' or '.join(close)}?"
    return f"; known: {', '.join(known)}."


def known_keys(location: Sequence[str], model: type[BaseModel] = Params) -> list[str]:
    """The keys that the section at `location` in `model` may have; none where it is a value."""
    for part in location:
        inner = _fields(model).get(part)
        inner = next((kind for kind in get_args(inner) if kind is not NoneType), inner)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(_fields(model))


def check_section(model: type[_Checked], values: object, origin: str, within: str = "") -> _Checked:
    """Check values against a model; keys are named with `within` before them, values with `origin`.

    Raises:
        ConfigError: a key or value is not known, or one is missing.
    """
    try:
        return model.model_validate(values)
    except PydanticError as error:
        lines = [explain(detail, model, within) for detail in error.errors()]
        raise ConfigError("\n".join(f"{origin}: {line}" for line in lines)) from error


def explain(detail: ErrorDetails, model: type[BaseModel], within: str = "") -> str:
    """A sentence about one error of a check, which names the key and the nearest known words."""
    location = [str(part) for part in detail["loc"]]
    key, found = within + ".".join(location), shown(detail["input"], location[-1] if location else "")
    if detail["type"] == "extra_forbidden":
        return f"unknown key `{key}`{nearest(location[-1], known_keys(location[:-1], model))}"
    if detail["type"] == "missing":
        return f"the key `{key}` is missing; compose it again with `dahlia params`."
    if detail["type"] == "literal_error":
        expected = [word.strip("' ") for word in detail["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"`{key}` cannot be {found}{nearest(str(detail['input']), expected)}"
    if detail["type"] == "string_pattern_mismatch":
        return f"`{key}` cannot be {found}: expected {NAMING}."
    return f"`{key}` cannot be {found}: {detail['msg'].removeprefix('Value error, ')}."


def _fields(model: type[BaseModel]) -> dict[str, object]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
