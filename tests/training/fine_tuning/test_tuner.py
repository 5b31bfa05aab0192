from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dahlia.modeling.backbones import Backbone
from dahlia.modeling.classifier import Classifier
from dahlia.params import TrainerParams
from dahlia.training.fine_tuning.tuner import FineTuner, restored
from dahlia.training.fine_tuning.tuning_data import PhotoMemory
from dahlia.training.trainer import SafetensorsCheckpoints, fit_options, make_trainer
from small_projects import SIZE, SmallProject
from tuning_cases import tuning, tuning_data

CPU = TrainerParams(accelerator="cpu")


def fit(
    project: SmallProject,
    model: Classifier,
    *,
    epochs: int = 2,
    batch: int = 8,
    splits: int = 1,
) -> FineTuner:
    data = tuning_data(project, batch_size=batch)
    tuner = FineTuner(
        model, data, PhotoMemory(SIZE), tuning(mixing=0.0), epochs=epochs, where="a test", splits=splits
    )
    options = fit_options(CPU, 1) | {"accumulate_grad_batches": splits}
    trainer = make_trainer(CPU, max_epochs=epochs, plugins=[SafetensorsCheckpoints()], **options)
    trainer.fit(tuner)
    assert trainer.global_step == epochs * data.steps(0.5, splits)
    return tuner


def weights(tuner: FineTuner, model: Classifier) -> dict[str, torch.Tensor]:
    return restored(model, tuner.state_dict(), 1.0).state_dict()


def test_a_copy_moves(project: SmallProject, tiny_backbone: Backbone) -> None:
    model = Classifier(tiny_backbone, 2, "multiclass")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tuner = fit(project, model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    after = weights(tuner, model)
    moved = [name for name in after if not torch.equal(before[name], after[name])]
    assert "head.weight" in moved
    assert any(name.startswith("backbone.network.") for name in moved)
    assert not [name for name in moved if "running_" in name]  # statistics stay as they were
    assert any(not torch.equal(after[name], value) for name, value in tuner.model.state_dict().items())


@pytest.mark.parametrize("batch", [8, 24, 100])
def test_half_a_batch_twice_is_a_batch(project: SmallProject, tiny_backbone: Backbone, batch: int) -> None:
    model = Classifier(tiny_backbone, 2, "multiclass")
    whole = weights(fit(project, model, batch=batch), model)
    halved = weights(fit(project, model, batch=batch, splits=2), model)
    if batch == 100:  # half of it is all there is
        return
    for name, value in whole.items():
        torch.testing.assert_close(halved[name], value, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("steps", [0, 1, 20, 10_000])
def test_the_average_grows_with_the_steps(project: SmallProject, tiny_backbone: Backbone, steps: int) -> None:
    model = Classifier(tiny_backbone, 2, "multiclass")
    params = tuning(averaging=0.98)
    tuner = FineTuner(model, tuning_data(project), PhotoMemory(SIZE), params, epochs=1, where="a test")
    average = torch.zeros(1)
    tuner._average([average], [torch.ones(1)], torch.tensor(steps))
    assert average.item() == pytest.approx(1 - min(0.98, (1 + steps) / (10 + steps)), abs=1e-6)


def test_checkpoints_hold_no_photo(project: SmallProject, tiny_backbone: Backbone, tmp_path: Path) -> None:
    tuner = fit(project, Classifier(tiny_backbone, 2, "multiclass"))
    tuner.trainer.save_checkpoint(tmp_path / "c")
    weights = sum(value.numel() * 4 for value in tuner.model.state_dict().values())
    assert (tmp_path / "c").stat().st_size < 4.2 * weights + 100_000


def test_the_kept_model_lies_between(project: SmallProject, tiny_backbone: Backbone) -> None:
    model = Classifier(tiny_backbone, 2, "multiclass").eval()
    tuner = fit(project, model)
    tuner.params = tuning(interpolation=0.25)
    start, end, kept = model.state_dict(), weights(tuner, model), tuner.result().state_dict()
    again = restored(model, tuner.state_dict(), 0.25).state_dict()
    for name, value in kept.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, start[name] + 0.25 * (end[name] - start[name]))
        assert torch.equal(value, again[name])
