"""`make audit`: its three outcomes, and advisories that are accepted for a while."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from dependencies import audit
from dependencies.accepted import Accepted, read_accepted
from dependencies.advisories import Advisory, Answer

TODAY = datetime.date(2026, 12, 1)
ADVISORY = Advisory("torch", "2.14.1", "PYSEC-2026-7", frozenset({"CVE-2026-2"}))
FOUND = {"requirements.lock": Answer("OSV", 346, (), (ADVISORY,))}
NONE = {"requirements.lock": Answer("OSV", 346)}
PARTLY = {"requirements.lock": Answer("PyPI", 345, ("flask",))}
REFUSED = {"tests/clients/package-lock.json": "405 Method Not Allowed"}


def accepted(until: datetime.date, identifier: str = "CVE-2026-2", package: str = "torch") -> list[Accepted]:
    return [Accepted(identifier, package, "Only its compiler has it.", until)]


@pytest.mark.parametrize(
    ("checked", "entries", "outcome", "says"),
    [
        (audit.Checked(NONE), [], audit.CLEAN, "no known vulnerabilities in 346 packages (OSV)"),
        (audit.Checked(FOUND), [], audit.FOUND, "1 KNOWN VULNERABILITIES"),
        (
            audit.Checked(FOUND),
            [],
            audit.FOUND,
            "torch 2.14.1: PYSEC-2026-7 CVE-2026-2 (no fixed version named)",
        ),
        (audit.Checked(FOUND), accepted(TODAY), audit.CLEAN, "accepted until 2026-12-01: torch"),
        (audit.Checked(FOUND), accepted(TODAY, "PYSEC-2026-7"), audit.CLEAN, "Only its compiler has it."),
        (audit.Checked(FOUND), accepted(TODAY, package="numpy"), audit.FOUND, "1 KNOWN VULNERABILITIES"),
        (audit.Checked(FOUND), accepted(TODAY, "PYSEC-2026-8"), audit.FOUND, "1 KNOWN VULNERABILITIES"),
        (
            audit.Checked(FOUND),
            accepted(TODAY - datetime.timedelta(days=1)),
            audit.FOUND,
            "accepted until 2026-11-30, which is over",
        ),
        (audit.Checked(PARTLY), [], audit.CLEAN, "NOT CHECKED, since the database does not know them: flask"),
        (audit.Checked(NONE, REFUSED), [], audit.UNREACHABLE, "NOTHING WAS CHECKED of the following"),
        (audit.Checked(FOUND, REFUSED), [], audit.FOUND, "405 Method Not Allowed"),
        (audit.Checked({}, REFUSED), [], audit.UNREACHABLE, "405 Method Not Allowed"),
    ],
)
def test_the_outcome_and_what_is_said(
    checked: audit.Checked, entries: list[Accepted], outcome: int, says: str
) -> None:
    ended, text = audit.report(checked, entries, TODAY)
    assert ended == outcome
    assert says in text
    assert ("NOTHING WAS CHECKED of" in text) == bool(checked.refusals)


@pytest.mark.parametrize(
    ("options", "outcome"), [([], audit.UNREACHABLE), (["--allow-unreachable"], audit.CLEAN)]
)
def test_an_allowed_outage_is_as_loud(
    options: list[str], outcome: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "check", lambda *_: audit.Checked({}, REFUSED))
    assert audit.main(options) == outcome
    assert "NOTHING WAS CHECKED" in capsys.readouterr().out


ENTRY = 'id = "PYSEC-2026-7"\npackage = "torch"\nreason = "Only its compiler has it."\nuntil = 2027-03-31'


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (ENTRY.replace('reason = "Only its compiler has it."\n', ""), "expected `id`, `package`, `reason`"),
        (ENTRY.replace("Only its compiler has it.", "fine"), "expected why it cannot harm"),
        (ENTRY.replace("2027-03-31", '"never"'), "expected a day like 2027-03-31"),
        (ENTRY.replace('"torch"', "7"), "expected texts"),
        (ENTRY + "\nsince = 2026-01-01", "expected `id`, `package`, `reason`"),
        ("id =", "expected TOML"),
    ],
)
def test_an_accepted_advisory_has_a_reason_and_an_end(entry: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(f"[[accepted]]\n{entry}\n")
    with pytest.raises(ValueError, match=says):
        read_accepted(path)


def test_the_file_of_accepted_advisories_reads(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(f"[[accepted]]\n{ENTRY}\n")
    day = datetime.date(2027, 3, 31)
    assert read_accepted(path) == [Accepted("PYSEC-2026-7", "torch", "Only its compiler has it.", day)]
    assert isinstance(read_accepted(), list)


def test_a_bad_file_stops_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Any:
        raise ValueError("accepted-advisories.toml: expected TOML")

    monkeypatch.setattr(audit, "read_accepted", broken)
    monkeypatch.setattr(audit, "check", pytest.fail)
    assert audit.main([]) == audit.FOUND
    assert "expected TOML" in capsys.readouterr().out
