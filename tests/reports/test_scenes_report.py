"""Scenes in the report: both figures in its head, examples below, nothing where none were sought."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from report_pages import Page

from dahlia.evaluation.evaluation import evaluate
from dahlia.modeling.predictions import ClassPredictions, LearningCurve
from dahlia.modeling.scene_predictions import ScenePredictions
from dahlia.params import EvaluateParams
from dahlia.reports.evaluation import render
from dahlia.reports.scenes_view import MOST_SCENES, scenes_view

Make = Callable[..., ClassPredictions]


def with_scenes(
    predictions: ClassPredictions, scenes: Sequence[int], *, told: bool = True, named: bool = False
) -> ClassPredictions:
    numbers = np.array(scenes, np.int32)
    sure = predictions.probabilities if told else np.full_like(predictions.probabilities, np.nan)
    return replace(predictions, new_scenes=ScenePredictions(numbers, sure, named))


def drawn(predictions: ClassPredictions, params: EvaluateParams, curve: LearningCurve | None = None) -> Page:
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None, curve=curve)
    return Page(render(evaluation, predictions, lambda image: "data:image/jpeg;base64,", "Trees"))


def test_both_figures_are_in_the_head(generated: Make, params: EvaluateParams) -> None:
    page = drawn(with_scenes(generated(60), [row // 4 for row in range(60)], named=True), params)
    assert "for photos like these, and between" in page.text
    assert "for photos of new scenes." in page.text
    assert "Expect the first" in page.text
    assert "data/images/test/" in page.text
    assert "60 photos of 60 share their scene" in page.text
    assert "that you named" in page.text


def test_without_shared_scenes_there_is_one_figure(generated: Make, params: EvaluateParams) -> None:
    page = drawn(with_scenes(generated(60), range(60)), params)
    assert "and between" not in page.text
    assert "the same is expected of photos of new scenes" in page.text
    assert "share their scene" not in page.text


def test_what_cannot_be_told_is_said(generated: Make, params: EvaluateParams) -> None:
    page = drawn(with_scenes(generated(60), [row % 3 for row in range(60)], told=False), params)
    assert "cannot be told" in page.text
    assert "Expect the first" not in page.text


def test_of_earlier_predictions_nothing_is_said(generated: Make, params: EvaluateParams) -> None:
    assert "scene" not in drawn(generated(60), params).text.lower()


@pytest.mark.parametrize("shots", [2, 3, 6])
def test_the_largest_scenes_have_an_example(generated: Make, params: EvaluateParams, shots: int) -> None:
    scenes = [row // shots for row in range(90 - shots)] + [1000 + row for row in range(shots)]
    predictions = with_scenes(generated(90), scenes)
    view = scenes_view(evaluate(predictions, params, seed=0, negative_tag=None), predictions)
    assert view is not None
    assert len(view.largest) == MOST_SCENES
    assert {scene.photos for scene in view.largest} == {shots}
    assert len({scene.image for scene in view.largest}) == MOST_SCENES


def test_tags_that_share_most_come_first(generated: Make, params: EvaluateParams) -> None:
    tags = [f"tag {number:02d}" for number in range(20)]
    predictions = generated(100, tags, wrong=0)
    scenes = [0 if row % 20 == 7 else row for row in range(1, 101)]
    predictions = with_scenes(predictions, scenes)
    view = scenes_view(evaluate(predictions, params, seed=0, negative_tag=None), predictions)
    assert view is not None
    assert view.tags[0].scenes == 1
    assert view.hidden == 8


@pytest.mark.parametrize(
    ("recipe", "judge"), [("quick", "a model"), ("advanced", "heads of the quick recipe")]
)
def test_who_judged_is_said(
    generated: Make, curved: Callable[..., LearningCurve], params: EvaluateParams, recipe: str, judge: str
) -> None:
    predictions = with_scenes(generated(60), [row // 4 for row in range(60)])
    page = drawn(predictions, params, curved(predictions, recipe))
    assert f"each was judged by {judge} that had seen no photo of its scene" in page.text
