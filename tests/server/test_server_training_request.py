from __future__ import annotations

import pytest

from dahlia.errors import ServiceError
from dahlia.server.contract.enums import TrainingType
from dahlia.server.iterations.training_request import TrainingRequest, check_address, check_budget

ADVANCED, REGULAR = TrainingType.ADVANCED, TrainingType.REGULAR
NOT_ENOUGH = "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining"
TOO_MUCH = "BadRequestTrainingValidationFailed"


@pytest.mark.parametrize(
    "address", [None, "", "me@example.org", "a.b+c@mail.example.org", "ä@bücher.example"]
)
def test_addresses(address: str | None) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    ["me", "@example.org", "me@", "me@example", "me@example.", "me@.org", "a b@example.org", "a@b@c.org",
     "me@exa mple.org", "me@example.org\n", "\0@example.org ", f"{'a' * 65}@b.org", f"me@{'a' * 252}.org"],
)  # fmt: skip
def test_texts_that_are_no_addresses(address: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check_address(address)
    assert (caught.value.code, caught.value.status) == ("BadRequestInvalidEmailAddress", 400)


@pytest.mark.parametrize(
    ("kind", "hours", "code"),
    [
        (REGULAR, 0, None),
        (REGULAR, -5, None),
        (REGULAR, 10**30, None),
        (ADVANCED, 1, None),
        (ADVANCED, 24, None),
        (ADVANCED, 0, NOT_ENOUGH),
        (ADVANCED, -1, NOT_ENOUGH),
        (ADVANCED, 25, TOO_MUCH),
        (ADVANCED, 10**30, TOO_MUCH),
    ],
)
def test_budgets(kind: TrainingType, hours: int, code: str | None) -> None:
    request = TrainingRequest(type=kind, budget_hours=hours)
    if code is None:
        check_budget(request, 24)
        return
    with pytest.raises(ServiceError) as caught:
        check_budget(request, 24)
    assert caught.value.code == code
