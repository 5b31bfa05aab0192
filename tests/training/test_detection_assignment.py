"""Which positions learn which boxes, and what is minimised: against slow references, and in odd cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dahlia.boxes import overlaps
from dahlia.modeling.detection.decoding import positions
from dahlia.training.detection.assignment import Truth, assign, pairwise_overlaps
from dahlia.training.detection.losses import detection_loss, generalised_overlap, varifocal
from dahlia.training.detection.runs import truth_of

FOUND = positions(64, (8, 16, 32))
COUNT = len(FOUND.centres)


def some_truth(*photos: list[tuple[int, float, float, float, float]]) -> Truth:
    return truth_of(
        [
            (
                np.array([tag for tag, *_ in boxes], np.int32),
                np.array([box for _, *box in boxes], np.float32).reshape(-1, 4),
            )
            for boxes in photos
        ]
    )


def predicted(photos: int, tags: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    scores = torch.rand(photos, COUNT, tags, generator=rng)
    away = torch.rand(photos, COUNT, 4, generator=rng) * 20 + 1
    centres = FOUND.centres
    return scores, torch.cat([centres - away[..., :2], centres + away[..., 2:]], -1)


def slowly(
    scores: np.ndarray, corners: np.ndarray, truth: list[tuple[int, np.ndarray]], best: int
) -> dict[int, tuple[int, float]]:
    """Position to box and target, one after the other."""
    centres, strides = FOUND.centres.numpy(), FOUND.strides.numpy()
    places = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    metric = np.zeros((len(truth), COUNT))
    shared = np.zeros((len(truth), COUNT))
    for number, (tag, box) in enumerate(truth):
        place = np.concatenate([box[:2], box[2:] - box[:2]])[None].astype(np.float32)
        shared[number] = overlaps(place, places.astype(np.float32))[0]
        for position in range(COUNT):
            away = np.abs(centres[position] - (box[:2] + box[2:]) / 2)
            if (away < np.maximum((box[2:] - box[:2]) / 2, strides[position] / 2)).all():
                metric[number, position] = scores[position, tag] ** 0.5 * shared[number, position] ** 3
    takers: dict[int, list[int]] = {}
    for number in range(len(truth)):
        for position in np.argsort(-metric[number], kind="stable")[:best].tolist():
            if metric[number, position] > 1e-9:
                takers.setdefault(position, []).append(number)
    owner = {
        position: max(boxes, key=lambda box: shared[box, position]) for position, boxes in takers.items()
    }
    answer = {}
    for position, number in owner.items():
        mine = [each for each, box in owner.items() if box == number]
        share = metric[number, position] / max(metric[number, each] for each in mine)
        answer[position] = (number, share * max(shared[number, each] for each in mine))
    return answer


@pytest.mark.parametrize("seed", range(3))
def test_the_assignment_is_that_of_a_slow_reference(seed: int) -> None:
    photos = [
        [(0, 4.0, 6.0, 40.0, 50.0), (1, 10.0, 10.0, 44.0, 46.0), (0, 50.0, 2.0, 62.0, 20.0)],
        [(1, 30.0, 30.0, 33.0, 33.0)],
        [],
    ]
    scores, corners = predicted(3, 2, seed)
    found = assign(scores, corners, some_truth(*photos), FOUND.centres, FOUND.strides, best=5)
    for number, boxes in enumerate(photos):
        expected = slowly(
            scores[number].numpy(),
            corners[number].numpy(),
            [(tag, np.array(box)) for tag, *box in boxes],
            best=5,
        )
        taken = (found.box[number] >= 0).nonzero()[:, 0].tolist()
        assert taken == sorted(expected)
        for position, (box, target) in expected.items():
            assert found.box[number, position] == box
            assert float(found.target[number, position]) == pytest.approx(target, abs=1e-5)


def test_a_box_smaller_than_every_stride_is_learned() -> None:
    scores, corners = predicted(1, 1)
    truth = some_truth([(0, 16.0, 16.0, 19.0, 18.0)])
    found = assign(scores, corners, truth, FOUND.centres, FOUND.strides, blend=1.0)
    assert (found.box >= 0).any()


def test_photos_without_boxes_are_all_background() -> None:
    scores, corners = predicted(2, 3)
    found = assign(scores, corners, some_truth([], []), FOUND.centres, FOUND.strides)
    assert (found.box == -1).all()
    logits = torch.zeros(2, COUNT, 3, requires_grad=True)
    loss = detection_loss(logits, corners, some_truth([], []), found)
    assert float(loss.places) == 0
    loss.total.backward()
    assert logits.grad is not None
    assert (logits.grad > 0).all(), "every score is pushed down"


def test_three_hundred_boxes_in_a_photo_are_assigned() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 56, (300, 2))
    boxes = [
        (int(number % 2), *start, *(start + rng.uniform(3, 8, 2))) for number, start in enumerate(corner)
    ]
    scores, corners = predicted(1, 2)
    found = assign(scores, corners, some_truth(boxes), FOUND.centres, FOUND.strides, blend=1.0)
    assert len(torch.unique(found.box)) > 40
    assert torch.isfinite(found.target).all()


def test_overlaps_are_those_of_the_arrays() -> None:
    _, corners = predicted(1, 1)
    first, second = corners[0, :7], corners[0, 20:33]
    places = [torch.cat([box[:, :2], box[:, 2:] - box[:, :2]], 1).numpy() for box in (first, second)]
    np.testing.assert_allclose(pairwise_overlaps(first, second).numpy(), overlaps(*places), atol=1e-6)


def test_the_generalised_overlap_is_that_of_its_definition() -> None:
    pairs = [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0),
        ((0, 0, 1, 1), (3, 0, 4, 1), -0.5),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
    ]
    first = torch.tensor([one for one, _, _ in pairs]).float()
    second = torch.tensor([two for _, two, _ in pairs]).float()
    torch.testing.assert_close(
        generalised_overlap(first, second), torch.tensor([value for *_, value in pairs])
    )


def test_the_score_loss_is_that_of_its_definition() -> None:
    logits, targets = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.7, 0.0, 0.0])
    score = torch.sigmoid(logits)
    expected = torch.stack(
        [
            -0.7 * (0.7 * score[0].log() + 0.3 * (1 - score[0]).log()),
            *(-0.75 * score[1:] ** 2 * (1 - score[1:]).log()),
        ]
    )
    torch.testing.assert_close(varifocal(logits, targets), expected)
