from __future__ import annotations

import json

import pytest

from dahlia.warm.protocol import changes, is_read_once, likeness, unlike, unlike_variable


def test_a_process_is_like_itself_after_a_journey() -> None:
    assert unlike(json.loads(json.dumps(likeness())), likeness()) is None


@pytest.mark.parametrize("part", list(likeness()))
def test_each_part_counts(part: str) -> None:
    reason = unlike(likeness() | {part: "another"}, likeness())
    assert reason
    assert reason.startswith(f"{part}: another there, ")


def test_what_is_not_said_is_a_difference() -> None:
    assert unlike({}, likeness())


@pytest.mark.parametrize(
    ("asked", "before", "after", "reason"),
    [
        ({}, {}, {}, None),
        ({"JOB": "1"}, {"JOB": "2"}, {"JOB": "2"}, None),
        ({"OMP_NUM_THREADS": "1"}, {}, {}, "OMP_NUM_THREADS: '1' there, None here."),
        ({}, {"HF_HUB_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE: None there, '1' here."),
        ({}, {}, {"OMP_WAIT_POLICY": "PASSIVE"}, None),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, {}, {"OMP_WAIT_POLICY": "PASSIVE"}, None),
        (
            {"OMP_WAIT_POLICY": "ACTIVE"},
            {},
            {"OMP_WAIT_POLICY": "PASSIVE"},
            "OMP_WAIT_POLICY: 'ACTIVE' there, None here.",
        ),
        ({"JOB": "1"}, {}, {"JOB": "2"}, "JOB: '1' there, None here."),
    ],
)
def test_variables(
    asked: dict[str, str], before: dict[str, str], after: dict[str, str], reason: str | None
) -> None:
    assert unlike_variable(asked, before, after) == reason


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("PYTHONHASHSEED", True),
        ("OMP_NUM_THREADS", True),
        ("MLFLOW_LOGGING_LEVEL", True),
        ("LC_ALL", True),
        ("HOME", True),
        ("PATH", False),
        ("TMPDIR", False),
        ("DAHLIA_WARM", False),
        ("DVC_SITE_CACHE_DIR", False),
        ("COLUMNS", False),
    ],
)
def test_what_is_read_once(variable: str, expected: bool) -> None:
    assert is_read_once(variable) is expected


def test_changes() -> None:
    assert changes({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == {"b": "2", "d": "1"}
