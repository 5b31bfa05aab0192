"""The SDK's clients, watched: which operations succeeded, and whether every answer is as it must be."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from azure.cognitiveservices.vision.customvision.prediction.models import (
    CustomVisionErrorException as PredictionRefusal,
)
from azure.cognitiveservices.vision.customvision.prediction.operations import (
    CustomVisionPredictionClientOperationsMixin,
)
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException as TrainingRefusal,
)
from azure.cognitiveservices.vision.customvision.training.operations import (
    CustomVisionTrainingClientOperationsMixin,
)
from contract_answers import check_answer, check_refusal

Refusal = TrainingRefusal, PredictionRefusal
"""What both clients raise."""


def _operations(mixin: type) -> frozenset[str]:
    return frozenset(name for name, what in vars(mixin).items() if callable(what) and name[0] != "_")


TRAINING = _operations(CustomVisionTrainingClientOperationsMixin)
PREDICTION = _operations(CustomVisionPredictionClientOperationsMixin)

covered: set[str] = set()
"""What the tests that were imported claim to call with success."""

_succeeded: set[str] = set()


class Recorded:
    """A client of the SDK; each of its answers is checked as JSON and as what the SDK makes of it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._client, name)
        assert name in TRAINING | PREDICTION, name

        def call(*given: Any, **named: Any) -> Any:
            try:
                reply = operation(*given, raw=True, **named)
            except Refusal as error:
                check_refusal(error)
                raise
            check_answer(reply.response, reply.output)
            _succeeded.add(name)
            return reply.output

        return call


def covers(*operations: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The test, or a fixture of it, calls these with success; the test fails where it does not."""
    assert set(operations) <= TRAINING | PREDICTION, operations
    covered.update(operations)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def watched(*given: Any, **named: Any) -> None:
            test(*given, **named)
            assert set(operations) <= _succeeded, set(operations) - _succeeded

        return watched

    return decorate
