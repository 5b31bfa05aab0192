from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_project import PROJECT, write_project

from dahlia import layout
from dahlia.errors import DahliaError, TrackingError
from dahlia.modeling.card import load_card, save_card
from dahlia.provenance import noted_time, stage_times
from dahlia.tracking.record import record
from dahlia.tracking.registry import Registry
from dahlia.tracking.store import connect


def runs_of(root: Path) -> list[Any]:
    client = connect("sqlite:///mlflow.db", root)
    experiment = client.get_experiment_by_name(PROJECT)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def test_an_iteration_holds_everything(root: Path) -> None:
    params = write_project(root)
    iteration = record(root, params)
    assert iteration.number == 1
    assert iteration.id == str(uuid.UUID(iteration.run_id))
    assert iteration.status == "Completed"
    assert (iteration.domain, iteration.classification, iteration.images) == (
        "general_compact",
        "multiclass",
        12,
    )
    assert iteration.created.tzinfo is not None
    assert iteration.metrics["precision"] == 0.9
    assert iteration.metrics["tag/red/ap"] == 0.9
    assert set(iteration.metrics) == {
        "precision",
        "recall",
        "training/loss",
        "tag/red/ap",
        "tag/green/ap",
        "tag/blue/ap",
    }
    (run,) = runs_of(root)
    assert run.info.run_name == "Iteration 1"
    assert run.data.params["training.max_iterations"] == "10"
    assert run.data.params["export.formats"] == '["onnx"]'
    assert run.inputs.dataset_inputs[0].dataset.name == PROJECT
    artifacts = root / "mlartifacts" / iteration.run_id / "artifacts"
    kept = {path.relative_to(artifacts).as_posix() for path in artifacts.rglob("*") if path.is_file()}
    assert kept == {
        "bundle/model.json",
        "bundle/model.safetensors",
        "reports/evaluation.html",
        "reports/evaluation.json",
        "reports/metrics.json",
        "reports/plots/pr.json",
        "reports/predictions.parquet",
    }


def test_the_run_reads_well_in_mlflow(root: Path) -> None:
    iteration = record(root, write_project(root))
    client = connect("sqlite:///mlflow.db", root)
    note = client.get_run(iteration.run_id).data.tags["mlflow.note.content"]
    assert "| precision | 0.9 |" in note
    assert "| red | 0.9 |" in note
    assert [point.value for point in client.get_metric_history(iteration.run_id, "training/loss")] == [
        1.5,
        0.5,
    ]


def test_the_run_lasts_as_long_as_training_did(root: Path) -> None:
    params = write_project(root)
    for stage in ("split", "evaluate"):
        with noted_time(root, stage):
            pass
    with noted_time(root, "train"):
        time.sleep(0.05)
    trained = stage_times(root, [])["train"]
    iteration = record(root, params)
    (run,) = runs_of(root)
    assert (run.info.start_time, run.info.end_time) == (
        int(trained.began * 1000),
        int(trained.ended * 1000),
    )
    assert iteration.metrics["seconds/train"] == pytest.approx(trained.seconds)
    assert {name for name in iteration.metrics if name.startswith("seconds/")} == {
        "seconds/evaluate",
        "seconds/split",
        "seconds/train",
    }
    assert "seconds" not in (root / layout.ITERATION).read_text()  # DVC compares that file


@pytest.mark.parametrize(
    ("origin", "weights", "reason", "said"),
    [
        ({"weights": "bundled"}, "bundled", None, "from a tiny with weights bundled. The figures"),
        (
            {"weights": "auto", "source": "bundled tiny", "reason": "because the hub did not answer"},
            "bundled tiny",
            "because the hub did not answer",
            "from a tiny with weights bundled tiny (because the hub did not answer). The figures",
        ),
        (
            {"weights": "package", "source": "package a 1", "reason": "as asked for", "licence": "MIT"},
            "package a 1",
            "as asked for",
            "from a tiny with weights package a 1, licence MIT (as asked for). The figures",
        ),
    ],
    ids=["as before origins were kept", "with its origin", "with a licence"],
)
def test_the_run_says_which_weights(
    root: Path, origin: dict[str, str], weights: str, reason: str | None, said: str
) -> None:
    params = write_project(root)
    card = load_card(root / layout.BUNDLE)
    save_card(
        root / layout.BUNDLE,
        card.model_copy(update={"backbone": card.backbone.model_copy(update=origin)}),
    )
    run_id = record(root, params).run_id
    tags = connect(Registry.of(root, params).uri, root).get_run(run_id).data.tags
    assert tags["dahlia.weights"] == weights
    assert tags.get("dahlia.weights_reason") == reason
    assert said in tags["mlflow.note.content"]


def test_recording_the_same_again_makes_nothing_new(root: Path) -> None:
    params = write_project(root)
    first = record(root, params)
    report = (root / "reports" / "iteration.json").read_text()
    assert record(root, params) == first
    assert (root / "reports" / "iteration.json").read_text() == report
    assert json.loads(report)["number"] == 1
    assert len(runs_of(root)) == 1


def test_something_else_is_the_next_iteration(root: Path) -> None:
    record(root, write_project(root))
    second = record(root, write_project(root, favourite=1))
    assert second.number == 2
    assert record(root, write_project(root)).number == 1


