from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dahlia.errors import DatasetError
from dahlia.training.fine_tuning import tuning_data as module
from dahlia.training.fine_tuning.tuning_data import PhotoMemory, TuningData
from small_projects import SIZE, SmallProject
from tuning_cases import tuning_data


@pytest.fixture
def data(project: SmallProject) -> TuningData:
    return tuning_data(project)


def epoch(data: TuningData, number: int, memory: PhotoMemory | None = None) -> list[torch.Tensor]:
    loader = data.loader(memory or PhotoMemory(SIZE), 0.5)
    loader.sampler.set_epoch(number)
    return [torch.cat(parts) for parts in zip(*loader, strict=True)]


def test_batches(data: TuningData) -> None:
    sizes = [
        (tuple(pixels.shape), pixels.dtype, tuple(truth.shape))
        for pixels, truth in data.loader(PhotoMemory(SIZE), 0.5)
    ]
    assert sizes == [((8, 3, SIZE, SIZE), torch.uint8, (8, 2))] * 3


def test_memory_changes_no_pixel(data: TuningData) -> None:
    memory = PhotoMemory(SIZE)
    memory.fill(data.ids, data.paths, lambda: False)
    for one, two in zip(epoch(data, 3), epoch(data, 3, memory), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(epoch(data, 3)[0], epoch(data, 4)[0])


@pytest.mark.slow
def test_loaders_processes_change_no_pixel(data: TuningData, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = epoch(data, 1)
    monkeypatch.setattr(module, "_LOADER_PAYS_FROM", 1)
    assert data.loader(PhotoMemory(SIZE), 0.5).num_workers > 0
    for one, two in zip(alone, epoch(data, 1), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("batch_size", [1, 5, 8, 24, 100])
@pytest.mark.parametrize(("splits", "world"), [(1, 1), (2, 1), (1, 2)])
def test_steps_are_what_the_loader_gives(
    project: SmallProject, batch_size: int, splits: int, world: int
) -> None:
    data = tuning_data(project, batch_size=batch_size)
    loader = data.loader(PhotoMemory(SIZE), 0.5, splits=splits, world=world)
    assert data.steps(0.5, splits, world) == math.ceil(len(loader) / splits)


def test_rare_tags_are_drawn_more_often(data: TuningData) -> None:
    rare = data.where(np.arange(24) < 14)  # twelve of one tag, two of the other
    truth = epoch(rare, 0)[1].sum(0)
    assert rare.draws(0.0) == 14
    assert truth.tolist() == [4, 12] or truth.tolist() == [12, 4] or sum(truth.tolist()) == rare.draws(0.5)
    assert min(truth.tolist()) > 2


def test_a_photo_that_vanished_arrives_as_an_error(data: TuningData) -> None:
    data.paths[0].unlink()
    items = list(data.loader(PhotoMemory(SIZE), 0.5))
    assert sum(isinstance(item, DatasetError) for item in items) == 1


def test_rows_are_taken_together(data: TuningData) -> None:
    part = data.where(np.arange(24) % 2 == 0)
    assert part.ids == data.ids[::2]
    assert part.paths == data.paths[::2]
    np.testing.assert_array_equal(part.truth, data.truth[::2])
