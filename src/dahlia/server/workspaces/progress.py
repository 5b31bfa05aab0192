"""How long a training takes, how far it is, and why it stopped: from measurements and from what it prints.

The estimates are rough: figures of two cores of a server of 2026.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dahlia import errors
from dahlia.kinds import Task
from dahlia.params import DomainParams

Recipe = Literal["quick", "advanced"]

_BUDGET_MINUTES = 5.0  # what conf/training/advanced.yaml ships
# Fine-tuning at its longest: a photo is drawn in four of five folds and for the final model, in each epoch.
_DRAWS = 5 * 20
_DRAW_SECONDS = 0.2  # measured with both cores in use by others too
_PREPARING_SECONDS = 30.0
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
# What trainings say of themselves, such as `train: quick, 25 % of the steps, about 64 s left`.
_TOLD = re.compile(r"(\w+): .* \d+ % of the steps, about (\d+) s left")
_OF_OURS = frozenset(name for name, value in vars(errors).items() if isinstance(value, type))


def estimate_seconds(
    photos: int,
    tags: int,
    recipe: Recipe,
    budget_minutes: float | None,
    *,
    warm: bool,
    new: int | None = None,
    domain: DomainParams | None = None,
) -> float:
    """Seconds from the start of the pipeline to its end.

    Args:
        photos: tagged ones, or those with boxes.
        tags: that they have.
        recipe: quick, or advanced, which takes at most its budget, and at most all its epochs: mostly less.
        budget_minutes: of the advanced recipe; None: what is shipped.
        warm: whether processes start with everything imported.
        new: photos that the workspace has not been trained on; None: all.
        domain: what is trained; None: one that classifies.
    """
    stages = stage_seconds(photos, tags, recipe, budget_minutes, warm=warm, new=new, domain=domain)
    return sum(stages.values())


def stage_seconds(
    photos: int,
    tags: int,
    recipe: Recipe,
    budget_minutes: float | None,
    *,
    warm: bool,
    new: int | None = None,
    domain: DomainParams | None = None,
) -> dict[str, float]:
    """Seconds of each stage, in the pipeline's order; see `estimate_seconds`."""
    unseen = photos if new is None else new
    seconds = {
        stage: (cost.warm if warm else cost.cold)
        + photos * (cost.photo + tags * cost.photo_and_tag)
        + unseen * cost.new_photo
        + (cost.first if unseen == photos else 0.0)
        for stage, cost in _COSTS.items()
    }
    more = _MORE[domain.task](photos, domain) if domain else {}
    seconds |= {stage: seconds[stage] + extra for stage, extra in more.items()}
    if recipe == "advanced":
        budget = 60 * (_BUDGET_MINUTES if budget_minutes is None else budget_minutes)
        seconds["train"] += min(budget, _PREPARING_SECONDS + photos * _DRAWS * _DRAW_SECONDS)
    return seconds


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
        self._furthest = 0.0
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
        elif (told := _TOLD.match(line)) and told[1] == self.stage:
            slower = self.clock() - self._began + float(told[2])
            self.expected[self.stage] = max(self.expected.get(self.stage, 0.0), slower)

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
        self._furthest = max(self._furthest, 1 - ahead / sum(self.expected.values()))
        return Progress(
            stage=self.stage,
            done=len(self._behind & self.expected.keys()),
            count=len(self.expected),
            fraction=self._furthest,
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


@dataclass(frozen=True)
class _Cost:
    """Seconds of a stage: in new processes, in ones that have imported everything, and for each photo."""

    cold: float
    warm: float
    photo: float = 0.0
    photo_and_tag: float = 0.0
    new_photo: float = 0.0
    first: float = 0.0


_COSTS = {
    "ingest": _Cost(1.3, 0.7, photo=0.0015),
    "validate": _Cost(0.8, 0.3),
    "split": _Cost(0.7, 0.3),
    "train": _Cost(4.0, 1.2, photo=0.0055, photo_and_tag=0.0008, new_photo=0.018),
    "evaluate": _Cost(1.6, 0.6),
    "export": _Cost(1.4, 0.8),
    "track": _Cost(2.1, 0.7, first=1.3),
}


def _detection_seconds(photos: int, domain: DomainParams) -> float:
    """What training a detector takes beside the start of its process: maps of views, then steps on them."""
    assert domain.detector is not None, "domains of detection have `detector`"
    area = (domain.input.size / _USUAL_SIZE) ** 2 * _OF_NETWORK.get(domain.backbone.architecture, 1.0)
    places = sum((domain.input.size / stride) ** 2 for stride in domain.detector.strides) / _USUAL_PLACES
    return _MAPS_OF_PHOTO * area * photos + _STEP * places * max(_STEPS, photos)


_USUAL_SIZE, _USUAL_PLACES = 416, 845  # of General (compact), of which the following is
_MAPS_OF_PHOTO = 0.3
_STEPS, _STEP = 1400, 0.06  # two rounds of runs; from as many photos on, one for each photo
_OF_NETWORK = {"tf_efficientnet_lite2": 1.6}
_MORE: dict[Task, Callable[[int, DomainParams], dict[str, float]]] = {
    "classification": lambda photos, domain: {},
    "detection": lambda photos, domain: {
        "train": _detection_seconds(photos, domain),
        "evaluate": 3.0,
        "export": 4.0,
    },
}


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
