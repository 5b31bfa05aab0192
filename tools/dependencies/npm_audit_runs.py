"""npm's packages, asked about with `npm audit`."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dependencies.advisories import Advisory, Answer, Deadline, UnreachableError

# Known for years to have vulnerabilities: a registry that knows none of them carries no advisories.
KNOWN_VULNERABLE = ("minimist", "0.0.8")
RUN_SECONDS = 30.0

_DATABASE = "npm's registry"
_COMMAND = ("audit", "--package-lock-only", "--json", "--fetch-retries=0", "--fetch-timeout=10000")


def ask(lock: Path, deadline: Deadline) -> Answer:
    """What npm's registry knows about the packages of a `package-lock.json`.

    Raises:
        UnreachableError: npm is not installed, or its registry has no advisories.
    """
    entries: dict[str, dict[str, Any]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    wanted = json.loads(lock.with_name("package.json").read_text(encoding="utf-8"))
    found = tuple(_advisories(_npm_audit(wanted, entries, deadline), entries))
    return Answer(_DATABASE, len(entries) - 1, (), found)


def prove_registry(deadline: Deadline) -> None:
    """Ask about a package that has known vulnerabilities.

    Raises:
        UnreachableError: the registry does not answer, or knows nothing about it.
    """
    name, version = KNOWN_VULNERABLE
    wanted = {"name": "proof", "version": "1.0.0", "dependencies": {name: version}}
    report = _npm_audit(wanted, {"": wanted, f"node_modules/{name}": {"version": version}}, deadline)
    if name not in report["vulnerabilities"]:
        raise UnreachableError(
            f"{_DATABASE} answers, but knows nothing about {name} {version}, which has some"
        )


def _npm_audit(wanted: dict[str, Any], entries: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
    npm = shutil.which("npm")
    if npm is None:
        raise UnreachableError("npm is not installed")
    seconds = deadline.left(RUN_SECONDS)
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        lock = {"name": wanted.get("name", "audited"), "lockfileVersion": 3, "packages": entries}
        Path(folder, "package.json").write_text(json.dumps(wanted), encoding="utf-8")
        Path(folder, "package-lock.json").write_text(json.dumps(lock), encoding="utf-8")
        try:
            done = subprocess.run(
                [npm, *_COMMAND], cwd=folder, capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"{_DATABASE} gave no answer within {seconds:.0f} s") from error
    return _report(done.stdout, done.stderr)


def _report(printed: str, errors: str) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(printed)
    except ValueError:
        report = {"message": " ".join(errors.split())}
    if "auditReportVersion" not in report:
        raise UnreachableError(str(report.get("message") or "npm audit ended without a report")[:300])
    return report


def _advisories(report: dict[str, Any], entries: dict[str, dict[str, Any]]) -> Iterator[Advisory]:
    for name, vulnerable in report["vulnerabilities"].items():
        versions = sorted({str(entries[node]["version"]) for node in vulnerable["nodes"] if node in entries})
        for source in vulnerable["via"]:
            if isinstance(source, dict):  # a text names the package that passes the vulnerability on
                identifier = str(source["url"]).rpartition("/")[2]
                title = str(source["title"])
                yield Advisory(name, ", ".join(versions), identifier, summary=title)
