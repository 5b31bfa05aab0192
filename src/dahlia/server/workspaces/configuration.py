"""The pipeline's files in a workspace: those that Dahlia ships, with the snapshot's settings in `conf/`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import yaml

from dahlia import layout
from dahlia.composition import CONF, template, write_params
from dahlia.config import load_params
from dahlia.files import unfinished, write_text

# `dahlia init` and the server lay out the same project.
from dahlia.project import IGNORED, SHARED
from dahlia.server.workspaces.snapshot import Snapshot
from dahlia.server.workspaces.workspace import ANNOTATIONS

_HEADING = "# What the server chose for this project; the groups are those that Dahlia ships.\n"
_BUDGETED = "advanced_within_budget"
# Reports show photos, and photos are not kept in Git.
_NOT_IN_GIT = IGNORED + "/reports/*.html\n"


def configure(folder: Path, snapshot: Snapshot) -> None:
    """Bring pipeline, `conf/` and `params.yaml` up to date; what is right already is not touched.

    Killed at any moment, the next call ends what was begun.

    Raises:
        ConfigError: the domain or the project's name is not known, or a value is out of its range.
        DahliaError: the folder cannot be written.
    """
    expected = _expected(snapshot)
    present = {path.relative_to(folder).as_posix() for path in _shared_files(folder)}
    wrong = [name for name, text in expected.items() if _text(folder / name) != text]
    params = folder / layout.PARAMS
    if wrong or present != expected.keys():
        params.unlink(missing_ok=True)  # gone until all that it is composed from is there
        for name in present - expected.keys():
            (folder / name).unlink()
        for name in wrong:
            write_text(folder / name, expected[name])
    if not params.exists():
        write_params(folder)
    from dahlia.stages.environment import link_environment  # what it imports, workers have alone

    link_environment(folder, load_params(params).domain.backbone)


def _expected(snapshot: Snapshot) -> dict[str, str]:
    texts = dict(_shipped())
    name = (CONF / "config.yaml").as_posix()
    texts[name] = _root_config(yaml.safe_load(texts[name])["defaults"], snapshot)
    if _budgeted(snapshot):
        limit = {"budget_minutes": float(snapshot.budget_minutes or 0)}
        content = {"defaults": [snapshot.recipe], "fine_tuning": limit}
        texts[(CONF / "training" / f"{_BUDGETED}.yaml").as_posix()] = _written(content)
    texts[".gitignore"] = _NOT_IN_GIT
    return texts


@cache
def _shipped() -> Mapping[str, str]:
    origin = template()
    return {path.relative_to(origin).as_posix(): path.read_text("utf-8") for path in _shared_files(origin)}


def _shared_files(root: Path) -> Iterator[Path]:
    for part in (*SHARED, ".gitignore"):
        place = root / part
        yield from (path for path in [place, *place.rglob("*"), *unfinished(place)] if path.is_file())


def _root_config(defaults: list[str | dict[str, str]], snapshot: Snapshot) -> str:
    """What the server chose, above the groups that are shipped: Hydra lets `_self_`, the last, win."""
    chosen = {
        "domain": snapshot.domain,
        "training": _BUDGETED if _budgeted(snapshot) else snapshot.recipe,
        "validate": "skip",
    }
    groups = [
        {group: chosen.get(group, choice) for group, choice in entry.items()}
        if isinstance(entry, dict)
        else entry
        for entry in defaults
    ]
    values = {
        "project": {
            "name": _text_of(snapshot.project),
            "classification": snapshot.kind,
            "negative_tag": _text_of(snapshot.negative_tag),
        },
        "ingest": {"format": "csv", "source": ANNOTATIONS.as_posix()},
        # The API takes images with several tags in every project.
        "validate": {"several_tags": "warning"},
        "export": {"formats": ["onnx"]},
    }
    return _HEADING + _written({"defaults": groups} | values)


def _budgeted(snapshot: Snapshot) -> bool:
    return snapshot.recipe == "advanced" and snapshot.budget_minutes is not None


class _Quoted(str):
    """A text from a user: readers of YAML differ in what they take for a number, such as `1e3`."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')
)


def _written(content: object) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)


def _text_of(value: str | None) -> _Quoted | None:
    return None if value is None else _Quoted(_uninterpolated(value))


def _uninterpolated(value: str) -> str:
    # OmegaConf reads `${...}` as a reference to another key; a backslash before it says that it is text.
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", value)


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
