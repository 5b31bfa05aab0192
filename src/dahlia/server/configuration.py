"""What `dahlia config` prints: the settings in effect, where each was said, and no password."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia.server.secret_url import SecretUrl
from dahlia.server.setting_sources import fields_of, variable
from dahlia.server.settings import Settings, load_settings, read_given

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT = "default"


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
        ConfigError: see `dahlia.server.settings.load_settings`.
    """
    sources = {f"{one.section}.{one.key}": one.origin for one in read_given(file, environment)}
    effective = _effective(load_settings(file, environment))
    return [Row(key, _text(value), sources.get(key, DEFAULT)) for key, value in effective.items()]


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


def _section_reference(section: str) -> list[str]:
    head = [f"### `[{section}]`", "", getattr(Settings(), section).__doc__, ""]
    rows = [
        f"| `{key}` | {_text(field.default)} | {field.description} | `{variable(section, key)}` |"
        for key, field in fields_of(Settings, section).items()
    ]
    return [*head, "| key | default | meaning | variable |", "| --- | --- | --- | --- |", *rows, ""]


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
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else str(value)
