"""Advisories that are accepted for a while, each with its reason: `accepted-advisories.toml`."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dependencies.advisories import Advisory

FILE = Path(__file__).parent / "accepted-advisories.toml"

_FIELDS = {"id", "package", "reason", "until"}
_SHORTEST_REASON = 10


@dataclass(frozen=True)
class Accepted:
    """An advisory that stops nothing until a day.

    Attributes:
        id: of the advisory, or one of its aliases.
        package: the package that it is accepted for.
        reason: why it cannot harm here.
        until: the last day that this holds.
    """

    id: str
    package: str
    reason: str
    until: datetime.date


def read_accepted(path: Path = FILE) -> list[Accepted]:
    """The entries of the file.

    Raises:
        ValueError: an entry has no identifier, package, reason or day, or the file is no TOML.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("accepted", [])
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name}: expected TOML, {error}.") from error
    return [_accepted(path.name, entry) for entry in entries]


def split(
    advisories: Iterable[Advisory], accepted: Iterable[Accepted], today: datetime.date
) -> tuple[list[Advisory], list[tuple[Advisory, Accepted]], list[tuple[Advisory, Accepted]]]:
    """What stops, what is accepted, and what was accepted until a day before `today`."""
    stops, holds, ended = [], [], []
    for advisory in advisories:
        entry = next((entry for entry in accepted if _matches(entry, advisory)), None)
        if entry is None:
            stops.append(advisory)
        elif entry.until < today:
            ended.append((advisory, entry))
        else:
            holds.append((advisory, entry))
    return stops, holds, ended


def _matches(entry: Accepted, advisory: Advisory) -> bool:
    return entry.package == advisory.package and entry.id in {advisory.id, *advisory.aliases}


def _accepted(file: str, entry: object) -> Accepted:
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        raise ValueError(f"{file}: expected `id`, `package`, `reason` and `until`, received {entry!r}.")
    texts = [entry["id"], entry["package"], entry["reason"]]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{file}: expected texts in `id`, `package` and `reason`, received {entry!r}.")
    if len(entry["reason"].strip()) < _SHORTEST_REASON:
        raise ValueError(f"{file}: {entry['id']}: expected why it cannot harm, received {entry['reason']!r}.")
    if type(entry["until"]) is not datetime.date:
        raise ValueError(f"{file}: {entry['id']}: expected a day like 2027-03-31 in `until`.")
    return Accepted(entry["id"], entry["package"], entry["reason"].strip(), entry["until"])
