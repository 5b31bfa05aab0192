"""Scenes: photos that are clearly more alike than others of their tag, and no others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from dahlia.training.heads import principal_axes
from dahlia.training.scenes import find_scenes

Features = npt.NDArray[np.float32]
Truth = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


def photos(
    scenes: int,
    shots: int,
    tags: int = 4,
    spread: float = 0.3,
    size: int = 30,
    apart: float = 2.0,
    seed: int = 0,
) -> tuple[Features, Truth, Numbers]:
    """`shots` photos of each of the `scenes` of each tag, their tags and scenes.

    Args:
        scenes: of a tag.
        shots: of a scene.
        tags: how many.
        spread: of the shots of a scene, where the scenes of a tag have a spread of 1.
        size: of a feature.
        apart: of the tags.
        seed: of chance.
    """
    rng = np.random.default_rng(seed)
    centres = np.repeat(apart * rng.normal(size=(tags, size)), scenes, axis=0)
    centres = np.repeat(centres + rng.normal(size=centres.shape), shots, axis=0)
    features = (centres + spread * rng.normal(size=centres.shape)).astype(np.float32)
    truth = np.eye(tags, dtype=bool)[np.repeat(np.arange(tags), scenes * shots)]
    return features, truth, np.repeat(np.arange(tags * scenes), shots)


def found(features: Features, truth: Truth, named: list[str | None] | None = None) -> Numbers:
    return find_scenes(features, truth, principal_axes(torch.from_numpy(features)), named or ())


def agreement(found: Numbers, true: Numbers) -> tuple[float, float]:
    """Of the pairs that are found, how many are true, and the other way round."""
    pairs = ~np.eye(len(true), dtype=bool)
    one, other = ((numbers[:, None] == numbers) & pairs for numbers in (found, true))
    both = (one & other).sum()
    return both / max(1, one.sum()), both / max(1, other.sum())


@pytest.mark.parametrize(("scenes", "shots"), [(2, 6), (3, 6), (4, 4), (5, 6), (10, 3), (20, 2)])
def test_scenes_are_found_whether_they_are_few_or_many(scenes: int, shots: int) -> None:
    features, truth, true = photos(scenes, shots)
    right, complete = agreement(found(features, truth), true)
    assert right > 0.9
    assert complete > 0.9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [10, 20, 30])
def test_where_there_are_no_scenes_hardly_any_are_found(count: int, seed: int) -> None:
    features, truth, _ = photos(count, 1, seed=seed)
    assert len(np.unique(found(features, truth))) > 0.9 * len(features)


def test_varieties_of_a_tag_are_no_scenes() -> None:
    rng = np.random.default_rng(0)
    features, truth, _ = photos(30, 1)
    varieties = rng.normal(size=(4, 2, 30))
    features += varieties[truth.argmax(1), np.arange(len(features)) % 2].astype(np.float32)
    assert len(np.unique(found(features, truth))) > 0.8 * len(features)


def test_the_scale_of_a_tag_does_not_matter() -> None:
    features, truth, true = photos(5, 5)
    features[truth[:, 0]] *= 0.01
    right, complete = agreement(found(features, truth), true)
    assert right > 0.9
    assert complete > 0.8


def test_the_order_of_photos_and_the_threads_do_not_matter() -> None:
    features, truth, _ = photos(5, 4)
    order = np.random.default_rng(1).permutation(len(features))
    principal = principal_axes(torch.from_numpy(features))
    straight = find_scenes(features, truth, principal)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        shuffled = find_scenes(features[order], truth[order], principal)
    finally:
        torch.set_num_threads(threads)
    assert (shuffled[:, None] == shuffled).tolist() == (straight[order][:, None] == straight[order]).tolist()


def test_numbers_are_in_the_order_of_appearance() -> None:
    numbers = found(*photos(5, 4)[:2])
    _, first = np.unique(numbers, return_index=True)
    assert first.tolist() == sorted(first.tolist())
    assert numbers[0] == 0


def test_named_groups_are_taken_as_they_are() -> None:
    features, truth, _ = photos(5, 4)
    named: list[str | None] = [None] * len(features)
    named[0], named[30], named[61] = "shelf 1", "shelf 1", "shelf 2"
    numbers = found(features, truth, named)
    assert numbers[0] == numbers[30]
    assert (numbers == numbers[0]).sum() == 2
    assert (numbers == numbers[61]).sum() == 1


def test_photos_of_several_tags_join_scenes() -> None:
    features, truth, true = photos(5, 4, apart=0.3)
    truth[:, 1] |= truth[:, 0]
    right, complete = agreement(found(features, truth), true)
    assert right > 0.9
    assert complete > 0.9


def test_photos_without_a_tag_are_compared_with_each_other() -> None:
    features, truth, true = photos(5, 4)
    truth[truth[:, 0]] = False
    untagged = ~truth.any(1)
    right, complete = agreement(found(features, truth)[untagged], true[untagged])
    assert right > 0.9
    assert complete > 0.9


def test_large_tags_are_compared_in_parts() -> None:
    features, truth, true = photos(200, 3, tags=2)
    right, complete = agreement(found(features, truth), true)
    assert right > 0.9
    assert complete > 0.8


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_photos_that_are_all_the_same_are_one_scene(value: float) -> None:
    features = np.full((12, 5), value, np.float32)
    features[:, 0] += np.repeat([0.0, 1.0], 6).astype(np.float32)
    truth = np.eye(2, dtype=bool)[np.repeat([0, 1], 6)]
    assert found(features, truth).tolist() == [0] * 6 + [1] * 6


def test_few_photos_are_scenes_of_their_own() -> None:
    features, truth, _ = photos(3, 1)
    assert found(features, truth).tolist() == list(range(12))
