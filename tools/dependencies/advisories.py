"""What an advisory database answers about packages."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


class UnreachableError(Exception):
    """Nothing was checked: the database did not answer, or not as an advisory database does."""


@dataclass(frozen=True)
class Advisory:
    """A known vulnerability of a package at its version.

    Attributes:
        package: the name.
        version: the one that the lock file fixes.
        id: the database's own, for example `PYSEC-2026-12` or `GHSA-xxxx-xxxx-xxxx`.
        aliases: other databases' identifiers of the same one, for example a CVE.
        fixed_in: the versions without it; empty where none is known.
        summary: one line.
    """

    package: str
    version: str
    id: str
    aliases: frozenset[str] = frozenset()
    fixed_in: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True)
class Answer:
    """What a database knows about one lock file.

    Attributes:
        database: its name.
        checked: how many packages it knows.
        unknown: those that it does not know, which are not checked.
        advisories: what it found.
    """

    database: str
    checked: int
    unknown: tuple[str, ...] = ()
    advisories: tuple[Advisory, ...] = ()


@dataclass
class Deadline:
    """Seconds that all questions together may take."""

    seconds: float
    _started: float = field(default_factory=time.monotonic)

    def left(self, most: float) -> float:
        """The seconds that the next question may take, `most` at most.

        Raises:
            UnreachableError: none are left.
        """
        left = self.seconds - (time.monotonic() - self._started)
        if left <= 0:
            raise UnreachableError(f"the {self.seconds:.0f} s of the check were over")
        return min(left, most)
