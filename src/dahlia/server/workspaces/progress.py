"""How far a pipeline is, from what it prints."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_ALMOST = 0.95  # of a stage that takes longer than was thought
_OVERDUE_SECONDS = 5.0  # beyond what was thought, after which nobody knows how long it takes

_RUNNING = re.compile(r"Running stage '([\w-]+)(?:@[\w-]+)?':")
_SKIPPED = re.compile(r"Stage '([\w-]+)(?:@[\w-]+)?' (?:didn't change|is cached)")


@dataclass(frozen=True)
class Progress:
    """Where a training is.

    Attributes:
        stage: the one that runs; empty before the first.
        done: how many stages are behind it.
        count: how many there are.
        fraction: of the time that the training is thought to take, 0 to 1.
        seconds_left: thought to be left; None while a stage takes longer than was thought.
        line: what the pipeline printed last.
    """

    stage: str
    done: int
    count: int
    fraction: float
    seconds_left: float | None
    line: str


class Course:
    """Follows a pipeline through its stages.

    Args:
        expected: seconds that each stage is thought to take, in the order of the stages.
        clock: seconds that only grow.
    """

    def __init__(self, expected: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self.expected = dict(expected)
        self.clock = clock
        self.stage = ""
        self._began = clock()
        self._behind: set[str] = set()
        self._line = ""

    def hear(self, line: str) -> None:
        """Take note of a line that the pipeline printed."""
        self._line = line or self._line
        if skipped := _SKIPPED.match(line):
            self._leave(self.stage)
            self._leave(skipped[1])
            self.stage, self._began = "", self.clock()
        elif running := _RUNNING.match(line):
            self._leave(self.stage)
            self.stage, self._began = running[1], self.clock()

    def finish(self) -> None:
        """All stages have ended."""
        self._behind = set(self.expected)
        self.stage, self._began = "", self.clock()

    @property
    def progress(self) -> Progress:
        """Where it is now."""
        ahead = sum(seconds for name, seconds in self.expected.items() if name not in self._behind)
        elapsed, seconds = self.clock() - self._began, self.expected.get(self.stage, 0.0)
        if self.stage not in self._behind:
            ahead -= min(elapsed, _ALMOST * seconds)
        return Progress(
            stage=self.stage,
            done=len(self._behind & self.expected.keys()),
            count=len(self.expected),
            fraction=1 - ahead / sum(self.expected.values()),
            seconds_left=ahead if elapsed <= seconds + _OVERDUE_SECONDS else None,
            line=self._line,
        )

    def _leave(self, stage: str) -> None:
        if stage:
            self._behind.add(stage)
