"""The pipeline's files in a workspace: those that Dahlia ships, with the snapshot's settings in `conf/`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

import yaml

from dahlia import layout
from dahlia.composition import CONF, write_params
from dahlia.errors import ConfigError
from dahlia.files import write_text

# `dahlia init` and the server lay out the same project.
from dahlia.project import IGNORED, SHARED, template
from dahlia.server.workspaces.places import ANNOTATIONS
from dahlia.server.workspaces.snapshot import Snapshot

_Value: TypeAlias = str | float | list[str] | None

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


def _expected(snapshot: Snapshot) -> dict[str, str]:
    texts = dict(_shipped())
    for name, values in _settings(snapshot).items():
        path = (CONF / name).as_posix()
        texts[path] = _with_values(texts[path], values, path)
    texts[".gitignore"] = _NOT_IN_GIT
    return texts


@cache
def _shipped() -> Mapping[str, str]:
    origin = template()
    return {path.relative_to(origin).as_posix(): path.read_text("utf-8") for path in _shared_files(origin)}


def _shared_files(root: Path) -> Iterator[Path]:
    for part in (*SHARED, ".gitignore"):
        place = root / part
        yield from (path for path in [place, *place.rglob("*")] if path.is_file())


def _settings(snapshot: Snapshot) -> dict[str, dict[str, _Value]]:
    settings: dict[str, dict[str, _Value]] = {
        "config.yaml": {"- domain": snapshot.domain, "- training": snapshot.recipe, "- validate": "skip"},
        "project/default.yaml": {
            "name": snapshot.project,
            "classification": snapshot.kind,
            "negative_tag": _uninterpolated(snapshot.negative_tag),
        },
        # The API takes images with several tags in every project.
        "validate/default.yaml": {"several_tags": "warning"},
        "ingest/default.yaml": {"format": "csv", "source": ANNOTATIONS.as_posix()},
        "export/default.yaml": {"formats": ["onnx"]},
    }
    if snapshot.recipe == "advanced" and snapshot.budget_minutes is not None:
        settings["training/advanced.yaml"] = {"budget_minutes": float(snapshot.budget_minutes)}
    return settings


def _with_values(text: str, values: Mapping[str, _Value], origin: str) -> str:
    """The text with the values of these keys replaced; comments stay."""
    for key, value in values.items():
        line = re.compile(rf"^( *{re.escape(key)}:)[^#\n]*?( *#.*)?$", re.MULTILINE)
        written = f" {_scalar(value)}"
        text, count = line.subn(partial(_rewritten, written), text)
        if count != 1:
            raise ConfigError(
                f"{origin}: expected the key `{key}` once, found it {count} times. Reinstall Dahlia: its "
                "files do not fit together."
            )
    return text


def _rewritten(written: str, line: re.Match[str]) -> str:
    return line[1] + written + (line[2] or "")


def _scalar(value: _Value) -> str:
    # What is a number differs between readers of YAML (`1e3`): all but plain words are in quotes.
    quote = '"' if isinstance(value, str) and not re.fullmatch(r"[a-z_]+", value) else None
    dumped = yaml.safe_dump(
        value, default_style=quote, default_flow_style=True, allow_unicode=True, width=10**6
    )
    return dumped.removesuffix("...\n").strip()


def _uninterpolated(value: str | None) -> str | None:
    # OmegaConf reads `${...}` as a reference to another key; a backslash before it says that it is text.
    if value is None:
        return None
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", value)


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
