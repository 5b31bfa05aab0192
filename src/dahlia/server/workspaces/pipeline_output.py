"""What a pipeline's output says: how far it is, and why it stopped."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dahlia import errors

_ALMOST = 0.95  # of a stage that takes longer than was thought
_OVERDUE_SECONDS = 5.0  # beyond what was thought, after which nobody knows how long it takes
_RUNNING = re.compile(r"Running stage '([\w-]+)(?:@[\w-]+)?':")
_SKIPPED = re.compile(r"Stage '([\w-]+)(?:@[\w-]+)?' (?:didn't change|is cached)")
_ERROR = re.compile(r"(?:[\w.]+\.)?(\w+(?:Error|Exception|Exit|Interrupt)): (.*)")
_NOT_ITS_TEXT = re.compile(r"ERROR: |All findings: |and \d+ more: see ")
_BEGINS = "Running stage '"
_ENDED = re.compile(r"ERROR: failed to reproduce '([\w-]+)(?:@[\w-]+)?'.*?(?:exited with (-?\d+))?$")
_KILLED = frozenset({"-9", "137"})
_OUT_OF_MEMORY = "Out of memory."
_OF_OURS = frozenset(name for name, value in vars(errors).items() if isinstance(value, type))


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


class ProgressTracker:
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


def reason(lines: Sequence[str], place: str) -> str:
    """What to tell the user.

    Args:
        lines: all that the pipeline printed.
        place: the workspace's path, which means nothing to the user and is taken out.
    """
    begun = [number for number, line in enumerate(lines) if line.startswith(_BEGINS)]
    last = list(lines[begun[-1] if begun else 0 :])
    ended = next((match for line in reversed(last) if (match := _ENDED.match(line))), None)
    text = _own_words(last) or _of_the_system(ended) or _crash(last, ended) or _last_words(lines)
    return text.replace(f"{place}/", "").replace(place, "the workspace")


def _own_words(lines: Sequence[str]) -> str:
    """The text of an error that Dahlia raised on purpose, all lines of it."""
    for number in range(len(lines) - 1, -1, -1):
        match = _ERROR.match(lines[number])
        if match and match[1] in _OF_OURS:
            return "\n".join([match[2], *_text_after(lines[number + 1 :])])
    return next((line for line in lines if line.startswith(_OUT_OF_MEMORY)), "")


def _text_after(lines: Sequence[str]) -> list[str]:
    text = []
    for line in lines:
        if _NOT_ITS_TEXT.match(line):
            break
        text.append(line)
    return text


def _of_the_system(ended: re.Match[str] | None) -> str:
    if ended is None or ended[2] not in _KILLED:
        return ""
    return (
        f"The stage {ended[1]} was killed by the system, which happens where memory runs out. Give the "
        "worker more memory or let fewer trainings run at once, then train again."
    )


def _crash(lines: Sequence[str], ended: re.Match[str] | None) -> str:
    found = next((match for line in reversed(lines) if (match := _ERROR.match(line))), None)
    if found is None or ended is None:
        return ""
    return (
        f"The stage {ended[1]} failed unexpectedly ({found[1]}: {found[2]}). Train again; if it fails again, "
        "the worker's log has the details."
    )


def _last_words(lines: Sequence[str]) -> str:
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    said = (told or [line for line in lines if line.strip()] or ["it printed nothing"])[0 if told else -1]
    return f"The pipeline could not run ({said}). Train again; if it fails again, see the worker's log."
