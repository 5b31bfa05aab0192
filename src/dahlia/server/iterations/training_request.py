"""What a client asks to be trained, and whether its budget and address will do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dahlia.errors import ServiceError
from dahlia.server.contract.enums import TrainingType

_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_LONGEST_ADDRESS = 254  # RFC 5321


@dataclass(frozen=True)
class TrainingRequest:
    """What is to be trained, and how.

    Attributes:
        type: the recipe.
        budget_hours: of the advanced recipe; 0 for the quick one.
        tags: ids of the tags to train on; all where there are none.
        base: ids of the project and the iteration to start from.
        force: whether to train although nothing has changed.
    """

    type: TrainingType = TrainingType.REGULAR
    budget_hours: int = 0
    tags: tuple[str, ...] = ()
    base: tuple[str, str] | None = None
    force: bool = False


def check_budget(request: TrainingRequest, most_hours: float) -> None:
    """Refuse an advanced training with a budget that does not do.

    Args:
        request: what is to be trained.
        most_hours: that a training may take on this server.

    Raises:
        ServiceError: the budget is too low, or more than a training may take.
    """
    if request.type is not TrainingType.ADVANCED:
        return
    if request.budget_hours < 1:
        raise ServiceError(
            "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining",
            "Expected reservedBudgetInHours of at least 1 for Advanced training, received "
            f"{request.budget_hours}. Raise it, or train with the type Regular.",
        )
    if request.budget_hours > most_hours:
        raise ServiceError(
            "BadRequestTrainingValidationFailed",
            f"Expected reservedBudgetInHours of at most {most_hours:g}, as long as a training may take on "
            f"this server, received {request.budget_hours}. Lower it, or raise the server's setting "
            "jobs.training_timeout_hours.",
        )


def check_address(text: str | None) -> None:
    """Refuse what is no e-mail address; none at all is fine.

    Raises:
        ServiceError: it is none.
    """
    if text and (len(text) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(text)):
        raise ServiceError(
            "BadRequestInvalidEmailAddress",
            f"Expected an e-mail address such as me@example.org, received {text[:80]!r}. Send "
            "another one, or omit it.",
        )
