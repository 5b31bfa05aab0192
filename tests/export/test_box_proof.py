"""The proof of detectors: it lets right files pass, and names what is wrong with others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))

import fake_detector
from fake_detector import ALWAYS, FOUND, SIZE, Output
from fake_project import TAGS

from dahlia.boxes import Boxes, suppressed
from dahlia.errors import VerificationError
from dahlia.export.box_accuracy import mean_average_precision
from dahlia.export.box_proof import BOX_LIMITS, BoxPhotos, compare_boxes, require_boxes
from dahlia.export.onnx.detector_file import opened_detector
from dahlia.export.port import Batch, OpenedDetector
from dahlia.export.verify import Limit

EXACT, ROUGH, LOSSY = BOX_LIMITS["float32"], BOX_LIMITS["float16"], BOX_LIMITS["int8"]


def boxes(*rows: tuple[int, float, tuple[float, float, float, float]]) -> Boxes:
    """Of tags, scores and places."""
    return Boxes(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
    )


def photos(*candidates: Boxes, truth: Boxes | None = None) -> BoxPhotos:
    """Photos of which the trained detector says this before suppression."""
    count = len(candidates)
    return BoxPhotos(
        paths=tuple(f"{number}.jpg" for number in range(count)),
        pixels=np.zeros((count, 3, SIZE, SIZE), np.float32),
        expected=tuple(suppressed(one, 0.45, 0.01, 64) for one in candidates),
        candidates=candidates,
        truth=(truth or boxes(),) * count,
        held_out=np.zeros(count, bool),
    )


def saying(*answers: Boxes, labels: tuple[str, ...] = TAGS) -> OpenedDetector:
    """An artifact that answers one after the other."""
    left = iter(answers)
    return OpenedDetector(lambda pixels: next(left), labels, "a runtime", 64)


def prove(of: BoxPhotos, *answers: Boxes, limit: Limit = EXACT) -> None:
    compared = compare_boxes(of, saying(*answers), fake_detector.card(), limit)
    require_boxes(compared, limit, "ONNX, float32")


ROSE = (0, 0.9, (0.1, 0.1, 0.3, 0.3))
TWIN = (0, 0.89, (0.12, 0.1, 0.3, 0.3))  # of the same object
OTHER = (1, 0.5, (0.5, 0.5, 0.2, 0.4))
FAINT = (1, 0.0101, (0.7, 0.1, 0.2, 0.2))


def moved(one: Boxes, by: float) -> Boxes:
    return replace(one, places=one.places + np.array([by, 0, 0, 0], np.float32))


def test_what_is_right_passes() -> None:
    said = boxes(ROSE, TWIN, OTHER, FAINT)
    prove(photos(said), boxes(ROSE, OTHER, FAINT))
    compared = compare_boxes(photos(said), saying(boxes(ROSE, OTHER, FAINT)), fake_detector.card(), EXACT)
    assert (compared.boxes, compared.replaced, compared.problem) == (3, 0, None)
    assert compared.overlap == pytest.approx(1)
    assert compared.largest < 1e-6
    assert compared.figures()["accuracy"]["trained_model"] is None  # type: ignore[index]


def test_photos_without_anything_pass() -> None:
    prove(photos(boxes(), boxes()), boxes(), boxes())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            boxes((0, 0.9, (0.1, 0.1, 0.31, 0.31)), OTHER),
            r"overlaps the nearest .* by 0\.93\d+ \(at least",
        ),
        (boxes((0, 0.9002, ROSE[2]), OTHER), "whose score differs by 0.0002"),
        (boxes((1, 0.9, ROSE[2]), OTHER), "finds a box of tag 1 .* where the trained detector finds none"),
        (boxes(ROSE), "does not find the box of tag 1 with a score of 0.5"),
        (boxes(OTHER), "does not find the box of tag 0"),
        (boxes(), "does not find the box of tag 0"),
        (boxes(OTHER, ROSE), "does not give the highest score first"),
        (boxes(ROSE, TWIN, OTHER), r"overlap by 0\.88, where 0\.45 is allowed"),
        (boxes(TWIN, OTHER), "does not find the box of tag 0 with a score of 0.9000"),
        (boxes(ROSE, OTHER, (1, 0.005, (0.7, 0.1, 0.2, 0.2))), "scores below 0.01"),
        (boxes((0, np.nan, ROSE[2]), OTHER), "gives what is no number"),
    ],
    ids=["place", "score", "tag", "missing", "best", "none", "order", "twice", "twin", "low", "nan"],
)
def test_what_is_wrong_is_named(answer: Boxes, words: str) -> None:
    with pytest.raises(VerificationError, match=f"does not find what.*in 0.jpg it.*{words}"):
        prove(photos(boxes(ROSE, TWIN, OTHER)), answer)


def test_figures_of_a_file_that_may_differ_are_those_of_the_nearest_boxes() -> None:
    said = photos(boxes(ROSE, OTHER, FAINT))
    answer = boxes((0, 0.85, (0.1, 0.1, 0.3, 0.33)), OTHER)
    compared = compare_boxes(said, saying(answer), fake_detector.card(), LOSSY)
    assert compared.overlap == pytest.approx(1 / 1.1)
    assert compared.largest == pytest.approx(0.05)
    assert (compared.boxes, compared.replaced, compared.problem) == (3, 1, None)


def test_every_photo_counts() -> None:
    said = boxes(ROSE, OTHER)
    with pytest.raises(VerificationError, match=r"in 1\.jpg it"):
        prove(photos(said, said), said, moved(said, 0.1))


def test_a_twin_may_take_the_place_of_one_that_is_no_better() -> None:
    near = (0, 0.89995, TWIN[2])
    said = photos(boxes(ROSE, near, OTHER))
    prove(said, boxes(near, OTHER))
    compared = compare_boxes(said, saying(boxes(near, OTHER)), fake_detector.card(), EXACT)
    assert compared.replaced == 1


def test_a_twin_that_the_trained_detector_does_not_know_may_not() -> None:
    with pytest.raises(VerificationError, match="whose score differs"):
        prove(photos(boxes(ROSE, OTHER)), boxes((0, 0.89995, TWIN[2]), OTHER))


def test_half_precision_may_choose_among_more() -> None:
    said = photos(boxes(ROSE, TWIN, OTHER))
    prove(said, boxes(TWIN, OTHER), limit=ROUGH)
    with pytest.raises(VerificationError):
        prove(photos(boxes(ROSE, (0, 0.87, TWIN[2]), OTHER)), boxes((0, 0.87, TWIN[2]), OTHER), limit=ROUGH)


def test_a_box_at_the_lowest_score_may_come_or_go() -> None:
    below = (1, 0.00995, FAINT[2])
    prove(photos(boxes(ROSE, FAINT)), boxes(ROSE))
    prove(photos(boxes(ROSE, below)), boxes(ROSE, (1, 0.01, FAINT[2])))
    with pytest.raises(VerificationError, match="does not find the box of tag 1"):
        prove(photos(boxes(ROSE, (1, 0.0103, FAINT[2]))), boxes(ROSE))


def test_an_overlap_at_the_limit_may_be_decided_either_way() -> None:
    # 0.3 wide each, moved by 0.1138: they overlap by 0.45.
    beside = (0, 0.6, (0.2138, 0.1, 0.3, 0.3))
    said = photos(boxes(ROSE, beside))
    assert len(said.expected[0]) in (1, 2)
    prove(said, boxes(ROSE))
    prove(said, boxes(ROSE, beside))


def test_where_most_are_reached_the_last_may_be_others() -> None:
    rows = [(0, 0.5, (0.01 * (n % 40), 0.02 * (n // 40), 0.005, 0.01)) for n in range(70)]
    said = photos(boxes(*rows))
    assert len(said.expected[0]) == 64
    prove(said, boxes(*rows[6:]))
    with pytest.raises(VerificationError, match="more than 64"):
        prove(said, boxes(*rows))


def test_other_labels_are_refused() -> None:
    others = saying(boxes(ROSE), labels=("red", "blue", "green"))
    with pytest.raises(VerificationError, match="names its columns red, blue, green"):
        compare_boxes(photos(boxes(ROSE)), others, fake_detector.card(), EXACT)


def test_eight_bits_are_judged_by_accuracy() -> None:
    truth = boxes(ROSE, OTHER)
    said = photos(boxes(ROSE, OTHER), truth=truth)
    prove(said, moved(boxes(ROSE, OTHER), 0.02), limit=LOSSY)
    with pytest.raises(VerificationError, match=r"may lose 2% of mean average precision.*loses 50\.0% on 1"):
        prove(said, boxes(ROSE), limit=LOSSY)
    with pytest.raises(VerificationError, match=r"judged by its mean average precision on photos with boxes"):
        prove(photos(boxes(ROSE)), boxes(ROSE), limit=LOSSY)


@pytest.mark.parametrize(("missing", "refused"), [(1, False), (2, False), (3, True)])
def test_two_points_of_a_hundred_boxes_may_be_lost(missing: int, refused: bool) -> None:
    rows = [(0, 0.9, (0.01 * n, 0.0, 0.005, 0.01)) for n in range(50)]
    whole = boxes(*rows)
    said = photos(whole, whole, truth=whole)
    assert len(said.expected[0]) == 50
    compared = compare_boxes(said, saying(whole, boxes(*rows[missing:])), fake_detector.card(), LOSSY)
    assert compared.before - compared.after == pytest.approx(missing / 100)
    if not refused:
        require_boxes(compared, LOSSY, "ONNX, int8")
        return
    with pytest.raises(VerificationError, match=r"loses 3\.0% on 2 photos trained on: 100\.0% before, 97"):
        require_boxes(compared, LOSSY, "ONNX, int8")


def test_the_test_set_is_judged_where_there_is_one() -> None:
    truth = boxes(ROSE, OTHER)
    said = replace(photos(truth, truth, truth=truth), held_out=np.array([False, True]))
    compared = compare_boxes(said, saying(boxes(), truth), fake_detector.card(), LOSSY)
    assert (compared.judged, compared.judged_on, compared.after) == (1, "test photos", 1.0)
    accuracy = compared.figures()["accuracy"]
    assert isinstance(accuracy, dict)
    assert (accuracy["of"], accuracy["held_out"], "meaning" in accuracy) == ("test photos", True, False)
    seen = compare_boxes(photos(truth, truth=truth), saying(truth), fake_detector.card(), LOSSY)
    told = seen.figures()["accuracy"]
    assert isinstance(told, dict)
    assert (told["of"], told["held_out"]) == ("photos trained on", False)
    assert told["meaning"].startswith("The detector was trained on these photos.")
    assert seen.words(LOSSY) == "1 photos trained on, mAP@50 100.0% of 100.0%"


def test_mean_average_precision() -> None:
    truth = [boxes((0, 1, ROSE[2]), (1, 1, OTHER[2])), boxes((0, 1, ROSE[2]))]
    right = [boxes(ROSE, OTHER), boxes(ROSE)]
    assert mean_average_precision(right, truth) == 1
    assert mean_average_precision([boxes(), boxes()], truth) == 0
    assert np.isnan(mean_average_precision([boxes()], [boxes()]))
    # A wrong box that is surer than the second right one: precision 1, then 2/3.
    wrong = (0, 0.95, (0.6, 0.6, 0.1, 0.1))
    half = [boxes((0, 0.99, ROSE[2]), wrong, OTHER), boxes((0, 0.9, ROSE[2]))]
    assert mean_average_precision(half, truth) == pytest.approx((0.5 + 0.5 * 2 / 3 + 1) / 2)
    # A second box on an object that was found is wrong.
    twice = [boxes(ROSE, TWIN, OTHER), boxes((0, 0.5, ROSE[2]))]
    assert mean_average_precision(twice, truth) == pytest.approx((0.5 + 0.5 * 2 / 3 + 1) / 2)


Change = Callable[[onnx.GraphProto], None]


def colours() -> Batch:
    """(4, 3, SIZE, SIZE) in RGB."""
    shown = np.array([[255, 0, 0], [0, 255, 0], [30, 90, 220], [0, 0, 0]], np.float32)
    return np.ascontiguousarray(np.broadcast_to(shown[:, :, None, None], (4, 3, SIZE, SIZE)))


def known() -> BoxPhotos:
    """What the fake detector must say of the colours, by its description alone."""
    said = []
    for shown in colours():
        full = [float(shown[TAGS.index(tag), 0, 0]) / 255 for _, tag, _ in FOUND]
        scored = [
            (TAGS.index(tag), ALWAYS + (score - ALWAYS) * share, place)
            for (place, tag, score), share in zip(FOUND, full, strict=True)
        ]
        said.append(boxes(*scored))
    return replace(photos(*said), pixels=colours())


def changed(folder: Path, output: Output, change: Change | None) -> Path:
    fake_detector.write_model(folder, output)
    proto = onnx.load(folder / "model.onnx")
    if change:
        change(proto.graph)
    onnx.save(proto, folder / "model.onnx")
    return folder


def judge(folder: Path, output: Output) -> None:
    with opened_detector(folder) as opened:
        compared = compare_boxes(known(), opened, fake_detector.card(output), EXACT)
    require_boxes(compared, EXACT, "ONNX, float32")


@pytest.mark.parametrize("output", ["grid", "boxes"])
def test_a_right_graph_passes(tmp_path: Path, output: Output) -> None:
    judge(changed(tmp_path, output, None), output)


def _constant_of(graph: onnx.GraphProto, operation: str, place: int, value: np.ndarray) -> None:
    (node,) = (one for one in graph.node if one.op_type == operation)
    tensor = next(one for one in graph.initializer if one.name == node.input[place])
    tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


def no_suppression(graph: onnx.GraphProto) -> None:
    _constant_of(graph, "NonMaxSuppression", 3, np.array([1.0], np.float32))


def too_much_suppression(graph: onnx.GraphProto) -> None:
    _constant_of(graph, "NonMaxSuppression", 3, np.array([0.0], np.float32))


def high_floor(graph: onnx.GraphProto) -> None:
    _constant_of(graph, "NonMaxSuppression", 4, np.array([0.3], np.float32))


def lowest_first(graph: onnx.GraphProto) -> None:
    (node,) = (one for one in graph.node if one.op_type == "TopK")
    node.attribute.append(helper.make_attribute("largest", 0))


def x_and_y_swapped(graph: onnx.GraphProto) -> None:
    _after(graph, "detected_boxes", "Gather", np.array([1, 0, 3, 2]), axis=2)


def tags_by_one(graph: onnx.GraphProto) -> None:
    _after(graph, "detected_classes", "Sub", np.array(1))


def colours_swapped(graph: onnx.GraphProto) -> None:
    taken = graph.input[0].name
    for node in graph.node:
        node.input[:] = ["turned" if name == taken else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "turn"))
    graph.node.insert(0, helper.make_node("Gather", [taken, "turn"], ["turned"], axis=1))


def channels_shuffled(graph: onnx.GraphProto) -> None:
    order = np.arange(40).reshape(5, 8).T.reshape(-1)  # number-major, where anchor-major is right
    _after(graph, "model_outputs0", "Gather", order, axis=1)


def rows_and_columns_swapped(graph: onnx.GraphProto) -> None:
    (node,) = (one for one in graph.node if "model_outputs0" in one.output)
    node.attribute[0].CopyFrom(helper.make_attribute("perm", [0, 3, 2, 1]))


def other_anchors(graph: onnx.GraphProto) -> None:
    order = np.arange(40).reshape(5, 8)[[4, 3, 2, 1, 0]].reshape(-1)
    _after(graph, "model_outputs0", "Gather", order, axis=1)


def infinite(graph: onnx.GraphProto) -> None:
    _after(graph, "model_outputs0", "Div", np.array(0, np.float32))


def _after(graph: onnx.GraphProto, output: str, operation: str, constant: np.ndarray, **how: int) -> None:
    for node in graph.node:
        node.output[:] = [f"{name}.before" if name == output else name for name in node.output]
    graph.initializer.append(numpy_helper.from_array(constant, f"{output}.constant"))
    graph.node.append(
        helper.make_node(operation, [f"{output}.before", f"{output}.constant"], [output], **how)
    )


@pytest.mark.parametrize(
    ("output", "change"),
    [
        ("boxes", no_suppression),
        ("boxes", too_much_suppression),
        ("boxes", high_floor),
        ("boxes", lowest_first),
        ("boxes", x_and_y_swapped),
        ("boxes", tags_by_one),
        ("boxes", colours_swapped),
        ("grid", channels_shuffled),
        ("grid", rows_and_columns_swapped),
        ("grid", other_anchors),
        ("grid", colours_swapped),
        ("grid", infinite),
    ],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)
def test_a_wrong_graph_is_found_out(tmp_path: Path, output: Output, change: Change) -> None:
    with pytest.raises(VerificationError):
        judge(changed(tmp_path, output, change), output)


def test_labels_that_contradict_the_file(tmp_path: Path) -> None:
    changed(tmp_path, "grid", None)
    (tmp_path / "labels.txt").write_text("red\nblue\ngreen", encoding="utf-8")
    with pytest.raises(VerificationError, match=r"labels\.txt others"), opened_detector(tmp_path):
        pass
