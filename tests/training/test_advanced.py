"""The advanced recipe: a budget that is kept, and a model that must earn its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dahlia import layout
from dahlia.config import check_params
from dahlia.errors import ConfigError, DatasetError
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.card import load_card
from dahlia.modeling.classifier import Classifier
from dahlia.params import FineTuningParams, Params
from dahlia.stages import train
from dahlia.training import advanced
from dahlia.training.data import TrainingData, gather
from dahlia.training.fine_tuning import TuningData, fine_tune, seconds_per_epoch
from dahlia.training.recipes import train as train_recipe
from small_projects import SIZE, SmallProject

TUNING = FineTuningParams(
    budget_minutes=1.0,
    max_epochs=2,
    learning_rate=1e-3,
    layer_decay=0.75,
    weight_decay=0.05,
    label_smoothing=0.1,
    averaging=0.5,
)


def with_tuning(params: Params, **changes: float) -> Params:
    values = params.model_dump(by_alias=True)
    tuning = TUNING.model_dump() | changes
    values["training"] |= {"recipe": "advanced", "fine_tuning": tuning}
    return check_params(values, "params.yaml")


def data_of(project: SmallProject) -> TrainingData:
    return gather(project.records, project.folds, classification="multiclass", negative_tag=None)


def tuning_data(project: SmallProject) -> TuningData:
    data = data_of(project)
    return TuningData(
        ids=[record.id for record in data.records],
        paths=[project.root / record.path for record in data.records],
        truth=data.truth,
        augmentation=["mirror"],
        size=SIZE,
        batch_size=8,
        seed=0,
    )


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_fine_tuning_moves_a_copy(project: SmallProject, tiny_backbone: Backbone) -> None:
    model = Classifier(tiny_backbone, 2, "multiclass")
    before = state(model)
    tuned = fine_tune(model, tuning_data(project), TUNING, epochs=2)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    moved = [name for name, tensor in tuned.state_dict().items() if not torch.equal(before[name], tensor)]
    assert "head.weight" in moved
    assert any(name.startswith("backbone.network.") for name in moved)
    assert not [name for name in moved if "running_" in name]  # statistics stay as they were
    assert not tuned.training


def test_fine_tuning_repeats_itself(project: SmallProject, tiny_backbone: Backbone) -> None:
    torch.manual_seed(1)
    model = Classifier(tiny_backbone, 2, "multiclass")
    one, two = (fine_tune(model, tuning_data(project), TUNING, epochs=1).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_it_learns_two_colours(project: SmallProject, tiny_backbone: Backbone) -> None:
    data = tuning_data(project)
    model = Classifier(tiny_backbone, 2, "multiclass")
    tuned = fine_tune(model, data, TUNING.model_copy(update={"learning_rate": 0.02}), epochs=8)
    logits = advanced.predict_logits(tuned, list(zip(data.ids, data.paths, strict=True)), SIZE)
    assert (logits.argmax(1) == data.truth.argmax(1)).mean() > 0.9


def test_the_probe_leaves_the_model_alone(project: SmallProject, tiny_backbone: Backbone) -> None:
    model = Classifier(tiny_backbone, 2, "multiclass")
    before = state(model)
    assert seconds_per_epoch(model, tuning_data(project), TUNING) > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_budget_too_short_for_one_pass_keeps_the_quick_head(
    project: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train_recipe(data_of(project), with_tuning(project.params, budget_minutes=1e-9), project.root)
    assert trained.recipe == "quick"
    assert "too few for one pass" in capsys.readouterr().out


@pytest.mark.parametrize(("gain", "recipe"), [(1.0, "advanced"), (-1.0, "quick")])
def test_the_better_of_the_two_is_kept(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch, gain: float, recipe: str
) -> None:
    losses = iter([1.0 + gain, 1.0])  # of the quick head, then of the fine-tuned model
    monkeypatch.setattr(advanced, "_loss", lambda *_: next(losses))
    project.plant(test=True, red=2, blue=2)
    project.params = with_tuning(project.params)
    train.run(project.params, project.root)
    card = load_card(project.root / layout.BUNDLE)
    assert card.training.recipe == recipe


def test_held_out_photos_are_predicted_without_their_own_labels(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []
    tune = advanced.fine_tune

    def watched(model: Classifier, data: TuningData, *rest: object) -> Classifier:
        seen.append(tuple(data.ids))
        return tune(model, data, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(advanced, "fine_tune", watched)
    data = data_of(project)
    train_recipe(data, with_tuning(project.params, max_epochs=1), project.root)
    for part, ids in enumerate(seen[:5]):
        held_out = {record.id for record, fold in zip(data.records, data.folds, strict=True) if fold == part}
        assert held_out.isdisjoint(ids)
        assert len(held_out) + len(ids) == len(data.records)


def test_a_photo_that_vanished_is_named(project: SmallProject, tiny_backbone: Backbone) -> None:
    data = tuning_data(project)
    data.paths[3].unlink()
    with pytest.raises(DatasetError, match=r"could be read by ingest and cannot be now.*dvc repro"):
        fine_tune(Classifier(tiny_backbone, 2, "multiclass"), data, TUNING, epochs=1)


def test_recipe_and_fine_tuning_belong_together(project: SmallProject) -> None:
    values = with_tuning(project.params).model_dump(by_alias=True)
    values["training"]["fine_tuning"] = None
    with pytest.raises(ConfigError, match="training=advanced"):
        check_params(values, "params.yaml")


def test_temperatures_come_from_the_other_folds() -> None:
    rng = np.random.default_rng(0)
    truth = np.eye(2, dtype=bool)[rng.integers(0, 2, 60)]
    logits = rng.normal(size=(60, 2)) + 2 * truth
    folds = np.arange(60, dtype=np.int32) % 3
    before = advanced._cross_fitted(logits, truth, folds, "multiclass")
    turned = truth.copy()
    turned[folds == 1] = ~turned[folds == 1]
    after = advanced._cross_fitted(logits, turned, folds, "multiclass")
    np.testing.assert_array_equal(before[folds == 1], after[folds == 1])
    assert np.abs(before[folds == 0] - after[folds == 0]).max() > 0
