"""Runs as the folds make them, on one device and on two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dahlia.modeling.backbones import Backbone
from dahlia.training.fine_tuning.progress import Budget, Plan, Timetable, TuningFolder
from dahlia.training.fine_tuning.run import RECORD, Run, TuningContext, is_whole, tune
from dahlia.training.fine_tuning.tuning_data import PhotoMemory
from small_projects import SIZE, SmallProject
from tuning_cases import TRAINER, Case, Machine, make_case, tuning


@pytest.fixture
def case(project: SmallProject, tiny_backbone: Backbone) -> Case:
    return make_case(project, tiny_backbone)


def first_fold(case: Case, folder: Path, devices: int) -> dict[str, Any]:
    context = TuningContext(
        start=case.start,
        params=tuning(mixing=0.0, max_epochs=1),
        trainer=TRAINER,
        memory=PhotoMemory(SIZE),
        budget=Budget(60, clock=Machine()),
        timetable=Timetable((16, 16, 16, 24)),
        folder=TuningFolder(folder, "key"),
        plan=Plan(epochs=1, devices=devices, splits=1, horizon=1, spent=0.0),
    )
    own = case.folds == 0
    run = Run(0, "fold 1 of 3", case.quick.fold_heads[0], case.data.where(~own), case.data.where(own))
    kept = tune(context, run, 1)
    assert kept is not None
    assert is_whole(kept, 1)
    assert kept["global_step"] == 2
    return kept


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # torch and Lightning warn of their own ways of starting processes
def test_two_devices_learn_what_one_learns(case: Case, tmp_path: Path) -> None:
    one, two = (first_fold(case, tmp_path / str(devices), devices) for devices in (1, 2))
    for name, value in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][name], value, rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(two[RECORD]["judged"][0], one[RECORD]["judged"][0], atol=1e-3)


@pytest.mark.parametrize(
    ("epochs", "own", "horizon", "expected"),
    [(3, 5, 3, True), (3, 5, 4, False), (3, 3, 4, True), (3, 0, 4, True), (0, 5, 4, False)],
)
def test_what_is_whole(epochs: int, own: int, horizon: int, expected: bool) -> None:
    assert is_whole({RECORD: {"epochs": epochs, "horizon": own}}, horizon) == expected
    assert not is_whole(None, horizon)
