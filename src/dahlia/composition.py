"""`conf/` composed by Hydra: the one owner of `params.yaml`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from dahlia import layout
from dahlia.config import check_domain, check_params, check_section, known_keys, nearest, read_yaml
from dahlia.errors import ConfigError
from dahlia.files import write_text
from dahlia.imports import require_formats
from dahlia.kinds import Task
from dahlia.masking import masked, shown
from dahlia.params import DomainParams, Params
from dahlia.targets import check_targets

CONF = Path("conf")
_NO_SUCH_KEY = re.compile(r"Could not override '([^']+)'")  # what Hydra says
_UNREADABLE = "an interpolation ${...} cannot be read, or a value is of a kind that Hydra does not take"
READ_BY_ONE: dict[Task, tuple[str, ...]] = {
    "classification": (
        "project.classification",
        "project.negatives",
        "validate.several_tags",
        "validate.min_images_per_tag",
        "validate.min_region_edge",
        "training.regularisation",
        "training.max_iterations",
        "training.batch_size",
    ),
    "detection": (
        "training.detection",
        "validate.min_boxes_per_tag",
        "validate.advised_boxes_per_tag",
        "validate.max_boxes_per_image",
        "validate.min_box_pixels",
        "validate.max_box_overlap",
        "evaluate.overlap",
    ),
}
_Checked = TypeVar("_Checked", bound=BaseModel)


def compose(root: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Compose `conf/config.yaml` with Hydra overrides such as `domain=food`, and check the result.

    Raises:
        ConfigError: a group, choice, key or value is not known; the message names the nearest.
    """
    _check_names(_conf(root), overrides)
    composed = _composed(root, "config", overrides)
    _check_task(check_params(composed, f"{CONF}/"), overrides)
    return composed


def compose_alone(root: Path, name: str, model: type[_Checked], overrides: Sequence[str] = ()) -> _Checked:
    """Compose `conf/<name>.yaml`, which is no part of `params.yaml`, and check it against its model.

    Raises:
        ConfigError: see `compose`.
    """
    _check_age(_conf(root), name, model)
    for override in overrides:
        key, given, choice = override.lstrip("+~").partition("=")
        if not given:
            raise ConfigError(f"Expected an override like epochs=10, received {shown(override)}.")
        *location, last = re.split(r"[./]", key)
        known = known_keys(location, model)
        if known and last not in known:
            raise ConfigError(f"unknown key `{key}`{nearest(last, known)}")
        if "/" in key or key in _groups(_conf(root)):
            _check_choice(_conf(root), key, choice)
    return check_section(model, _composed(root, name, overrides), f"{CONF / name}.yaml")


