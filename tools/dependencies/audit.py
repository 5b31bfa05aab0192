"""Known vulnerabilities in what the lock files hold.

    make audit
    make audit AUDIT="--osv-url https://osv.example.org/v1/query"

Says one of three things: no known vulnerabilities (ends with 0), which ones were found (1), or that no
advisory database could be reached, so that nothing was checked (3; with `--allow-unreachable` 0, as loudly).
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dependencies import npm_audit_runs, pip_audit_runs
from dependencies.accepted import FILE, Accepted, read_accepted, split
from dependencies.advisories import Advisory, Answer, Deadline, UnreachableError
from dependencies.lockfile import LOCK, ROOT, npm_locks, read_lock

SECONDS = 120.0
CLEAN, FOUND, UNREACHABLE = 0, 1, 3

_RULE = "=" * 100
_ADVICE = (
    "Raise these versions (`make lock`), or accept an advisory for a while, with the reason, in "
    f"{FILE.relative_to(ROOT)}."
)


@dataclass
class Checked:
    """What is known about all lock files.

    Attributes:
        answers: by lock file, what a database knows about its packages.
        refusals: by lock file, why nothing was checked.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)

    def note(self, lock: Path, ask: Callable[[], Answer]) -> None:
        """Keep the answer, or why there is none."""
        name = _name(lock)
        try:
            self.answers[name] = ask()
        except UnreachableError as error:
            self.refusals[name] = str(error)


def check(
    python: Path, npm: Sequence[Path], databases: Sequence[pip_audit_runs.Database], seconds: float
) -> Checked:
    """Ask about lock files.

    Args:
        python: the one of Python.
        npm: those of npm.
        databases: those for Python, in the order in which they are asked.
        seconds: what all of it may take.
    """
    deadline, checked = Deadline(seconds), Checked()
    checked.note(python, lambda: pip_audit_runs.ask(read_lock(python), databases, deadline))
    try:
        npm_audit_runs.prove_registry(deadline)
    except UnreachableError as error:
        checked.refusals |= {_name(lock): str(error) for lock in npm}
        return checked
    for lock in npm:
        checked.note(lock, partial(npm_audit_runs.ask, lock, deadline))
    return checked


def report(checked: Checked, accepted: Sequence[Accepted], today: datetime.date) -> tuple[int, str]:
    """The outcome, and the text that says it."""
    lines, stops = [], 0
    for name, answer in checked.answers.items():
        stopping, holding, ended = split(answer.advisories, accepted, today)
        stops += len(stopping) + len(ended)
        lines += [_summary(name, answer, len(stopping) + len(ended))]
        lines += [f"  {_line(advisory)}" for advisory in stopping]
        lines += [f"  {_line(found)}; accepted until {entry.until}, which is over" for found, entry in ended]
        lines += [
            f"  accepted until {entry.until}: {_line(found)}: {entry.reason}" for found, entry in holding
        ]
    lines += [_ADVICE] if stops else []
    lines += _refused(checked.refusals)
    return FOUND if stops else UNREACHABLE if checked.refusals else CLEAN, "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, and print what was found; the number is the process's exit code."""
    parser = argparse.ArgumentParser(prog="make audit", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--osv-url", help="a database with OSV's API, instead of PyPI's and OSV's own")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long it may take in all")
    parser.add_argument(
        "--allow-unreachable", action="store_true", help="end with 0 when nothing was checked"
    )
    options = parser.parse_args(arguments)
    try:
        accepted = read_accepted()
    except ValueError as error:
        print(error)
        return FOUND
    url = options.osv_url
    databases = [pip_audit_runs.osv_at(url)] if url else [pip_audit_runs.PYPI, pip_audit_runs.OSV]
    outcome, text = report(
        check(LOCK, npm_locks(), databases, options.seconds), accepted, datetime.date.today()
    )
    print(text)
    return CLEAN if outcome == UNREACHABLE and options.allow_unreachable else outcome


def _name(lock: Path) -> str:
    return (lock.relative_to(ROOT) if lock.is_relative_to(ROOT) else lock).as_posix()


def _summary(name: str, answer: Answer, stops: int) -> str:
    found = f"{stops} KNOWN VULNERABILITIES" if stops else "no known vulnerabilities"
    summary = f"{name}: {found} in {answer.checked} packages ({answer.database})"
    if answer.unknown:
        summary += f"; NOT CHECKED, since the database does not know them: {', '.join(answer.unknown)}"
    return summary


def _line(advisory: Advisory) -> str:
    names = " ".join([advisory.id, *sorted(advisory.aliases)])
    fixed = f"fixed in {', '.join(advisory.fixed_in)}" if advisory.fixed_in else "no fixed version named"
    return f"{advisory.package} {advisory.version}: {names} ({fixed}): {advisory.summary[:200]}"


def _refused(refusals: dict[str, str]) -> Iterator[str]:
    if not refusals:
        return
    yield _RULE
    yield "NOTHING WAS CHECKED of the following: the advisory database is not reachable."
    yield from (f"  {name}: {reason}" for name, reason in refusals.items())
    yield "Run `make audit` on a machine with access to the internet, before each release at least."
    yield _RULE


if __name__ == "__main__":
    sys.exit(main())
