"""Every operation of the SDK has a test in which it succeeds."""

from __future__ import annotations

import contract_recorder
import test_contract_detection
import test_contract_iterations
import test_contract_workspace

TESTED = test_contract_workspace, test_contract_iterations, test_contract_detection


def test_the_sdk_has_the_operations_that_the_contract_lists() -> None:
    assert (len(contract_recorder.TRAINING), len(contract_recorder.PREDICTION)) == (52, 8)


def test_every_operation_has_a_test() -> None:
    # A claim that is not true fails where it is made: see `covers`.
    assert contract_recorder.covered == contract_recorder.TRAINING | contract_recorder.PREDICTION


def test_no_test_of_an_operation_is_skipped() -> None:
    for module in TESTED:
        marks = [module.pytestmark]
        marks += [getattr(what, "pytestmark", []) for name, what in vars(module).items() if "test_" in name]
        names = {mark.name for some in marks for mark in (some if isinstance(some, list) else [some])}
        assert names <= {"slow", "parametrize"}, module.__name__