def write_params(root: Path, overrides: Sequence[str] = ()) -> Params:
    """Compose and write `params.yaml`.

    Raises:
        ConfigError: see `compose`; or an export needs packages that are not installed, or a `_target_` is no
            class that can be used.
    """
    values = compose(root, overrides)
    params = check_params(values, str(layout.PARAMS))
    require_formats(params.export.formats)
    check_targets(params.trainer, root)
    write_text(root / layout.PARAMS, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return params


def template() -> Path:
    """Where what a project shares with the package is: in the package, or in the checkout it runs from."""
    packaged = Path(__file__).parent / "template"
    return packaged if packaged.is_dir() else Path(__file__).parents[2]


def choices(root: Path, group: str) -> list[str]:
    """The names of the files in `conf/<group>`."""
    return sorted(path.stem for path in (root / CONF / group).glob("*.yaml"))


def domains(root: Path) -> dict[str, DomainParams]:
    """Every choice of `conf/domain` by its name; the withdrawn ones too.

    Raises:
        ConfigError: a domain cannot be composed, or has a key or value that is not known.
    """
    return {
        name: check_domain(
            _composed(root, "config", [f"domain={name}"])["domain"], f"{CONF / 'domain' / name}.yaml"
        )
        for name in choices(_conf(root).parent, "domain")
    }


def check_override_keys(root: Path, override: str) -> None:
    """Check that the group and key exist, and choices if they are plain names; a sweep has several values.

    Raises:
        ConfigError: see `compose`.
    """
    conf, (key, _, value) = _conf(root), override.partition("=")
    plain = value.split(",") if re.fullmatch(r"\w+(,\w+)*", value) else []
    grouped = "=" in override and "." not in key
    _check_names(conf, [f"{key}={choice}" for choice in plain] if grouped else [override])


def _composed(root: Path, name: str, overrides: Sequence[str]) -> dict[str, Any]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    conf = _conf(root)
    try:
        with initialize_config_dir(str(conf), version_base="1.3"):
            composed = OmegaConf.to_container(hydra_compose(name, list(overrides)), resolve=True)
    except OverrideParseException as error:
        override = masked(error.override)
        key, _, value = override.partition("=")
        raise ConfigError(
            f"The override {override} cannot be read: expected Hydra's grammar, in which values with "
            f"other than plain letters and digits are in quotes, such as \"{key}='{value}'\"."
        ) from error
    except (HydraException, OmegaConfBaseException) as error:
        reason = masked(next(iter(str(error).strip().splitlines()), _UNREADABLE))
        changed = " ".join(map(masked, overrides)) or "its defaults"
        if unknown := _NO_SUCH_KEY.match(reason):
            raise ConfigError(
                f"{CONF}/ has no `{unknown[1]}`. Correct the name; if a newer Dahlia than this project's "
                f"{CONF}/ added it, add the line that a new project's {CONF}/ has (`dahlia init DIR`)."
            ) from error
        raise ConfigError(
            f"{CONF}/ cannot be composed with {changed}: {reason.rstrip('.')}. Correct the override or the "
            "file, and compose again with `dahlia params`."
        ) from error
    except RecursionError:
        raise ConfigError(f"{CONF}/ holds a value that contains itself. Correct the file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = masked(" ".join(str(error).split()))
        raise ConfigError(
            f"{CONF}/ holds a file that is not YAML: {reason}. Correct the line, or restore the file."
        ) from error
    assert isinstance(composed, dict)
    return {str(key): value for key, value in composed.items()}


def _conf(root: Path) -> Path:
    conf = (root / CONF).resolve()
    if not (conf / "config.yaml").is_file():
        raise ConfigError(
            f"{conf / 'config.yaml'} was expected and is not there. Run this in a project folder, or make "
            "one with `dahlia init DIR`."
        )
    return conf


def _check_names(conf: Path, overrides: Sequence[str]) -> None:
    groups = _groups(conf)
    for override in overrides:
        match = re.fullmatch(r"(\w+(?:/\w+)*)(?:\.([\w.]+))?=(.*)", override)
        if match is None:
            raise ConfigError(
                f"Expected an override like domain=food or split.folds=10, received {shown(override)}."
            )
        group, key, value = match.groups()
        if group not in groups:
            raise _unknown_group(conf, group)
        if key is None:
            _check_choice(conf, group, value)
        else:
            _check_key(group, key.split("."))


def _groups(conf: Path) -> list[str]:
    return sorted(path.relative_to(conf).as_posix() for path in conf.rglob("*") if path.is_dir())


def _within(key: str, keys: Sequence[str]) -> bool:
    return any(key == one or key.startswith(f"{one}.") for one in keys)


def _check_task(params: Params, overrides: Sequence[str]) -> None:
    """Refuse to set what projects of the task do not read. Every project has the defaults of both tasks."""
    task, domain = params.domain.task, params.domain.name
    for override in overrides:
        key = override.partition("=")[0]
        others = [other for other, keys in READ_BY_ONE.items() if other != task and _within(key, keys)]
        if others:
            raise ConfigError(
                f"`{key}` is read in projects of {others[0]}, and the domain {domain} is of {task}. Leave it "
                f"out, or choose a domain of {others[0]} (`dahlia domains`)."
            )


def _check_choice(conf: Path, group: str, choice: str) -> None:
    if group not in _groups(conf):
        raise _unknown_group(conf, group)
    if choice not in (known := choices(conf.parent, group)):
        raise ConfigError(f"`{group}` has no choice {shown(choice)}{nearest(choice, known)}")


def _unknown_group(conf: Path, group: str) -> ConfigError:
    first = group.partition("/")[0]
    if (conf / first).is_dir() or not (template() / CONF / group).is_dir():
        return ConfigError(f"unknown group `{group}`{nearest(group, _groups(conf))}")
    return ConfigError(
        f"{CONF}/ has no group `{first}`: it was made by an older version of Dahlia. Copy {first}/ from "
        f"{template() / CONF} into {CONF}/, and add `- {first}: default` to `defaults` in {CONF}/config.yaml."
    )


def _check_age(conf: Path, name: str, model: type[BaseModel]) -> None:
    values = read_yaml(conf / f"{name}.yaml")
    defaults = values.get("defaults") if isinstance(values, dict) else None
    groups = [key for entry in defaults or [] if isinstance(entry, dict) for key in entry]
    sections = [key for key in known_keys((), model) if (template() / CONF / key).is_dir()]
    if missing := [key for key in sections if key not in groups or not (conf / key).is_dir()]:
        raise ConfigError(
            f"{CONF}/{name}.yaml has no `{missing[0]}`: it was made by an older version of Dahlia. Copy "
            f"{name}.yaml and {missing[0]}/ from {template() / CONF} into {CONF}/, then enter your own "
            "values in them."
        )


def _check_key(group: str, keys: list[str]) -> None:
    for depth, key in enumerate(keys):
        known = known_keys([group, *keys[:depth]])
        if known and key not in known:
            raise ConfigError(f"unknown key `{'.'.join([group, *keys])}`{nearest(key, known)}")
