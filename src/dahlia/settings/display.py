"""What `dahlia config` prints: the settings in effect, where each was said, and no password."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia.errors import ConfigError
from dahlia.settings.server import Settings, read_all
from dahlia.settings.service import read_settings
from dahlia.settings.sources import fields_of, service_variable, variable
from dahlia.settings.values import SecretUrl

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT = "default"
_ORIGINS = "security.prediction_origins"


@dataclass(frozen=True)
class Row:
    """A setting in effect.

    Attributes:
        key: `server.port`.
        value: as text, passwords masked; empty where there is none.
        source: `default`, `dahlia.toml:12`, or the variable.
    """

    key: str
    value: str
    source: str


def explain(file: Path | None, environment: Mapping[str, str]) -> list[Row]:
    """Every setting, in the order of the sections.

    Raises:
        ConfigError: see `dahlia.settings.server.read_all`.
    """
    found = read_all(file, environment)
    effective = _effective(found.settings) | {_ORIGINS: _page_origins(found.settings, environment)}
    return [Row(key, _text(value), found.origins.get(key, DEFAULT)) for key, value in effective.items()]


def settings_table(rows: Sequence[Row]) -> Table:
    """The rows for a terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("Setting", "Value", "Source"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(row.key, escape(row.value), escape(row.source))
    return table


def settings_toml(settings: Settings) -> str:
    """The settings as a file that gives them again; a value whose password is masked is a comment."""
    effective = _effective(settings)
    lines: list[str] = []
    for section in Settings.model_fields:
        lines += ["", f"[{section}]"]
        for key, field in fields_of(Settings, section).items():
            lines += [f"# {field.description}", _assignment(section, key, effective)]
    return "\n".join(lines[1:]) + "\n"


def settings_reference() -> str:
    """All settings as Markdown, a table per section, from the models themselves."""
    return "\n".join(line for section in Settings.model_fields for line in _section_reference(section))


def service_reference() -> str:
    """What the prediction service reads, as a Markdown table."""
    rows = [
        f"| `{name}` | `{section}.{key}` | {_text(field.default)} | {field.description} |"
        for section in sorted(Settings.model_fields, key=lambda name: name != "service")
        for key, field in fields_of(Settings, section).items()
        if (name := service_variable(Settings, section, key))
    ]
    return "\n".join(["| variable | key | default | meaning |", "| --- | --- | --- | --- |", *rows])


def _section_reference(section: str) -> list[str]:
    head = [f"### `[{section}]`", "", getattr(Settings(), section).__doc__, ""]
    rows = [
        f"| `{key}` | {_text(field.default)} | {field.description} | {_variables(section, key)} |"
        for key, field in fields_of(Settings, section).items()
    ]
    return [*head, "| key | default | meaning | variable |", "| --- | --- | --- | --- |", *rows, ""]


def _variables(section: str, key: str) -> str:
    names = dict.fromkeys((variable(section, key), service_variable(Settings, section, key)))
    return ", ".join(f"`{name}`" for name in names if name)


def _page_origins(settings: Settings, environment: Mapping[str, str]) -> str:
    """Whose pages each program admits in this environment; of the service, without a file but a named one."""
    server = settings.security.pages
    try:
        service = str(read_settings(environment).origins)
    except ConfigError:
        return f"{server}; prediction service: its settings are refused"
    return server if server == service else f"{server}; prediction service: {service}"


def _effective(settings: Settings) -> dict[str, object]:
    values = {
        f"{section}.{key}": getattr(getattr(settings, section), key)
        for section in Settings.model_fields
        for key in fields_of(Settings, section)
    }
    places = (settings.database_url, settings.storage_url, settings.tracking_uri)
    return values | dict(zip(("database.url", "storage.url", "tracking.uri"), places, strict=True))


def _assignment(section: str, key: str, effective: Mapping[str, object]) -> str:
    value = effective[f"{section}.{key}"]
    if value is None:
        return f"# {key} ="
    if isinstance(value, SecretUrl) and str(value) != value.reveal():
        remedy = f"the password is masked; write it, or set {variable(section, key)}"
        return f"# {key} = {_toml(str(value))}  # {remedy}"
    return f"{key} = {_toml(value.reveal() if isinstance(value, SecretUrl) else value)}"


def _toml(value: object) -> str:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return os.pathsep.join(map(str, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)
