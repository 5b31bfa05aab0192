"""Licences of packages: what each declares, and whether that may ship. The rules are in `licences.toml`."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from license_expression import ExpressionError, Licensing, get_spdx_licensing

from dependencies.lockfile import Package

FILE = Path(__file__).parent / "licences.toml"

_SAYS_NOTHING = {"License :: OSI Approved", "License :: DFSG approved"}
_LICENCE_FILE = re.compile(r"licen[sc]e|copying|notice|third[-_]party", re.IGNORECASE)
_CODE = (".py", ".pyc", ".pyi", ".so", ".h")
# How the full text of either begins. MPL-2.0 and others only mention their names, in small letters.
_FULL_TEXT = re.compile(r"GNU (AFFERO )?GENERAL PUBLIC LICENSE\s+Version \d")


@dataclass(frozen=True)
class Rules:
    """What `licences.toml` says.

    Attributes:
        permitted: SPDX identifiers of licences that may ship.
        spellings: SPDX expressions for texts and classifiers that are none.
        read: by package, the declarations that were compared with its licence file, and what that file says.
        exceptions: by package, declarations that may ship although their licence is not permitted.
        bundled: packages that ship the text of the GPL, for a reason.
    """

    permitted: frozenset[str]
    spellings: dict[str, str]
    read: dict[str, tuple[str, str]]
    exceptions: dict[str, tuple[str, ...]]
    bundled: frozenset[str]


@cache
def rules(path: Path = FILE) -> Rules:
    """The rules of the file."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return Rules(
        permitted=frozenset(data["permitted"]["licences"]),
        spellings=data["spellings"],
        read={entry["package"]: (entry["declares"], entry["licence"]) for entry in data["read"]},
        exceptions={
            name: tuple(entry["declares"]) for entry in data["exception"] for name in entry["packages"]
        },
        bundled=frozenset(name for entry in data["bundled"] for name in entry["packages"]),
    )


def declared(name: str) -> str | None:
    """What an installed package's metadata says, in its own words; None where it is not installed."""
    try:
        metadata: Any = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    said = [metadata.get("License-Expression"), _short(metadata.get("License"))]
    words = [text for text in said if text and expression(text)]
    telling = sorted(set(classifiers) - _SAYS_NOTHING)
    return words[0] if words else "; ".join(telling) or next((text for text in said if text), "")


def expression(declaration: str, package: str = "") -> str:
    """The SPDX expression for a declaration; empty where it names no licence.

    Args:
        declaration: what `declared` gives, or the `license` of npm's lock file.
        package: whose licence file may have been read.
    """
    known = rules()
    if known.read.get(package, ("", ""))[0] == declaration and package in known.read:
        return known.read[package][1]
    parts = [known.spellings.get(part, part) for part in declaration.split("; ") if part]
    expressions = [part for part in parts if _parsed(part) is not None]
    return " AND ".join(sorted(set(expressions))) if len(expressions) == len(parts) else ""


def problems(packages: Iterable[Package], declaration: Callable[[Package], str | None]) -> list[str]:
    """What keeps packages from being shipped, or, for those of tests and tools, from being used.

    Args:
        packages: of one lock file.
        declaration: gives what a package declares; None where it is not installed here.
    """
    found = []
    for package in packages:
        words = declaration(package)
        if words is not None and not _may_be_used(package, words):
            use = "be used by tests" if package.dev else "ship"
            found.append(
                f"{package.name} {package.version} declares {words!r}, with which it may not {use}. Read its "
                f"licence file; then name it in {FILE.name}, with the reason, or do without the package."
            )
    return found


def licence_texts(name: str) -> list[str]:
    """The licence files of an installed package that hold the full text of the GPL or AGPL."""
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    candidates = [file for file in files if _LICENCE_FILE.search(file.name) and file.suffix not in _CODE]
    return [
        str(file)
        for file in candidates
        if _FULL_TEXT.search(Path(str(file.locate())).read_text(encoding="utf-8", errors="replace"))
    ]


def _short(text: str | None) -> str:
    first = (text or "").strip().partition("\n")[0].strip()
    return "" if first == "UNKNOWN" else first[:100]


def _may_be_used(package: Package, words: str) -> bool:
    known = rules()
    if words in known.exceptions.get(package.name, ()):
        return True
    parsed = _parsed(expression(words, package.name))
    if parsed is None:
        return False
    return _holds(parsed, _no_agpl if package.dev else known.permitted.__contains__)


def _no_agpl(licence: str) -> bool:
    return not licence.startswith("AGPL")


def _holds(parsed: Any, permitted: Callable[[str], bool]) -> bool:
    """Of licences joined by OR one must be permitted, of those joined by AND each."""
    if not parsed.args or hasattr(parsed, "license_symbol"):
        return permitted(str(parsed))
    alternatives = (_holds(part, permitted) for part in parsed.args)
    return any(alternatives) if parsed.operator.strip() == "OR" else all(alternatives)


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


@cache
def _parsed(text: str) -> Any:
    try:
        parsed = _licensing().parse(text)
    except ExpressionError:
        return None
    unknown = _licensing().unknown_license_keys(parsed) if parsed is not None else []
    return parsed if all(key.startswith("LicenseRef-") for key in unknown) else None
