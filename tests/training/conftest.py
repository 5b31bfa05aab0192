"""What the tests of the advanced recipe start from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dahlia.modeling.backbones import Backbone
from dahlia.training.fine_tuning.tuner import FineTuner
from small_projects import SmallProject
from tuning_cases import Case, Machine, make_case


@pytest.fixture
def case(project: SmallProject, tiny_backbone: Backbone) -> Case:
    return make_case(project, tiny_backbone)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Every training step moves its clock."""
    machine, step = Machine(), FineTuner.training_step

    def timed(self: FineTuner, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        machine.work(len(batch[0]))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(FineTuner, "training_step", timed)
    return machine
