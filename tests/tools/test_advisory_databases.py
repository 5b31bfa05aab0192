"""Lock files checked with an advisory database on this machine, and what must not pass for a check."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from advisory_server import AdvisoryServer, advisory_server, npm_entry, osv_entry

from dependencies import audit, npm_audit_runs, pip_audit_runs
from dependencies.advisories import Advisory, Answer, Deadline, UnreachableError
from dependencies.lockfile import LOCK, Package, npm_locks, read_lock
from programs import find_program

pytestmark = pytest.mark.slow

PACKAGES = [Package("flask", "3.0.0"), Package("numpy", "2.4.6"), Package("numpy", "2.5.5")]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AdvisoryServer]:
    with advisory_server() as server:
        monkeypatch.setenv("npm_config_registry", server.url)
        yield server


def ask(server: AdvisoryServer, seconds: float = 60) -> Answer:
    return pip_audit_runs.ask(PACKAGES, [pip_audit_runs.osv_at(f"{server.url}/v1/query")], Deadline(seconds))


def test_every_version_is_asked_about_and_what_is_known_is_found(server: AdvisoryServer) -> None:
    server.python["numpy", "2.5.5"] = [osv_entry("PYSEC-2026-9", "numpy", "2.5.6", aliases=["CVE-2026-1"])]
    answer = ask(server)
    found = Advisory(
        "numpy", "2.5.5", "PYSEC-2026-9", frozenset({"CVE-2026-1"}), ("2.5.6",), "Bad input is run."
    )
    assert (answer.checked, answer.unknown, answer.advisories) == (3, (), (found,))
    assert sorted(server.asked[1:]) == [("flask", "3.0.0"), ("numpy", "2.4.6"), ("numpy", "2.5.5")]


@pytest.mark.parametrize(
    ("behaviour", "knows", "reason"),
    [
        ("refuses", True, "pip-audit failed"),
        ("babbles", True, "pip-audit failed"),
        ("hangs", True, "no answer within"),
        ("answers", False, "knows nothing about jinja2 2.10"),
    ],
)
def test_a_database_that_proves_nothing_has_checked_nothing(
    server: AdvisoryServer, behaviour: str, knows: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behaviour = behaviour
    monkeypatch.setattr(pip_audit_runs, "PROOF_SECONDS", 3 if behaviour == "hangs" else 60)
    if not knows:
        server.python.clear()
    with pytest.raises(UnreachableError, match=reason):
        ask(server)


def test_the_next_database_is_asked_where_one_cannot_be_reached(server: AdvisoryServer) -> None:
    with advisory_server() as gone:
        address = gone.url
    databases = [pip_audit_runs.osv_at(address), pip_audit_runs.osv_at(f"{server.url}/v1/query")]
    assert pip_audit_runs.ask(PACKAGES, databases, Deadline(60)).checked == len(PACKAGES)


def test_no_time_is_no_check(server: AdvisoryServer) -> None:
    with pytest.raises(UnreachableError, match="were over"):
        ask(server, seconds=0)
    assert server.asked == []


def test_what_a_mirror_does_not_know_is_named(
    server: AdvisoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyPI's API says 404 for a package without advisories to look up; pip-audit skips it and ends with 0."""
    skipped = {"name": "flask", "skip_reason": "Dependency not found on PyPI and could not be audited"}
    known = {"name": "jinja2", "version": "2.10", "vulns": [{"id": "PYSEC-2019-217", "fix_versions": []}]}
    reports = iter([[known], [skipped, {"name": "numpy", "version": "2.4.6", "vulns": []}], []])
    monkeypatch.setattr(pip_audit_runs, "_pip_audit", lambda *_: {"dependencies": next(reports)})
    answer = ask(server)
    assert (answer.checked, answer.unknown) == (1, ("flask",))


@pytest.fixture
def npm() -> str:
    return find_program("npm")


needs_npm = pytest.mark.usefixtures("npm")


@needs_npm
def test_npm_packages_are_checked_too(server: AdvisoryServer, tmp_path: Path) -> None:
    wanted = {"name": "site", "version": "1.0.0", "dependencies": {"minimist": "1.2.0"}}
    lock = {"lockfileVersion": 3, "packages": {"": wanted, "node_modules/minimist": {"version": "1.2.0"}}}
    (tmp_path / "package.json").write_text(json.dumps(wanted))
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    npm_audit_runs.prove_registry(Deadline(60))
    answer = npm_audit_runs.ask(tmp_path / "package-lock.json", Deadline(60))
    expected = Advisory("minimist", "1.2.0", "GHSA-test-test-0001", summary="Prototype pollution")
    assert (answer.checked, answer.advisories) == (1, (expected,))
    server.npm["minimist"] = [npm_entry(2, "1.2.0")]
    assert npm_audit_runs.ask(tmp_path / "package-lock.json", Deadline(60)).advisories == ()


@needs_npm
@pytest.mark.parametrize("behaviour", ["refuses", "babbles", "silent"])
def test_a_registry_without_advisories_has_checked_nothing(server: AdvisoryServer, behaviour: str) -> None:
    server.behaviour = "answers" if behaviour == "silent" else behaviour
    server.npm.clear()
    with pytest.raises(UnreachableError):
        npm_audit_runs.prove_registry(Deadline(60))


def test_without_npm_its_packages_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UnreachableError, match="npm is not installed"):
        npm_audit_runs.prove_registry(Deadline(60))


@needs_npm
def test_everything_that_is_locked_is_asked_about(
    server: AdvisoryServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = {(package.name, package.version) for package in read_lock(LOCK)}
    torch = next(version for name, version in locked if name == "torch")
    server.python["torch", torch] = [osv_entry("PYSEC-2026-7", "torch", "99")]
    outcome = audit.main([f"--osv-url={server.url}/v1/query"])
    printed = capsys.readouterr().out
    assert outcome == audit.FOUND
    assert f"requirements.lock: 1 KNOWN VULNERABILITIES in {len(locked)} packages" in printed
    assert f"torch {torch}: PYSEC-2026-7 (fixed in 99)" in printed
    assert npm_locks()
    assert printed.count("no known vulnerabilities in") == len(npm_locks())
    assert locked < set(server.asked)
