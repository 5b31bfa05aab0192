"""Each image's tags beside its predictions."""

from __future__ import annotations

import numpy as np
import pytest
from performance_cases import predictions_of

from dahlia.server.performance.images import ImageScore, image_scores


def test_the_most_probable_tag_comes_first() -> None:
    predictions = predictions_of(1, 3, "multilabel")
    predictions.probabilities[0] = [0.2, 0.7, 0.2]
    predictions.truth[0] = [True, False, True]
    image = predictions.ids[0]
    assert image_scores(predictions)[image] == ImageScore(
        image, ("tag 0", "tag 2"), (("tag 1", 0.7), ("tag 0", 0.2), ("tag 2", 0.2))
    )


def test_every_image_is_there_by_its_id() -> None:
    predictions = predictions_of(20, 4, test=5)
    scores = image_scores(predictions)
    assert list(scores) == list(predictions.ids)
    assert len(scores) == 20
    for row, image in enumerate(predictions.ids):
        assert scores[image].tags == (predictions.tags[int(predictions.truth[row].argmax())],)
        assert np.isclose(sum(probability for _, probability in scores[image].probabilities), 1)


def test_an_image_that_was_not_predicted() -> None:
    scores = image_scores(predictions_of(2, 2))
    assert "rose" not in scores
    assert scores.get("rose") is None
    with pytest.raises(KeyError):
        scores["rose"]


def test_probabilities_are_plain_numbers() -> None:
    predictions = predictions_of(1, 2)
    assert {type(value) for _, value in image_scores(predictions)[predictions.ids[0]].probabilities} == {
        float
    }
