"""The figure of photos of new scenes: what is counted, how wide its interval is, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dahlia.errors import EvaluationError
from dahlia.evaluation.evaluation import evaluate, load_evaluation, save_evaluation
from dahlia.evaluation.figures import NewScenes
from dahlia.evaluation.summary import save_metrics, summary_table
from dahlia.modeling.predictions import ClassPredictions
from dahlia.modeling.scene_predictions import ScenePredictions
from dahlia.params import EvaluateParams

Generated = Callable[..., ClassPredictions]


def of_scenes(
    predictions: ClassPredictions,
    scenes: Sequence[int],
    wrong: Sequence[int] = (),
    unjudged: Sequence[int] = (),
) -> ClassPredictions:
    """With scenes of new ones; `wrong` scenes are judged wrong, `unjudged` ones not at all."""
    numbers = np.array(scenes, np.int32)
    sure = np.where(predictions.truth, 0.9, 0.1 / (predictions.truth.shape[1] - 1))
    sure[np.isin(numbers, wrong)] = np.roll(sure[np.isin(numbers, wrong)], 1, axis=1)
    sure[np.isin(numbers, unjudged)] = np.nan
    return replace(predictions, new_scenes=ScenePredictions(numbers, sure, False))


def judged(predictions: ClassPredictions, params: EvaluateParams) -> NewScenes:
    found = evaluate(predictions, params, seed=0, negative_tag=None).new_scenes
    assert found is not None
    return found


def test_none_were_looked_for(generated: Generated, params: EvaluateParams) -> None:
    assert evaluate(generated(), params, seed=0, negative_tag=None).new_scenes is None


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
def test_what_is_counted(generated: Generated, params: EvaluateParams, classification: str) -> None:
    predictions = generated(60, classification=classification, wrong=0)
    if classification == "multilabel":
        truth = np.eye(3, dtype=bool)[np.arange(60) % 3]
        predictions = replace(predictions, truth=truth)
    found = judged(of_scenes(predictions, [row // 3 for row in range(60)], wrong=[0, 1]), params)
    assert (found.images, found.correct, found.scenes, found.shared) == (60, 54, 20, 60)
    assert found.accuracy.value == 0.9
    assert [tag.scenes for tag in found.tags] == [20, 20, 20]
    assert all(tag.judged for tag in found.tags)


def test_photos_of_a_scene_count_less_than_photos_apart(generated: Generated, params: EvaluateParams) -> None:
    alone = of_scenes(generated(60), range(60), wrong=range(12))
    shared = of_scenes(generated(60), [row // 6 for row in range(60)], wrong=[0, 1])
    one, other = judged(alone, params).accuracy, judged(shared, params).accuracy
    assert one.value == other.value == 0.8
    assert None not in (one.low, other.low, one.high, other.high)
    assert (other.low or 0) < (one.low or 0) - 0.05
    assert (other.high or 0) > (one.high or 0)


def test_where_all_are_right_scenes_are_the_trials(generated: Generated, params: EvaluateParams) -> None:
    alone = judged(of_scenes(generated(60), range(60)), params).accuracy
    shared = judged(of_scenes(generated(60), [row // 6 for row in range(60)]), params).accuracy
    assert alone.value == shared.value == 1.0
    assert (shared.low or 0) < 0.7 < 0.9 < (alone.low or 0)


def test_the_order_of_rows_does_not_matter(generated: Generated, params: EvaluateParams) -> None:
    predictions = of_scenes(generated(60, test=5), [*(row // 4 for row in range(60)), *[-1] * 5], wrong=[3])
    shuffled = predictions.where(np.random.default_rng(1).permutation(65))
    assert judged(shuffled, params) == judged(predictions, params)


def test_a_tag_that_is_not_judged_is_named(generated: Generated, params: EvaluateParams) -> None:
    predictions = generated(60, wrong=0)
    scenes = [100 if row % 3 == 2 else row // 6 for row in range(60)]
    found = judged(of_scenes(predictions, scenes, unjudged=[100]), params)
    assert found.images == 40
    assert [tag.judged for tag in found.tags] == [True, True, False]
    assert any("“maple”" in sentence for sentence in found.sentences)


def test_what_cannot_be_told_is_said(generated: Generated, params: EvaluateParams) -> None:
    one_scene = of_scenes(generated(60), [row % 3 for row in range(60)], unjudged=range(3))
    too_few = of_scenes(generated(60), range(60), unjudged=range(60))
    for predictions, why in ((one_scene, "one scene"), (too_few, "too few photos")):
        found = judged(predictions, params)
        assert found.accuracy.value is None
        assert "cannot be told" in found.sentences[0]
        assert why in found.sentences[0]


def test_sentences_say_which_figure_to_expect_and_what_neither_covers(
    generated: Generated, params: EvaluateParams
) -> None:
    several = judged(of_scenes(generated(60), [row // 3 for row in range(60)], wrong=[0]), params)
    alone = judged(of_scenes(generated(60), range(60)), params)
    assert several.sentences[0].startswith("Photos of new scenes")
    assert "Expect the first" in several.sentences[1]
    assert "the same is expected" in alone.sentences[0]
    for found in (several, alone):
        assert "data/images/test/" in found.sentences[-1]


def test_metrics_keep_their_meaning_and_gain_others(
    generated: Generated, params: EvaluateParams, tmp_path: Path
) -> None:
    plain = generated(60)
    grouped = of_scenes(plain, [row // 3 for row in range(60)], wrong=[0, 1])
    figures = []
    for name, predictions in (("plain", plain), ("grouped", grouped)):
        save_metrics(tmp_path / name, evaluate(predictions, params, seed=0, negative_tag=None))
        figures.append(json.loads((tmp_path / name).read_text(encoding="utf-8")))
    before, after = figures
    added = {"new_scenes_accuracy", "new_scenes_accuracy_low", "new_scenes_accuracy_high", "scenes"}
    assert set(after) - set(before) == added
    assert {key: after[key] for key in before} == before
    assert after["new_scenes_accuracy"] == 0.9
    assert after["scenes"] == 20


def test_the_evaluation_is_read_again(generated: Generated, params: EvaluateParams, tmp_path: Path) -> None:
    predictions = of_scenes(generated(60), [row // 3 for row in range(60)], wrong=[0])
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None)
    save_evaluation(tmp_path / "evaluation.json", evaluation)
    assert load_evaluation(tmp_path / "evaluation.json") == evaluation
    written = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    del written["new_scenes"]
    (tmp_path / "earlier.json").write_text(json.dumps(written), encoding="utf-8")
    assert load_evaluation(tmp_path / "earlier.json").new_scenes is None


def test_the_terminal_shows_both(generated: Generated, params: EvaluateParams) -> None:
    predictions = of_scenes(generated(60), [row // 3 for row in range(60)], wrong=[0, 1])
    table = summary_table(evaluate(predictions, params, seed=0, negative_tag=None))
    assert "The true rate is likely between" in str(table.title)
    assert "Photos of new scenes" in str(table.title)


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_numbers_that_are_no_probabilities_are_refused(
    generated: Generated, params: EvaluateParams, value: float
) -> None:
    predictions = of_scenes(generated(60), range(60))
    assert predictions.new_scenes is not None
    predictions.new_scenes.probabilities[3, 1] = value
    with pytest.raises(EvaluationError, match="new_scene"):
        evaluate(predictions, params, seed=0, negative_tag=None)
