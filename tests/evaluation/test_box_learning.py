from __future__ import annotations

import pytest

from dahlia.evaluation.detection.learning import box_learning


@pytest.mark.parametrize("points", [[], [(20.0, 0.5)]])
def test_one_size_says_nothing(points: list[tuple[float, float]]) -> None:
    assert box_learning(points) is None


@pytest.mark.parametrize(
    ("points", "gain", "verdict"),
    [
        ([(20.0, 0.5), (40.0, 0.7)], 0.2, "More photos would likely help"),
        ([(10.0, 0.2), (20.0, 0.69), (40.0, 0.7)], 0.01, "More photos of the same kind would change little"),
        ([(20.0, 0.67), (30.0, 0.7), (40.0, 0.7)], 0.0, "More photos of the same kind would change little"),
        ([(20.0, 0.67), (40.0, 0.7)], 0.03, "Whether more photos would help is unknown"),
        ([(20.0, 0.7), (40.0, 0.6)], -0.1, "Whether more photos would help is unknown"),
    ],
)
def test_about_half_of_the_photos_is_compared_with_all(
    points: list[tuple[float, float]], gain: float, verdict: str
) -> None:
    learning = box_learning(points)
    assert learning is not None
    assert learning.gain == pytest.approx(gain)
    assert learning.sentence.startswith(verdict)
    assert "after 40" in learning.sentence