def test_git_revision_is_recorded(root: Path) -> None:
    params = write_project(root)
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run([*git, "add", "params.yaml"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    iteration = record(root, params)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert iteration.git_revision == head.strip()
    assert not iteration.git_dirty


def remove(name: str) -> Callable[[Path], None]:
    return lambda root: shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("models/bundle/model.json"), "dvc repro train"),
        (remove("models/bundle/model.safetensors"), "dvc repro train"),
        (remove("reports/evaluation.json"), "dvc repro evaluate"),
        (remove("reports/metrics.json"), "dvc repro evaluate"),
        (remove("exports"), "dvc repro export"),
        (lambda root: (root / "reports" / "metrics.json").write_text("{"), "not JSON"),
        (lambda root: (root / "models" / "history.csv").write_text("step,loss\nx,1\n"), "history.csv"),
    ],
)
def test_missing_evidence_is_refused(root: Path, damage: Callable[[Path], object], message: str) -> None:
    params = write_project(root)
    damage(root)
    with pytest.raises(DahliaError, match=message):
        record(root, params)
    assert not (root / "reports" / "iteration.json").exists()


def test_a_failed_recording_leaves_no_iteration_and_is_cleaned(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    params = write_project(root)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", full)
        with pytest.raises(TrackingError, match="No space left"):
            record(root, params)
    assert [run.info.status for run in runs_of(root)] == ["FAILED"]
    assert Registry.of(root, params).iterations() == []
    assert record(root, params).number == 1
    assert [run.info.status for run in runs_of(root)] == ["FINISHED"]
    assert len(list((root / "mlartifacts").rglob("artifacts"))) == 2  # of the run, and of its model


@pytest.mark.parametrize("place", ["elsewhere", "mlartifacts/../elsewhere", "mlartifacts"])
def test_cleaning_deletes_no_folder_that_the_store_names_elsewhere(
    root: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A store may come with a project from somebody else."""
    from mlflow import MlflowClient

    params = write_project(root)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            record(root, params)
    for folder in ("elsewhere", "mlartifacts"):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / "photo.jpg").touch()
    with closing(sqlite3.connect(root / "mlflow.db")) as store, store:
        for column, table in (("artifact_uri", "runs"), ("artifact_location", "logged_models")):
            store.execute(f"UPDATE {table} SET {column} = ?", (f"file://{root}/{place}",))
    assert record(root, params).number == 1
    assert [run.info.status for run in runs_of(root)] == ["FINISHED"]
    assert (root / "elsewhere" / "photo.jpg").exists()
    assert (root / "mlartifacts" / "photo.jpg").exists()


KILLED = """
import os, signal, sys
sys.path.insert(0, {helpers!r})
from pathlib import Path
from dahlia.config import load_params
from dahlia.tracking.record import record
from mlflow import MlflowClient

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(MlflowClient, {method!r}, die)
record(Path({root!r}), load_params(Path({root!r}) / "params.yaml"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["log_batch", "log_artifact", "log_model_artifacts", "set_terminated", "create_model_version"]
)
def test_a_killed_recording_leaves_no_iteration_and_is_cleaned(root: Path, method: str) -> None:
    params = write_project(root)
    script = KILLED.format(helpers=str(Path(__file__).parent), method=method, root=str(root))
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], check=False, env=os.environ, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    assert Registry.of(root, params).iterations() == []
    assert len(runs_of(root)) == 1
    assert record(root, params).number == 1
    assert len(runs_of(root)) == 1


@pytest.mark.slow
def test_recording_says_nothing_and_makes_its_own_store(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write_project(root)
    script = (
        "from pathlib import Path; from dahlia.config import load_params; "
        "from dahlia.tracking.record import record; import sys; root = Path(sys.argv[1]); "
        "record(root, load_params(root / 'params.yaml'))"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(root)], check=True, capture_output=True, text=True, cwd=elsewhere
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (root / "mlflow.db").exists()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("tag", [".", "..", "a//b", "a/", "/a", "a/./b", "ä & ö", "a" * 200])
def test_any_tag_gives_a_metric_that_mlflow_takes(tag: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    from dahlia.tracking.evidence import _metric_name

    _validate_metric_name("tags/" + _metric_name(f"{tag}/recall"))


def test_iterations_are_recorded_where_the_environment_says(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAHLIA_TRACKING_URI", f"sqlite:///{tmp_path / 'elsewhere' / 'mlflow.db'}")
    iteration = record(root, write_project(root))
    assert connect("sqlite:///mlflow.db", root).get_experiment_by_name(PROJECT) is None
    assert (tmp_path / "elsewhere" / "mlartifacts" / iteration.run_id).is_dir()


def test_tags_that_mlflow_would_call_the_same_stay_apart() -> None:
    from dahlia.tracking.evidence import _tag_metrics

    tags = [{"tag": tag, "ap": number / 10} for number, tag in enumerate(("x,y", "x;y", "x_y 2", "z"))]
    assert _tag_metrics({"held_out": {"tags": tags}}) == {
        "tag/x_y/ap": 0.0,
        "tag/x_y 3/ap": 0.1,
        "tag/x_y 2/ap": 0.2,
        "tag/z/ap": 0.3,
    }
