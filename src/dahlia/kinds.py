"""What a model says of a photo: the one word by which packages choose their rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Classification = Literal["multiclass", "multilabel"]
"""One tag is right for a photo, or any number of them."""

Kind = Classification | Literal["detection"]
"""The same, and where in the photo each tag is.

A package has a table by kind, and what is not in it, the package cannot do.
"""

Task = Literal["classification", "detection"]
"""What a domain is made for."""


@dataclass(frozen=True)
class TaskRules:
    """What follows from a task.

    Attributes:
        boxed: whether models say where in a photo each tag is.
        kind: of its projects; None where `project.classification` says it.
    """

    boxed: bool
    kind: Kind | None


TASKS: dict[Task, TaskRules] = {
    "classification": TaskRules(boxed=False, kind=None),
    "detection": TaskRules(boxed=True, kind="detection"),
}
