from __future__ import annotations

import pytest

from dahlia.export.verify import one_of_each_in_turn


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], ""),
        (["", ""], ""),
        (["abc", "xy"], "axbyc"),
        (["ab", "ba", "c"], "abc"),
        (["a", "a", "a"], "a"),
    ],
)
def test_one_of_each_in_turn(groups: list[str], expected: str) -> None:
    assert "".join(one_of_each_in_turn(groups, str)) == expected
