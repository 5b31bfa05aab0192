"""Detectors are trained, judged on photos they did not see, and go on after a kill."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dahlia import layout
from dahlia.boxes import Boxes, overlaps
from dahlia.composition import compose
from dahlia.dataset.manifest import TEST_FOLD
from dahlia.errors import DatasetError, TrainingError
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.box_curve import load_box_curve
from dahlia.modeling.box_predictions import BoxPredictions, load_box_predictions
from dahlia.modeling.detection.detector import load_detector
from dahlia.modeling.detection.outputs import given
from dahlia.modeling.detection.reference import load_box_reference
from dahlia.modeling.detection.taps import Taps
from dahlia.modeling.reference import whole_photos
from dahlia.params import FineTuningParams
from dahlia.training.detection import deeper, view_maps, view_scenes
from dahlia.training.detection import folds as folds_module
from dahlia.training.detection import runs as runs_module
from dahlia.training.detection.detection_data import gather_boxes
from dahlia.training.detection.judging import FoundBoxes, average_precision, fit_scaling, rights
from dahlia.training.detection.recipe import train_detector
from dahlia.training.detection.tail import put_tail, tail_of
from dahlia.training.detection.view_maps import View
from detection_projects import EDGE, SIZE, DetectionProject, detection_params
from small_projects import REPOSITORY


@pytest.fixture
def small(tmp_path: Path, tiny_weights: Path, graphs: Path) -> DetectionProject:
    project = DetectionProject(tmp_path / "project", detection_params(tiny_weights), graphs)
    project.add_random(10)
    return project.save()


def trained(project: DetectionProject, **changed: Any) -> BoxPredictions:
    if changed:
        detection = project.params.training.detection
        assert detection is not None
        training = project.params.training.model_copy(
            update={"detection": detection.model_copy(update=changed)}
        )
        project.params = project.params.model_copy(update={"training": training})
    train_detector(project.params, project.root)
    return load_box_predictions(project.root / layout.PREDICTIONS)


def written(project: DetectionProject) -> dict[str, bytes]:
    return {
        path.relative_to(project.root).as_posix(): path.read_bytes()
        for path in sorted((project.root / "models").rglob("*"))
        if path.is_file()
    }


def test_what_evaluation_and_exports_read_is_written(small: DetectionProject) -> None:
    small.add([("red", 10, 10, 30, 30)], test=True)
    small.add([("green", 10, 10, 30, 30)], test=True)  # a tag that no training photo has
    small.add([])
    small.save()
    found = trained(small)
    assert found.tags == ("blue", "red")
    assert set(found.ids) == {record.id for record in small.records}
    assert set(found.fold.tolist()) == {TEST_FOLD, 0, 1}
    by_id = dict(zip(found.ids, found.truth, strict=True))
    for record in small.records:
        learned = [region for region in record.regions if region.tag != "green"]
        assert [found.tags[tag] for tag in by_id[record.id].tags] == [region.tag for region in learned]
    for boxes, before in zip(found.found, found.uncalibrated, strict=True):
        assert len(boxes) == len(before)
        assert (np.diff(boxes.scores) <= 0).all()
    model, card = load_detector(small.root / layout.BUNDLE)
    assert [tag.name for tag in card.tags] == ["blue", "red"]
    assert card.detector is not None
    reference = load_box_reference(small.root / layout.BUNDLE)
    record = next(one for one in small.records if one.id == reference.ids[0])
    with torch.inference_mode():
        places, scores = model(torch.from_numpy(whole_photos([record], small.root, SIZE)))
    how = card.detector
    expected = given(
        places[0].numpy(), scores[0].numpy(), overlap=how.overlap, least=how.least, most=how.most
    )
    np.testing.assert_allclose(reference.found[0].scores, expected.scores, atol=1e-6)
    assert load_box_curve(small.root / layout.LEARNING_CURVE).points == ()
    assert (small.root / layout.HISTORY).read_text().startswith("step,")


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["detection_general_compact", "detection_general"])
def test_coloured_rectangles_are_found_in_photos_that_were_not_seen(
    tmp_path: Path, tiny_weights: Path, graphs: Path, domain: str
) -> None:
    params = detection_params(tiny_weights, domain, steps=400, batch_size=4, views=6)
    project = DetectionProject(tmp_path / "project", params, graphs)
    project.add_random(24)
    found = trained(project.save()).held_out
    best = [
        overlaps(truth.places, boxes.where(boxes.tags == tag).places).max(initial=0)
        for truth, boxes in zip(found.truth, found.found, strict=True)
        for tag in truth.tags
    ]
    assert np.mean(np.array(best) > 0.4) > 0.7, best


def test_the_same_seed_gives_the_same_bytes(small: DetectionProject) -> None:
    trained(small)
    first = written(small)
    trained(small)
    assert written(small) == first


def test_a_killed_training_goes_on_to_the_same_bytes(
    small: DetectionProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(runs_module, "_STEPS_PER_ROW", 4)
    trained(small)
    whole = written(small)
    step, calls = runs_module._step, iter(range(10_000))

    def killed(*given: Any) -> Any:
        if next(calls) > 17:
            raise KeyboardInterrupt
        return step(*given)

    with monkeypatch.context() as patched:
        patched.setattr(runs_module, "_step", killed)
        with pytest.raises(KeyboardInterrupt):
            trained(small)
    kept = list((small.root / layout.DETECTION / "runs").rglob("*.safetensors"))
    assert kept, "nothing of what was done is kept"
    taken: list[int] = []
    monkeypatch.setattr(runs_module, "_step", lambda *given: taken.append(1) or step(*given))
    trained(small)
    assert written(small) == whole
    detection = small.params.training.detection
    assert detection is not None
    assert len(taken) < 3 * folds_module.steps_for(detection, 10), (
        "a resumed training takes the steps that are left"
    )
    assert not (small.root / layout.DETECTION / "runs").exists()


def test_no_run_sees_a_photo_that_it_is_judged_on(
    small: DetectionProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[int], list[int]]] = []
    run, answers = folds_module.train_run, folds_module.answers

    def watched(finder: Any, data: Any, *rest: Any, **named: Any) -> Any:
        seen.append((set(data.rows.tolist()), []))
        return run(finder, data, *rest, **named)

    def asked(finder: Any, maps: Any, rows: list[int]) -> Any:
        seen[-1][1].extend(rows)
        return answers(finder, maps, rows)

    monkeypatch.setattr(folds_module, "train_run", watched)
    monkeypatch.setattr(folds_module, "answers", asked)
    monkeypatch.setattr(folds_module, "thread_count", lambda: 1)
    small.add([("red", 5, 5, 40, 40)], test=True)
    found = trained(small.save())
    assert len(seen) == 3
    test = np.flatnonzero(found.fold == TEST_FOLD).tolist()
    for learned, judged in seen:
        assert not learned & set(judged)
        assert not learned & set(test)
    assert sorted(row for _, judged in seen for row in judged) == list(range(len(found.ids)))


def test_mosaics_are_of_one_fold(small: DetectionProject, monkeypatch: pytest.MonkeyPatch) -> None:
    partners: list[list[float]] = []
    make = view_scenes.mosaic

    def watched(photos: Any, *rest: Any) -> Any:
        partners.append([float(photo.pixels.astype(np.float64).sum()) for photo in photos])
        return make(photos, *rest)

    monkeypatch.setattr(view_scenes, "mosaic", watched)
    monkeypatch.setattr(view_maps, "thread_count", lambda: 1)
    data = gather_boxes(small.records, small.folds, parts=2)
    trained(small)
    fold_of: dict[float, int] = {}
    for record, fold in zip(data.records, data.folds.tolist(), strict=True):
        with Image.open(small.root / record.path) as photo:
            fold_of[float(np.asarray(photo, np.float64).sum())] = fold
    assert partners
    for photos in partners:
        assert len({fold_of[each] for each in photos}) == 1


def test_one_photo_cannot_be_judged_and_is_refused(small: DetectionProject) -> None:
    with pytest.raises(TrainingError, match=r"at least 2 folds, received 1.*Add photos"):
        gather_boxes(small.records[:1], small.folds, parts=3)


def test_photos_without_any_region_are_refused(small: DetectionProject) -> None:
    records = [dataclasses.replace(record, regions=()) for record in small.records]
    with pytest.raises(TrainingError, match=r"no training photo has one.*Add regions"):
        gather_boxes(records, small.folds, parts=3)


def test_tags_without_a_box_are_no_tags(small: DetectionProject) -> None:
    tagged = dataclasses.replace(small.records[0], tags=("blue", "green", "red"))
    assert gather_boxes([tagged, *small.records[1:]], small.folds, parts=2).tags == ("blue", "red")


def test_one_tag_two_photos_and_no_object_in_a_fold(tmp_path: Path, tiny_weights: Path, graphs: Path) -> None:
    project = DetectionProject(tmp_path / "project", detection_params(tiny_weights), graphs)
    project.add([("red", 10, 10, 40, 40)], fold=0)
    project.add([], fold=1)
    found = trained(project.save())
    assert found.tags == ("red",)
    assert len(found.ids) == 2


def test_a_photo_with_three_hundred_boxes_is_learned_from(
    tmp_path: Path, tiny_weights: Path, graphs: Path
) -> None:
    project = DetectionProject(tmp_path / "project", detection_params(tiny_weights), graphs)
    rng = np.random.default_rng(0)
    for _ in range(2):
        corner = rng.integers(0, EDGE - 6, (300, 2)).tolist()
        project.add([("red", left, top, 5, 5) for left, top in corner])
    found = trained(project.save())
    assert {len(truth) for truth in found.truth} == {300}


def test_a_photo_that_changed_after_ingest_is_named(small: DetectionProject) -> None:
    (small.root / small.records[3].path).write_bytes(b"another")
    with pytest.raises(DatasetError, match="is not the photo"):
        trained(small)


def test_a_loss_that_is_not_finite_ends_the_training(
    small: DetectionProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any, view: View, row: int) -> Any:
        return np.full(self.shapes.length, np.nan, np.float16)

    monkeypatch.setattr(folds_module.ViewMaps, "read", broken)
    with pytest.raises(TrainingError, match="not finite"):
        trained(small)


def test_calibration_makes_scores_as_often_right_as_they_say() -> None:
    rng = np.random.default_rng(0)
    truth, found = [], []
    place = np.array([[0.1, 0.1, 0.5, 0.5]], np.float32)
    for _ in range(600):
        score = rng.uniform(0.05, 0.6, 1).astype(np.float32)
        right = rng.random() < score[0] ** 0.5
        found.append(FoundBoxes(Boxes(np.zeros(1, np.int32), place, score), score))
        kept = slice(None) if right else slice(0)
        truth.append(Boxes(np.zeros(1, np.int32)[kept], place[kept], np.ones(1, np.float32)[kept]))
    scaling = fit_scaling(found, truth)
    logit = np.log(0.3 / 0.7)
    calibrated = 1 / (1 + np.exp(-scaling.of(np.array([logit]))[0]))
    assert calibrated == pytest.approx(0.3**0.5, abs=0.06)


def test_a_true_box_is_found_once() -> None:
    place = np.array([[0.1, 0.1, 0.5, 0.5]], np.float32)
    twice = Boxes(np.zeros(2, np.int32), np.repeat(place, 2, 0), np.array([0.9, 0.8], np.float32))
    assert rights(twice, Boxes(np.zeros(1, np.int32), place, np.ones(1, np.float32))).tolist() == [
        True,
        False,
    ]


def test_deeper_training_is_kept_only_where_held_out_photos_prefer_it(
    small: DetectionProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    training = compose(REPOSITORY, ["training=advanced"])["training"]
    tuning = FineTuningParams(**training["fine_tuning"] | {"budget_minutes": 0.5})
    small.params = small.params.model_copy(
        update={
            "training": small.params.training.model_copy(update={"recipe": "advanced", "fine_tuning": tuning})
        }
    )
    monkeypatch.setattr(deeper, "_MOST_STEPS", 8)
    monkeypatch.setattr(deeper, "_LEAST_STEPS", 8)
    scores = iter([0.5, 0.6, 0.5, 0.4])
    monkeypatch.setattr(deeper, "held_out_score", lambda problem, runs: next(scores))
    trained(small)
    better, card = load_detector(small.root / layout.BUNDLE)
    assert card.training.recipe == "advanced"
    assert "60.0% mean average precision on held-out photos against 50.0%" in capsys.readouterr().out
    trained(small)
    kept, card = load_detector(small.root / layout.BUNDLE)
    assert card.training.recipe == "quick"
    assert "no better" in capsys.readouterr().out
    assert not torch.equal(kept.head.classes.weight, better.head.classes.weight)


@pytest.mark.parametrize("architecture", ["mobilenetv4_conv_small", "tf_efficientnet_lite0"])
def test_the_last_stages_learn_apart_and_come_back(architecture: str) -> None:
    taps = Taps(Backbone(architecture, None), (16, 32))
    tail = tail_of(taps)
    assert tail is not None
    pixels = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        for weight in tail.parameters():
            weight.mul_(1.1)
        finer, before = taps(pixels)
        put_tail(taps.backbone, {f"tail.{name}": value for name, value in tail.state_dict().items()})
        _, after = taps(pixels)
        expected = tail(finer)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, expected)
    assert not tail.train().training, "norms keep their statistics"


def test_a_network_without_numbered_stages_has_no_tail() -> None:
    assert tail_of(Taps(Backbone("test_resnet", None), (16, 32))) is None


def test_average_precision_is_that_of_its_definition() -> None:
    place = np.array([[0.1, 0.1, 0.2, 0.2], [0.6, 0.6, 0.2, 0.2]], np.float32)
    truth = Boxes(np.zeros(2, np.int32), place, np.ones(2, np.float32))
    one_wrong_first = Boxes(
        np.zeros(3, np.int32),
        np.concatenate([place[:1] + 0.3, place]).astype(np.float32),
        np.array([0.9, 0.8, 0.7], np.float32),
    )
    assert average_precision([truth], [truth], 3, 0.5) == pytest.approx(1.0)
    assert average_precision([one_wrong_first], [truth], 1, 0.5) == pytest.approx(2 / 3)
    half = average_precision([truth.where(np.array([0]))], [truth], 1, 0.5)
    assert half == pytest.approx(51 / 101)
    assert average_precision([truth.where(np.array([], np.intp))], [truth], 1, 0.5) == 0
