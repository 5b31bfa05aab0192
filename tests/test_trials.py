from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dahlia import layout
from dahlia.cli import cli
from dahlia.errors import ConfigError, DahliaError, DatasetError
from dahlia.project import create_project
from dahlia.tracking.store import connect
from dahlia.trials import Trial, run_trials, trials_table
from small_projects import ARCHITECTURE, SmallProject


@pytest.fixture
def garden(tmp_path: Path, tiny_weights: Path) -> SmallProject:
    create_project(tmp_path / "garden")
    project = SmallProject(tmp_path / "garden", None)  # type: ignore[arg-type]
    project.plant(red=12, blue=12)
    return project


@pytest.fixture
def small(tiny_weights: Path) -> list[str]:
    return [
        f"domain.backbone.architecture={ARCHITECTURE}",
        f"domain.backbone.weights={tiny_weights}",
        "domain.recipe.views=[plain]",
        "domain.input.size=32",
        "training.max_iterations=20",
        "evaluate.bootstrap_samples=50",
    ]


def recorded(root: Path) -> list[dict[str, str]]:
    client = connect("sqlite:///mlflow.db", root)
    experiment = client.get_experiment_by_name("garden trials")
    assert experiment is not None
    return [run.data.params for run in client.search_runs([experiment.experiment_id])]


@pytest.mark.slow
def test_one_trial_leaves_the_pipeline_alone(garden: SmallProject, small: list[str]) -> None:
    (trial,) = run_trials(garden.root, small, sweep=False)
    assert trial.overrides == tuple(small)
    assert 0.5 <= trial.score <= 1
    assert not (garden.root / layout.BUNDLE).exists()
    assert not list((garden.root / layout.TRIALS).iterdir())
    assert list((garden.root / layout.FEATURE_CACHE).iterdir())
    (run,) = recorded(garden.root)
    assert run["domain.backbone.architecture"] == ARCHITECTURE


@pytest.mark.slow
def test_a_sweep_tries_every_combination(garden: SmallProject, small: list[str]) -> None:
    sweep = [*small, "training.regularisation=[1e-3],[1e-5]", "domain.recipe.views=[plain],[mirror]"]
    trials = run_trials(garden.root, sweep, sweep=True)
    assert len(trials) == 4
    assert [trial.score for trial in trials] == sorted((trial.score for trial in trials), reverse=True)
    assert (
        len({(run["training.regularisation"], run["domain.recipe.views"]) for run in recorded(garden.root)})
        == 4
    )


@pytest.mark.slow
def test_optuna_proposes_trials(garden: SmallProject, small: list[str]) -> None:
    sweep = [
        *small,
        "hydra/sweeper=optuna",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.sampler.seed=0",
        "training.max_iterations=range(5,30)",
    ]
    trials = run_trials(garden.root, sweep, sweep=True)
    assert len(trials) == 3
    assert len(recorded(garden.root)) == 3


@pytest.mark.slow
def test_a_trial_that_fails_ends_no_sweep(garden: SmallProject, small: list[str]) -> None:
    trials = run_trials(garden.root, [*small, "domain.input.size=32,2048"], sweep=True)
    assert [bool(trial.problem) for trial in trials] == [False, True]
    assert "domain.input.size" in trials[1].problem
    text = str(list(trials_table(trials).columns[1].cells))
    assert "failed" in text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["split.folds=3"], "A trial can change domain, training, trainer, evaluate"),
        (["domian.input.size=3"], "A trial can change domain"),
        (["domain.input.sice=32,64"], "unknown key `domain.input.sice`; did you mean size"),
        (["domain=food,retale"], "no choice 'retale'; did you mean retail"),
        (["training"], "Expected an override like"),
    ],
)
def test_what_a_trial_cannot_change(garden: SmallProject, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_trials(garden.root, overrides, sweep=True)


def test_the_only_trial_fails(garden: SmallProject) -> None:
    with pytest.raises(DahliaError, match=r"`domain.input.size` cannot be 5"):
        run_trials(garden.root, ["domain.input.size=5"], sweep=False)


def test_a_trial_is_of_the_projects_task(garden: SmallProject) -> None:
    with pytest.raises(DahliaError, match=r"Expected a domain of classification, of which photos"):
        run_trials(garden.root, ["domain=detection_general_compact"], sweep=False)


def test_a_score_that_is_not_defined(garden: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dahlia.stages.train.run", lambda params, root: None)
    monkeypatch.setattr("dahlia.stages.evaluate.run", lambda params, root: None)
    monkeypatch.setattr("dahlia.tracking.record.record_trial", lambda *_, **__: {"nll": 1.0})
    with pytest.raises(DahliaError, match=r"`accuracy` is not defined: .*Tag more photos"):
        run_trials(garden.root, [], sweep=False)


def test_values_that_hydra_cannot_read(garden: SmallProject, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="Hydra refused"):
        run_trials(garden.root, ["domain.input.size=[3"], sweep=False)
    assert "Traceback" not in capfd.readouterr().err


def test_the_photos_are_not_divided_yet(tmp_path: Path) -> None:
    create_project(tmp_path / "empty")
    with pytest.raises(DatasetError, match="Run `dvc repro split` first"):
        run_trials(tmp_path / "empty", [], sweep=False)


def test_the_command_says_how_to_keep_the_best(garden: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Trial(("domain.input.size=160",), 0.9, 0.3), Trial(("domain.input.size=96",), 0.8, 0.5)]
    monkeypatch.setattr("dahlia.trials.run_trials", lambda root, overrides, sweep: found)
    monkeypatch.chdir(garden.root)
    result = CliRunner().invoke(cli, ["train", "--multirun", "domain.input.size=96,160"])
    assert "To keep it: dahlia params domain.input.size=160 && dvc repro" in result.output
    assert "chosen on the photos that judge it" in result.output
