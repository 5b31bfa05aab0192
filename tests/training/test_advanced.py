"""The advanced recipe: a budget that is kept, a model that must earn its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dahlia import layout
from dahlia.config import check_params
from dahlia.errors import ConfigError, DahliaError, DatasetError, TrainingError
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.card import load_card
from dahlia.modeling.predictions import load_predictions
from dahlia.params import TrainerParams
from dahlia.stages import train
from dahlia.training import advanced
from dahlia.training.advanced import train_advanced
from dahlia.training.fine_tuning import run as tuning_run
from dahlia.training.fine_tuning.run import EpochCallback
from dahlia.training.fine_tuning.tuner import FineTuner, predict_logits
from dahlia.training.fine_tuning.tuning_data import PhotoMemory
from small_projects import SIZE, SmallProject, make_record, photo
from tuning_cases import TRAINER, Case, Machine, finished, make_case, same, states, tuning, with_tuning

pytestmark = pytest.mark.slow

SLOW = pytest.mark.slow
Out = pytest.CaptureFixture[str]


def test_it_learns_two_colours(case: Case, state: Path, capsys: Out) -> None:
    before = {name: value.clone() for name, value in case.start.state_dict().items()}
    result = finished(
        train_advanced(*case.arguments, tuning(learning_rate=0.02, max_epochs=6), state, trainer=TRAINER)
    )
    said = capsys.readouterr().out
    assert "fine-tuning is better by" in said
    assert "of held-out images right against 50.0%" in said
    photos = list(zip(case.data.ids, case.data.paths, strict=True))
    logits = predict_logits(result.model, photos, PhotoMemory(SIZE))
    assert (logits.argmax(1) == case.data.truth.argmax(1)).mean() > 0.9
    assert (result.probabilities.argmax(1) == case.data.truth.argmax(1)).mean() > 0.8
    assert 1 <= result.epochs <= 6
    assert result.gain > 0
    assert not result.model.training
    assert states(state) == []
    assert all(torch.equal(before[name], value) for name, value in case.start.state_dict().items())


@SLOW
def test_it_repeats_itself(case: Case, state: Path) -> None:
    one, two = (finished(train_advanced(*case.arguments, tuning(), state, trainer=TRAINER)) for _ in range(2))
    assert same(one, two)


@SLOW
def test_a_logger_sees_the_losses_and_changes_nothing(
    case: Case, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    csv = {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": ".", "name": "runs"}
    watched = TrainerParams(logger={"csv": csv})
    one, two = (
        finished(train_advanced(*case.arguments, tuning(), state, trainer=trainer))
        for trainer in (TRAINER, watched)
    )
    assert same(one, two)
    runs = sorted((tmp_path / "runs").iterdir())
    assert len(runs) == 4  # three folds and the final model; not the probe
    header = (runs[0] / "metrics.csv").read_text().partition("\n")[0]
    assert set(header.split(",")) >= {"train_loss", "held_out_loss"}


@SLOW
def test_several_tags_and_none(project: SmallProject, tiny_backbone: Backbone, state: Path) -> None:
    for number in range(6):
        path = project.root / f"data/images/none-{number}.jpg"
        path.write_bytes(photo((90, 90, 90), 500 + number))
        project.records.append(make_record(path, project.root, ()))
    case = make_case(project, tiny_backbone, classification="multilabel")
    assert not case.data.truth.any(1).all()
    result = finished(
        train_advanced(*case.arguments, tuning(learning_rate=0.02, max_epochs=6), state, trainer=TRAINER)
    )
    assert ((result.probabilities >= 0.5) == case.data.truth).mean() > 0.8


@pytest.mark.parametrize("reds", [1, pytest.param(2, marks=SLOW)])
def test_a_tag_with_hardly_any_image(
    project: SmallProject, tiny_backbone: Backbone, state: Path, reds: int
) -> None:
    project.records = [
        *(record for record in project.records if "blue" in record.tags),
        *[record for record in project.records if "red" in record.tags][:reds],
    ]
    case = make_case(project, tiny_backbone)
    result = finished(train_advanced(*case.arguments, tuning(), state, trainer=TRAINER))
    assert np.isfinite(result.probabilities).all()


def test_photos_that_are_all_alike(case: Case, state: Path, capsys: Out) -> None:
    case.data = case.data.__class__(**{**vars(case.data), "ids": [case.data.ids[0]] * 24})
    case.data = case.data.__class__(**{**vars(case.data), "paths": [case.data.paths[0]] * 24})
    train_advanced(*case.arguments, tuning(), state, trainer=TRAINER)
    assert "nats an image" in capsys.readouterr().out


def test_a_quick_head_that_is_better_is_kept(case: Case, state: Path, capsys: Out) -> None:
    case.quick.probabilities[:] = np.where(case.data.truth, 0.999, 0.001)
    assert train_advanced(*case.arguments, tuning(), state, trainer=TRAINER) is None
    said = capsys.readouterr().out
    assert "fine-tuning is worse by" in said
    assert "right against 100.0%; the quick head is kept" in said
    assert states(state) == []


# The budget -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "epochs"),
    # 24 photos and three folds: 3 x 16 + 24 = 72 draws per epoch; the probe draws 24; 0.01 s each.
    [(1.0, 20), pytest.param(0.1, 6, marks=SLOW), pytest.param(0.05, 2, marks=SLOW), (0.025, 1)],
)
def test_the_budget_decides_how_long(
    case: Case, machine: Machine, state: Path, monkeypatch: pytest.MonkeyPatch, minutes: float, epochs: int
) -> None:
    planned = []
    monkeypatch.setattr(advanced, "_result", lambda context, _: planned.append(context.plan.epochs))
    train_advanced(
        *case.arguments, tuning(budget_minutes=minutes, max_epochs=20), state, trainer=TRAINER, clock=machine
    )
    assert planned == [epochs]


@pytest.mark.parametrize("minutes", [1e-9, 0.004])
def test_a_budget_too_short_for_one_pass_keeps_the_quick_head(
    case: Case, machine: Machine, state: Path, capsys: Out, minutes: float
) -> None:
    assert (
        train_advanced(*case.arguments, tuning(budget_minutes=minutes), state, trainer=TRAINER, clock=machine)
        is None
    )
    assert "too few for one pass" in capsys.readouterr().out
    assert machine.photos <= 24


def slower(after: int, factor: float) -> Machine:
    def change(machine: Machine) -> None:
        if machine.photos > after:
            machine.seconds = 0.01 * factor

    return Machine(change=change)


@pytest.mark.parametrize(
    ("after", "factor", "said", "kept"),
    [
        pytest.param(60, 2, "fit into the budget", True, marks=SLOW),
        (60, 5, "fit into the budget", True),
        pytest.param(60, 1000, "the quick head is kept", False, marks=SLOW),
        (24, 1000, "the quick head is kept", False),
        pytest.param(480, 4, "the final model has", True, marks=SLOW),
        pytest.param(432 + 24, 10_000, "too few for the final model", False, marks=SLOW),
    ],
)
def test_a_machine_that_becomes_slower(
    case: Case,
    state: Path,
    capsys: Out,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
    factor: float,
    said: str,
    kept: bool,
) -> None:
    machine, step = slower(after, factor), FineTuner.training_step

    def timed(self: FineTuner, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        machine.work(len(batch[0]))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(FineTuner, "training_step", timed)
    params = tuning(budget_minutes=0.15, max_epochs=9, patience=9, learning_rate=0.02)
    result = train_advanced(*case.arguments, params, state, trainer=TRAINER, clock=machine)
    assert said in capsys.readouterr().out
    assert (result is not None) == kept
    # One step more at most: the budget is checked after a step.
    assert machine.now - 1000 <= params.budget_minutes * 60 + 8 * machine.seconds
    assert states(state) == []


def test_later_folds_stop_where_finished_ones_say_so(
    case: Case, machine: Machine, state: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = EpochCallback._judge

    def worse_each_time(self: EpochCallback, module: FineTuner) -> None:
        judge(self, module)
        assert self.held_out is None or len(self.judged) > 0
        if self.held_out is not None:
            rank = len(self.judged)
            truth = torch.from_numpy(self.held_out.truth).double()
            self.judged[-1] = (truth if rank == 1 else torch.rand_like(truth) / 10) * 4

    monkeypatch.setattr(EpochCallback, "_judge", worse_each_time)
    params = tuning(max_epochs=8, patience=1)
    result = finished(train_advanced(*case.arguments, params, state, trainer=TRAINER, clock=machine))
    assert "2 folds were best after 1 of 8 epochs; the others stop after 2" in capsys.readouterr().out
    assert result.epochs == 1
    assert machine.photos == 24 + 8 * 32 + 2 * 16 + 24  # the probe, two folds, a short one, the final model


# What goes wrong --------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_says_where(
    case: Case, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = FineTuner.training_step

    def poisoned(self: FineTuner, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 1 and batch_idx == 1 and self.where != "the probe":
            torch.nn.init.constant_(self.model.head.bias, float("nan"))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(FineTuner, "training_step", poisoned)
    expected = r"loss became nan at step 3 in epoch 2 of fold 1 of 3, .*learning_rate"
    with pytest.raises(TrainingError, match=expected):
        train_advanced(*case.arguments, tuning(), state, trainer=TRAINER)


ALLOCATOR = RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize(
    ("error", "fits", "probed"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), 4, True),
        pytest.param(MemoryError(), 4, False, marks=SLOW),
        pytest.param(ALLOCATOR, 4, False, marks=SLOW),
        (ALLOCATOR, 0, True),
        (MemoryError(), 0, False),
    ],
)
def test_memory_that_is_short(
    case: Case,
    state: Path,
    capsys: Out,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    fits: int,
    probed: bool,
) -> None:
    step = FineTuner.training_step

    def greedy(self: FineTuner, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if len(batch[0]) > fits and (probed or self.where != "the probe"):
            raise error
        return step(self, batch, batch_idx)

    monkeypatch.setattr(FineTuner, "training_step", greedy)
    if fits:
        finished(train_advanced(*case.arguments, tuning(), state, trainer=TRAINER))
    else:
        with pytest.raises(TrainingError, match="does not suffice for 4 photos of 32 px"):
            train_advanced(*case.arguments, tuning(), state, trainer=TRAINER)
    assert capsys.readouterr().out.count("memory is short; continuing with 4 photos at once") == 1


def test_another_error_is_not_about_memory(case: Case, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(FineTuner, "training_step", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        train_advanced(*case.arguments, tuning(), state, trainer=TRAINER)


def test_no_room_for_checkpoints(case: Case, state: Path) -> None:
    blocked = state
    blocked.write_text("a file where a folder should be")
    with pytest.raises(DahliaError, match=r"could not be written.*run again"):
        train_advanced(*case.arguments, tuning(), blocked, trainer=TRAINER)


def test_a_photo_that_vanished_is_named(case: Case, state: Path) -> None:
    case.data.paths[3].unlink()
    with pytest.raises(DatasetError, match=r"could be read by ingest and cannot be now.*dvc repro"):
        train_advanced(*case.arguments, tuning(), state, trainer=TRAINER)


@pytest.mark.parametrize("minutes", [0.0, -1.0])
def test_a_budget_that_is_none(project: SmallProject, minutes: float) -> None:
    with pytest.raises(ConfigError, match=r"training\.fine_tuning\.budget_minutes.* cannot be .*greater"):
        with_tuning(project.params, budget_minutes=minutes)


def test_recipe_and_fine_tuning_belong_together(project: SmallProject) -> None:
    values = with_tuning(project.params).model_dump(by_alias=True)
    values["training"]["fine_tuning"] = None
    with pytest.raises(ConfigError, match="training=advanced"):
        check_params(values, "params.yaml")


# The stage --------------------------------------------------------------------------------------------


@SLOW
def test_the_stage_says_which_recipe_won(project: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    project.plant(test=True, red=2, blue=2)
    project.params = with_tuning(project.params)
    for gain, recipe in ((1.0, "advanced"), (-1.0, "quick")):
        monkeypatch.setattr(advanced, "_gain", lambda *_, gain=gain: gain)
        train.run(project.params, project.root)
        assert load_card(project.root / layout.BUNDLE).training.recipe == recipe
    assert len(load_predictions(project.root / layout.PREDICTIONS).test.ids) == 4


def test_a_fold_is_predicted_by_a_run_that_did_not_see_it(
    case: Case, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, fit = [], tuning_run._fit

    def watched(context: object, run: tuning_run.Run, *rest: object, **options: object) -> None:
        seen.append((set(run.data.ids), set() if run.held_out is None else set(run.held_out.ids)))
        fit(context, run, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(tuning_run, "_fit", watched)
    train_advanced(*case.arguments, tuning(max_epochs=1), state, trainer=TRAINER)
    assert len(seen) == 4
    for learned, held_out in seen:
        assert learned.isdisjoint(held_out)
        assert learned | held_out == set(case.data.ids)
