"""Python's packages, asked about with pip-audit."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dependencies.advisories import Advisory, Answer, Deadline, UnreachableError
from dependencies.lockfile import Package

# Known for years to have vulnerabilities. A mirror of PyPI that carries no advisories answers 404, which
# pip-audit counts as a package that it skips: it ends with 0 and "No known vulnerabilities found".
KNOWN_VULNERABLE = Package("jinja2", "2.10")
PROOF_SECONDS = 20.0
SOCKET_SECONDS = 10

_OPTIONS = (
    "--no-deps",
    "--disable-pip",
    "--progress-spinner=off",
    "--desc=on",
    "--aliases=on",
    "--format=json",
)


@dataclass(frozen=True)
class Database:
    """A public advisory database.

    Attributes:
        name: for people.
        options: what pip-audit needs to ask it.
    """

    name: str
    options: tuple[str, ...]


PYPI = Database("PyPI", ("--vulnerability-service=pypi",))
OSV = Database("OSV", ("--vulnerability-service=osv",))


def osv_at(url: str) -> Database:
    """A database with OSV's API (`POST .../v1/query`) at an address of one's own."""
    return Database(f"OSV at {url}", ("--vulnerability-service=osv", f"--osv-url={url}"))


def ask(packages: Sequence[Package], databases: Sequence[Database], deadline: Deadline) -> Answer:
    """What the first database that can be reached knows about the packages, whatever their platform.

    Raises:
        UnreachableError: none of the databases answered.
    """
    refusals = []
    for database in databases:
        try:
            _prove(database, deadline)
            return _asked(packages, database, deadline)
        except UnreachableError as error:
            refusals.append(f"{database.name}: {error}")
    raise UnreachableError("; ".join(refusals))


def _prove(database: Database, deadline: Deadline) -> None:
    report = _pip_audit([KNOWN_VULNERABLE], database, deadline.left(PROOF_SECONDS))
    if not any(entry.get("vulns") for entry in report["dependencies"]):
        raise UnreachableError(
            f"it answers, but knows nothing about {KNOWN_VULNERABLE.name} {KNOWN_VULNERABLE.version}, "
            "which has known vulnerabilities; so its silence about others means nothing"
        )


def _asked(packages: Sequence[Package], database: Database, deadline: Deadline) -> Answer:
    entries: list[dict[str, Any]] = []
    for turn in _turns(packages):
        entries += _pip_audit(turn, database, deadline.left(deadline.seconds))["dependencies"]
    known = [entry for entry in entries if "version" in entry]
    unknown = tuple(sorted(str(entry["name"]) for entry in entries if "version" not in entry))
    found = tuple(_advisory(entry, vulnerability) for entry in known for vulnerability in entry["vulns"])
    return Answer(database.name, len(known), unknown, found)


def _turns(packages: Sequence[Package]) -> list[list[Package]]:
    """Each name once a turn, as pip-audit wants it: other Pythons get other versions of some."""
    turns: list[list[Package]] = []
    for package in dict.fromkeys((package.name, package.version) for package in packages):
        turn = next((turn for turn in turns if package[0] not in {other.name for other in turn}), None)
        if turn is None:
            turns.append(turn := [])
        turn.append(Package(*package))
    return turns


def _pip_audit(packages: Sequence[Package], database: Database, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        wanted, written = Path(folder, "requirements.txt"), Path(folder, "report.json")
        wanted.write_text("".join(f"{package.name}=={package.version}\n" for package in packages))
        command = [sys.executable, "-m", "pip_audit", *_OPTIONS, *database.options, f"--requirement={wanted}"]
        command += [f"--output={written}", f"--cache-dir={folder}/cache", f"--timeout={SOCKET_SECONDS}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"no answer within {seconds:.0f} s") from error
        # It ends with 1 when it found something, and also when it broke; only the report tells them apart.
        try:
            report: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UnreachableError(f"pip-audit failed: {_last_line(done.stderr)}") from error
        return report


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it wrote no report"


def _advisory(entry: dict[str, Any], vulnerability: dict[str, Any]) -> Advisory:
    return Advisory(
        package=str(entry["name"]),
        version=str(entry["version"]),
        id=str(vulnerability["id"]),
        aliases=frozenset(map(str, vulnerability.get("aliases", []))),
        fixed_in=tuple(map(str, vulnerability.get("fix_versions", []))),
        summary=" ".join(str(vulnerability.get("description", "")).split()),
    )
