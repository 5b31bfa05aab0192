"""The interpreter's suppression, and pipelines, as Core ML's schema describes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dahlia.boxes import Boxes, suppressed
from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter.files import Weights, messages
from dahlia.export.coreml.interpreter.pipeline import Pipeline, computed
from dahlia.export.coreml.interpreter.suppression import Suppression

DOUBLE = 65600
TAGS = ("bee", "rose", "tulip")


def array_of(feature: Any, *shape: int, kind: int = DOUBLE) -> None:
    feature.type.multiArrayType.dataType = kind
    feature.type.multiArrayType.shape.extend(shape)


def suppression(rows: int, *, most: int = 64, **changes: Any) -> Any:
    """A `Model` message that takes `given_confidence` and `given_coordinates`."""
    model = messages().Model_pb2.Model(specificationVersion=4)
    array_of(model.description.input.add(name="given_confidence"), rows, len(TAGS))
    array_of(model.description.input.add(name="given_coordinates"), rows, 4)
    for name in ("overlap", "least"):
        threshold = model.description.input.add(name=name)
        threshold.type.doubleType.SetInParent()
        threshold.type.isOptional = True
    for name, columns in (("confidence", len(TAGS)), ("coordinates", 4)):
        array = model.description.output.add(name=name).type.multiArrayType
        array.dataType = DOUBLE
        array.shapeRange.sizeRanges.add(lowerBound=0, upperBound=most)
        array.shapeRange.sizeRanges.add(lowerBound=columns, upperBound=columns)
    own = model.nonMaximumSuppression
    own.pickTop.perClass = True
    own.stringClassLabels.vector.extend(TAGS)
    own.iouThreshold, own.confidenceThreshold = 0.45, 0.01
    own.confidenceInputFeatureName, own.coordinatesInputFeatureName = "given_confidence", "given_coordinates"
    own.confidenceOutputFeatureName, own.coordinatesOutputFeatureName = "confidence", "coordinates"
    own.iouThresholdInputFeatureName, own.confidenceThresholdInputFeatureName = "overlap", "least"
    for name, value in changes.items():
        setattr(own, name, value)
    return model


def given(boxes: Boxes) -> dict[str, Any]:
    """Boxes as Core ML takes them: a column for each tag; centres and sizes."""
    confidence = np.zeros((len(boxes), len(TAGS)), np.float32)
    confidence[np.arange(len(boxes)), boxes.tags] = boxes.scores
    start, size = boxes.places[:, :2], boxes.places[:, 2:]
    return {
        "given_confidence": confidence,
        "given_coordinates": np.concatenate([start + size / 2, size], 1),
    }


def crowd(count: int, seed: int = 0) -> Boxes:
    numbers = np.random.default_rng(seed)
    start, size = numbers.uniform(0, 0.4, (count, 2)), numbers.uniform(0.2, 0.5, (count, 2))
    return Boxes(
        numbers.integers(0, len(TAGS), count).astype(np.int32),
        np.concatenate([start, size], 1).astype(np.float32),
        numbers.permutation(np.linspace(0.001, 0.999, count)).astype(np.float32),
    )


def same(answers: dict[str, Any], boxes: Boxes) -> None:
    wanted = given(boxes)
    np.testing.assert_allclose(answers["confidence"], wanted["given_confidence"], atol=1e-6)
    np.testing.assert_allclose(answers["coordinates"], wanted["given_coordinates"], atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("most", [7, 300])
def test_the_best_of_each_tag_stays(seed: int, most: int) -> None:
    boxes = crowd(200, seed)

    answers = Suppression(suppression(200, most=most)).run(given(boxes))

    kept = suppressed(boxes, 0.45, 0.01, most)
    assert len(kept) == most or 7 < len(kept) < 100
    same(answers, kept)


def test_tags_suppress_each_other_where_it_says_so() -> None:
    boxes = crowd(60)
    model = suppression(60)
    model.nonMaximumSuppression.pickTop.perClass = False

    answers = Suppression(model).run(given(boxes))

    alike = Boxes(np.zeros(60, np.int32), boxes.places, boxes.scores)
    kept = suppressed(alike, 0.45, 0.01, 64)
    assert len(kept) < len(suppressed(boxes, 0.45, 0.01, 64))
    np.testing.assert_allclose(answers["confidence"].max(1), kept.scores, atol=1e-6)


def test_thresholds_can_be_given() -> None:
    boxes = crowd(100)

    answers = Suppression(suppression(100)).run(
        given(boxes) | {"overlap": np.float64(0.2), "least": np.float64(0.6)}
    )

    same(answers, suppressed(boxes, 0.2, 0.6, 64))


def test_nothing_is_an_answer() -> None:
    answers = Suppression(suppression(5)).run(given(crowd(5)) | {"least": np.float64(1.0)})

    assert answers["confidence"].shape == (0, len(TAGS))
    assert answers["coordinates"].shape == (0, 4)


def test_a_box_of_several_tags_is_refused() -> None:
    boxes = given(crowd(5))
    boxes["given_confidence"][2] = 0.3

    with pytest.raises(VerificationError, match="one tag each"):
        Suppression(suppression(5)).run(boxes)


def test_other_shapes_are_refused() -> None:
    boxes = given(crowd(5))
    boxes["given_coordinates"] = boxes["given_coordinates"][:4]

    with pytest.raises(VerificationError, match=r"received \(5, 3\) and \(4, 4\)"):
        Suppression(suppression(5)).run(boxes)


def other_input(model: Any) -> None:
    model.description.input.add(name="elsewhere")


def other_output(model: Any) -> None:
    model.nonMaximumSuppression.coordinatesOutputFeatureName = "elsewhere"


def no_method(model: Any) -> None:
    model.nonMaximumSuppression.ClearField("pickTop")


def overlap_above_1(model: Any) -> None:
    model.nonMaximumSuppression.iouThreshold = 1.5


def always_as_many(model: Any) -> None:
    model.description.output[0].type.multiArrayType.shape.extend([10, len(TAGS)])
    model.description.output[0].type.multiArrayType.ClearField("shapeRange")


def at_least_two(model: Any) -> None:
    model.description.output[0].type.multiArrayType.shapeRange.sizeRanges[0].lowerBound = 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (other_input, "inputs and outputs that it names"),
        (other_output, "inputs and outputs that it names"),
        (no_method, "pickTop"),
        (overlap_above_1, "received 1.5 and 0.01"),
        (always_as_many, "received a fixed one"),
        (at_least_two, "filled up with zeros"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_known_is_refused(change: Callable[[Any], None], text: str) -> None:
    model = suppression(5)
    change(model)

    with pytest.raises(VerificationError, match=text):
        Suppression(model)


def doubled(rows: int) -> Any:
    """A network that doubles what it is given as `half`."""
    model = messages().Model_pb2.Model(specificationVersion=4)
    array_of(model.description.input.add(name="half"), rows, len(TAGS))
    array_of(model.description.output.add(name="given_confidence"), rows, len(TAGS))
    network = model.neuralNetwork
    network.arrayInputShapeMapping = network.imageInputShapeMapping = 1
    layer = network.layers.add(name="twice", input=["half"], output=["given_confidence"])
    layer.multiply.alpha = 2.0
    return model


def pipeline(*stages: Any, rows: int = 40) -> Any:
    model = messages().Model_pb2.Model(specificationVersion=4)
    array_of(model.description.input.add(name="half"), rows, len(TAGS))
    array_of(model.description.input.add(name="given_coordinates"), rows, 4)
    model.description.input.extend(suppression(rows).description.input[2:])
    model.description.output.extend(stages[-1].description.output)
    model.pipeline.models.extend(stages)
    return model


def nowhere() -> Weights:
    from pathlib import Path

    return Weights(Path("nowhere"))


def test_models_run_one_after_the_other() -> None:
    boxes = crowd(40)
    inputs = given(boxes)

    model = computed(pipeline(doubled(40), suppression(40)), nowhere())
    answers = model.run(
        {"half": inputs["given_confidence"] / 2, "given_coordinates": inputs["given_coordinates"]}
    )

    assert model.labels == TAGS
    assert set(model.answers) == set(answers) == {"confidence", "coordinates"}
    same(answers, suppressed(boxes, 0.45, 0.01, 64))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (pipeline(suppression(40)), "given_confidence for a nonMaximumSuppression .* received only"),
        (pipeline(doubled(41), suppression(41)), "half for a neuralNetwork .* received another form"),
        (pipeline(suppression(40), doubled(40)), "given_confidence for a nonMaximumSuppression"),
    ],
    ids=["missing", "other rows", "wrong order"],
)
def test_models_that_do_not_fit_are_refused(model: Any, text: str) -> None:
    with pytest.raises(VerificationError, match=text):
        Pipeline(model, nowhere())


def test_an_empty_pipeline_is_refused() -> None:
    model = messages().Model_pb2.Model()
    model.pipeline.SetInParent()

    with pytest.raises(VerificationError, match="holds none"):
        computed(model, nowhere())


def test_a_model_of_another_kind_is_refused() -> None:
    model = messages().Model_pb2.Model()
    model.identity.SetInParent()

    with pytest.raises(VerificationError, match="received a identity"):
        computed(model, nowhere())


def test_an_answer_of_another_shape_is_refused() -> None:
    model = Pipeline(pipeline(doubled(40), suppression(40)), nowhere())
    inputs = given(crowd(39))

    with pytest.raises(VerificationError, match=r"shape \(40, 3\), as it is declared; received \(39, 3\)"):
        model.run({"half": inputs["given_confidence"], "given_coordinates": inputs["given_coordinates"]})
