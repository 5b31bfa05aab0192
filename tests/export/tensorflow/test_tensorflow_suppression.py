"""Boxes as a graph chooses them, in TensorFlow and in LiteRT: those that are chosen in training."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

from dahlia.boxes import Boxes, overlaps
from dahlia.export.port import Batch
from dahlia.export.tensorflow._runtime import silence, tf
from dahlia.export.tensorflow.answers import boxes
from dahlia.modeling.card import DetectorCard
from dahlia.modeling.detection.outputs import given

HOW = DetectorCard(strides=(8, 16), output="boxes", overlap=0.45, least=0.01, most=20)
Choose = Callable[[Batch, Batch], Boxes]


def definition_of(how: DetectorCard, places: int, tags: int) -> tf.compat.v1.GraphDef:
    answer = boxes(how, tags)
    with tf.Graph().as_default() as graph:
        corners = tf.compat.v1.placeholder(tf.float32, [1, places, 4], "corners")
        scores = tf.compat.v1.placeholder(tf.float32, [1, places, tags], "scores")
        answer.write([corners, scores])
    return graph.as_graph_def()


def function_of(how: DetectorCard, places: int, tags: int) -> object:
    definition = definition_of(how, places, tags)
    imported = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=""), [])
    return imported.prune(
        ["corners:0", "scores:0"], ["detected_boxes:0", "detected_scores:0", "detected_classes:0"]
    )


def in_tensorflow(how: DetectorCard, places: int, tags: int) -> Choose:
    function = function_of(how, places, tags)

    def choose(corners: Batch, scores: Batch) -> Boxes:
        return as_boxes(*(one.numpy() for one in function(tf.constant(corners), tf.constant(scores))))  # type: ignore[operator]

    return choose


def in_litert(how: DetectorCard, places: int, tags: int) -> Choose:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function_of(how, places, tags)])
    with warnings.catch_warnings(), silence():
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
        interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    operations = {one["op_name"] for one in interpreter._get_ops_details()}
    assert "NON_MAX_SUPPRESSION_V4" in operations
    assert not [name for name in operations if name.startswith("Flex")]

    def choose(corners: Batch, scores: Batch) -> Boxes:
        for taken, values in zip(interpreter.get_input_details(), (corners, scores), strict=True):
            interpreter.set_tensor(taken["index"], values)
        interpreter.invoke()
        found = {
            one["name"]: interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()
        }
        return as_boxes(found["detected_boxes"], found["detected_scores"], found["detected_classes"])

    return choose


def as_boxes(corners: Batch, scores: Batch, classes: np.ndarray) -> Boxes:
    assert (corners.shape, scores.shape, classes.dtype) == ((len(classes), 4), classes.shape, np.int64)
    places = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    return Boxes(classes.astype(np.int32), places, scores)


RUNTIMES = pytest.mark.parametrize("runtime", [in_tensorflow, in_litert])


def photo(seed: int, places: int, tags: int) -> tuple[Batch, Batch]:
    """Corners (1, P, 4) and scores (1, P, K); some boxes have no area, many overlap."""
    random = np.random.default_rng(seed)
    middle, edges = random.uniform(0.2, 0.8, (places, 2)), random.uniform(0.05, 0.5, (places, 2))
    edges[::7, 0] = 0
    corners = np.concatenate([middle - edges / 2, middle + edges / 2], 1).clip(0, 1)
    scores = random.uniform(0, 0.9, (places, tags)) ** 2
    return corners[None].astype(np.float32), scores[None].astype(np.float32)


def expected_of(corners: Batch, scores: Batch, how: DetectorCard) -> Boxes:
    places = np.concatenate([corners[0, :, :2], corners[0, :, 2:] - corners[0, :, :2]], 1)
    return given(places, scores[0], overlap=how.overlap, least=how.least, most=how.most)


def require_same(found: Boxes, expected: Boxes) -> None:
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.tags, expected.tags)
    np.testing.assert_allclose(found.places, expected.places, atol=1e-6)


@RUNTIMES
@pytest.mark.parametrize(("places", "tags"), [(60, 1), (60, 3), (400, 7), (3, 2)])
def test_it_chooses_what_training_chooses(runtime: Callable[..., Choose], places: int, tags: int) -> None:
    choose = runtime(HOW, places, tags)
    for seed in range(5):
        corners, scores = photo(seed, places, tags)
        expected = expected_of(corners, scores, HOW)
        assert len(expected) > 1
        require_same(choose(corners, scores), expected)


@RUNTIMES
def test_a_photo_in_which_nothing_is(runtime: Callable[..., Choose]) -> None:
    corners, scores = photo(0, 30, 2)
    assert len(runtime(HOW, 30, 2)(corners, scores * 0.001)) == 0


@RUNTIMES
def test_the_lowest_score_is_given(runtime: Callable[..., Choose]) -> None:
    corners, scores = photo(0, 30, 1)
    scores[:] = 0
    scores[0, 4, 0], scores[0, 5, 0] = HOW.least, np.nextafter(np.float32(HOW.least), np.float32(0))
    assert runtime(HOW, 30, 1)(corners, scores).scores.tolist() == [np.float32(HOW.least)]


@RUNTIMES
def test_boxes_without_area_are_given_once(runtime: Callable[..., Choose]) -> None:
    corners = np.full((1, 8, 4), 0.5, np.float32)
    corners[0, :, [0, 2]] = np.linspace(0, 1, 8)  # lines
    scores = np.linspace(0.9, 0.2, 8, dtype=np.float32).reshape(1, 8, 1)
    assert len(runtime(HOW, 8, 1)(corners, scores)) == 8


@RUNTIMES
def test_tags_are_told_apart_among_hundreds(runtime: Callable[..., Choose]) -> None:
    """The same two boxes of each tag: 60 tags that score, among 500."""
    how = HOW.model_copy(update={"most": 64})
    corners = np.array([[[0.1, 0.1, 0.3, 0.4], [0.11, 0.1, 0.31, 0.4]]], np.float32)
    scores = np.zeros((1, 2, 500), np.float32)
    scores[0, 0, ::9] = np.linspace(0.3, 0.9, 56)
    scores[0, 1] = scores[0, 0] / 2
    found = runtime(how, 2, 500)(corners, scores)
    require_same(found, expected_of(corners, scores, how))
    assert sorted(found.tags.tolist()) == list(range(0, 500, 9))
    assert overlaps(found.places, corners[0, :1] - [0, 0, 0.1, 0.1]).min() > 0.99


def test_no_more_than_the_best_thousand_are_compared() -> None:
    corners, scores = photo(1, 600, 3)
    how = HOW.model_copy(update={"overlap": 1.0, "most": 2000})
    found = in_tensorflow(how, 600, 3)(corners, scores)
    assert len(found) == 1000
    assert found.scores.min() == np.sort(scores.ravel())[-1000]
