"""Every operation of the SDK has a test in which it succeeds, or one that says how it is refused."""

from __future__ import annotations

import contract_recorder
import test_contract_iterations
import test_contract_workspace

TESTED = test_contract_workspace, test_contract_iterations


def test_the_sdk_has_the_operations_that_the_contract_lists() -> None:
    assert (len(contract_recorder.TRAINING), len(contract_recorder.PREDICTION)) == (52, 8)


def test_every_operation_has_a_test() -> None:
    # A claim that is not true fails where it is made: see `covers` and `refuses`.
    tested = contract_recorder.covered | contract_recorder.refused.keys()
    assert tested == contract_recorder.TRAINING | contract_recorder.PREDICTION
    assert not contract_recorder.covered & contract_recorder.refused.keys()
    # Detection is not trained yet, so nothing could be detected with.
    assert set(contract_recorder.refused) == {
        name for name in contract_recorder.PREDICTION if name.startswith("detect_")
    }


def test_no_test_of_an_operation_is_skipped() -> None:
    for module in TESTED:
        marks = [module.pytestmark]
        marks += [getattr(what, "pytestmark", []) for name, what in vars(module).items() if "test_" in name]
        names = {mark.name for some in marks for mark in (some if isinstance(some, list) else [some])}
        assert names <= {"slow", "parametrize"}, module.__name__
