from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_cases import (
    Planted,
    add_photo,
    add_photos,
    card,
    eventually,
    iteration,
    jobs,
    order,
    plant,
    states,
    working,
)
from safetensors.numpy import load_file, save_file
from sqlalchemy import select

from dahlia import layout
from dahlia.config import load_params
from dahlia.dataset.records import Region
from dahlia.errors import TrainingError
from dahlia.files import write_json
from dahlia.modeling.card import (
    load_card,
    save_card,
)
from dahlia.server.checkout import CheckedOut, check_out
from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, TagRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs import training
from dahlia.server.jobs.iteration_files import artifact_key
from dahlia.server.jobs.job import JobKind, Lane
from dahlia.server.jobs.queue import cancel
from dahlia.server.jobs.training import train
from dahlia.server.jobs.training_data import read_snapshot
from dahlia.server.jobs.worker_context import WorkerContext
from dahlia.server.opening import open_server
from dahlia.server.rescue.records import IMAGES_TABLE, RECORD, Record, read_images
from dahlia.server.rescue.rescuing import rescue
from dahlia.server.storage.names import history_key, iteration_prefix
from dahlia.server.workspaces import Cancelled, PipelineError, Progress, Snapshot, head
from dahlia.server.workspaces.repository import git
from dahlia.server.workspaces.workspace import occupied
from dahlia.settings.server import load_settings
from dahlia.tracking.artifacts import SERVABLE

TRAINING = {JobKind.TRAIN: train}
QUICK = {"DAHLIA_JOBS_WARM": "false", "DAHLIA_JOBS_POLL_SECONDS": "0.02", "DAHLIA_JOBS_LEASE_SECONDS": "2"}
RUN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is read here is read alike from both databases; the queue's tests use both."""
    return f"sqlite:///{tmp_path / 'home' / 'dahlia.db'}"


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server whose workers are quick to notice."""
    server = opened(tmp_path, database_url)
    yield server
    server.database.close()


def opened(tmp_path: Path, database_url: str, home: str = "home", *, paired: bool = True) -> Server:
    """The server, or the same seen from another machine, which has its own home."""
    places = {
        "DAHLIA_SERVER_HOME": str(tmp_path / home),
        "DAHLIA_DATABASE_URL": database_url,
        "DAHLIA_STORAGE_URL": str(tmp_path / "files"),
        "DAHLIA_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
    }
    return open_server(load_settings(None, places | QUICK), paired=paired)


def leave(folder: Path, *tags: str) -> None:
    """Write what the pipeline leaves in a workspace."""
    for place in (layout.BUNDLE, SERVABLE):
        (folder / place).mkdir(parents=True, exist_ok=True)
        save_card(folder / place, card(*tags))
    (folder / SERVABLE / "model.onnx").write_bytes(b"graph")
    (folder / layout.BUNDLE / "model.safetensors").write_bytes(b"weights")
    (folder / layout.REPORTS).mkdir(exist_ok=True)
    reports = (layout.EVALUATION, layout.EVALUATION_PAGE, layout.VALIDATION, layout.VALIDATION_PAGE)
    for place in (layout.PREDICTIONS, layout.METRICS, *reports):
        (folder / place).write_text(place.name)
    write_json(folder / layout.ITERATION, {"number": 1, "id": RUN, "fingerprint": "1" * 64})


class Pipeline:
    """Stands for `dvc repro`."""

    def __init__(self, *tags: str) -> None:
        self.tags = tags
        self.folders: list[Path] = []
        self.photos: list[set[str]] = []
        self.first: Callable[[Path], None] = lambda folder: None
        self.endless = False
        self.begun = threading.Event()
        self.niceness: int | None = None

    def __call__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        watch: Callable[[Progress], None],
        cancelled: Callable[[], bool],
        niceness: int,
    ) -> None:
        self.niceness = niceness
        self.folders.append(folder)
        self.photos.append({path.stem for path in (folder / "data/images").iterdir()})
        watch(Progress("train", 3, 7, 0.5, 4.21, "Running stage 'train':"))
        self.begun.set()
        self.first(folder)
        while self.endless:
            if cancelled():
                raise Cancelled("The training was cancelled.")
        leave(folder, *self.tags)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Takes the place of the real one, which takes seconds."""
    pipeline = Pipeline("red", "blue")
    monkeypatch.setattr(training, "run_pipeline", pipeline)
    return pipeline


@pytest.fixture
def garden(server: Server) -> Planted:
    """Five photos each of two tags."""
    garden = plant(server, "red", "blue")
    add_photos(server, garden, red=5, blue=5)
    return garden


def snapshot_of(server: Server, identity: str) -> Snapshot:
    with server.database.read() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == identity)).one()
        return read_snapshot(session, session.get_one(ProjectRow, row.project_key), row)


def test_a_training_sees_what_was_tagged_when_it_was_asked_for(server: Server) -> None:
    project = plant(server, "red", "blue", "Negative")
    kept = add_photo(server, project, b"kept", "red")
    gone = add_photo(server, project, b"gone", "blue")
    add_photo(server, project, b"untagged")
    both = add_photo(server, project, b"both", "red", "blue")
    boxed = add_photo(server, project, b"boxed", region="blue")
    first = order(server, project)
    with server.database.write() as session:
        row = session.scalars(select(ImageRow).where(ImageRow.sha256 == gone)).one()
        row.removed = 2
        for tagged in session.scalars(select(ImageTagRow).where(ImageTagRow.image_key == row.key)):
            tagged.removed = 2
        session.scalars(select(TagRow).where(TagRow.name == "red")).one().name = "crimson"
        session.scalars(select(JobRow)).one().state = "done"
    late = add_photo(server, project, b"late", "Negative")
    second = order(
        server, project, {"crimson": project.tags["red"]} | {k: project.tags[k] for k in ("blue", "Negative")}
    )
    seen = snapshot_of(server, first)
    assert {photo.sha256: photo.tags for photo in seen.photos} == {
        kept: ("red",), gone: ("blue",), both: ("blue", "red"), boxed: (),
    }  # fmt: skip
    assert seen.photos[-1].regions == (Region("blue", 0.1, 0.2, 0.3, 0.4),)
    assert (seen.project, seen.domain, seen.recipe) == ("garden-0", "general_compact", "quick")
    assert (seen.kind, seen.negative_tag, seen.budget_minutes) == ("multiclass", "Negative", None)
    later = {photo.sha256: photo.tags for photo in snapshot_of(server, second).photos}
    assert later == {kept: ("crimson",), both: ("blue", "crimson"), boxed: (), late: ("Negative",)}


def test_only_the_chosen_tags_are_seen(server: Server) -> None:
    project = plant(server, "red", "blue", "Negative")
    one = add_photo(server, project, b"one", "red", "blue", region="blue")
    add_photo(server, project, b"two", "blue")
    made = order(server, project, {"red": project.tags["red"]}, chosen_tags=[project.tags["red"]])
    seen = snapshot_of(server, made)
    assert [(photo.sha256, photo.tags, photo.regions) for photo in seen.photos] == [(one, ("red",), ())]
    assert seen.negative_tag is None


def test_names_are_spelled_as_models_spell_them(server: Server) -> None:
    project = plant(server, "Cafe\u0301")
    add_photo(server, project, b"one", "Cafe\u0301")
    assert snapshot_of(server, order(server, project)).photos[0].tags == ("Caf\u00e9",)


@pytest.mark.parametrize(("hours", "minutes"), [(2, 120.0), (0, None)])
def test_an_advanced_training_has_a_budget(server: Server, hours: int, minutes: float | None) -> None:
    made = order(server, plant(server, "a"), training_type="Advanced", budget_hours=hours)
    seen = snapshot_of(server, made)
    assert (seen.recipe, seen.budget_minutes) == ("advanced", minutes)


def test_a_domain_that_detects_is_refused(server: Server) -> None:
    detection = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
    made = order(server, plant(server, "a", domain=detection), classification=None)
    with pytest.raises(TrainingError, match="Choose one that classifies"):
        snapshot_of(server, made)


def test_a_training_leaves_its_files_and_its_iteration(
    server: Server, garden: Planted, pipeline: Pipeline, tmp_path: Path
) -> None:
    made = order(server, garden)
    with working(server, TRAINING):
        eventually(lambda: states(server) == ["done"])
    row = iteration(server, made)
    assert (row.status, row.error, row.files, row.run_id, row.minutes) == ("Completed", None, True, RUN, 1)
    assert row.trained is not None
    reports = [f"{name}.{kind}" for name in ("evaluation", "validation") for kind in ("json", "html")]
    for name in ("predictions.parquet", "bundle/model.safetensors", *reports):
        assert server.storage.exists(artifact_key(made, name))
    server.storage.fetch_folder(artifact_key(made, "servable"), tmp_path / "servable")
    served = load_card(tmp_path / "servable")
    assert (served.project_id, [(tag.name, tag.id) for tag in served.tags]) == (
        garden.id,
        [(name, garden.tags[name]) for name in ("red", "blue")],
    )
    server.storage.fetch_folder(iteration_prefix(made), tmp_path / "all")
    told = Record.model_validate_json((tmp_path / "all" / RECORD).read_bytes())
    assert (told.project.id, told.iteration.id, told.run_id) == (garden.id, made, RUN)
    images = read_images(tmp_path / "all" / IMAGES_TABLE)
    assert sorted(image.tags for image in images) == sorted(
        [(garden.tags[name],) for name in ("red", "blue")] * 5
    )
    folder = WorkerContext(server).workspace(garden.id)
    assert pipeline.folders == [folder]
    assert len(pipeline.photos[0]) == 10
    assert server.storage.exists(history_key(garden.id))
    caches = {"dvc", "environment", "graphs", "pipeline.log"}
    assert {path.name for path in (folder / ".dahlia").iterdir()} <= caches


def test_what_the_pipeline_says_can_be_read(server: Server, garden: Planted, pipeline: Pipeline) -> None:
    order(server, garden)
    pipeline.endless = True
    with working(server, TRAINING):
        eventually(lambda: jobs(server)[0].progress.get("stage") == "train")
        assert jobs(server)[0].progress == {"stage": "train", "fraction": 0.485, "seconds_left": 4.2}


def test_a_pipeline_that_fails_tells_why(server: Server, garden: Planted, pipeline: Pipeline) -> None:
    made = order(server, garden)

    def fail(folder: Path) -> None:
        raise PipelineError("Expected two tags, received one. Tag more photos.", output="a traceback")

    pipeline.first = fail
    with working(server, TRAINING):
        eventually(lambda: states(server) == ["failed"])
    row = iteration(server, made)
    assert (row.status, row.error) == ("Failed", "Expected two tags, received one. Tag more photos.")
    assert not server.storage.exists(artifact_key(made, "evaluation.json"))
    pipeline.first = lambda folder: None
    again = order(server, garden)
    with working(server, TRAINING):
        eventually(lambda: states(server) == ["failed", "done"])
    assert iteration(server, again).status == "Completed"


def test_a_training_is_cancelled(server: Server, garden: Planted, pipeline: Pipeline) -> None:
    made = order(server, garden)
    pipeline.endless = True
    with working(server, TRAINING):
        pipeline.begun.wait(10)
        with server.database.write() as session:
            cancel(session, session.scalars(select(JobRow)).one(), server.now())
        eventually(lambda: states(server) == ["cancelled"])
    assert (iteration(server, made).status, iteration(server, made).error) == ("Failed", "Cancelled")


def test_a_training_whose_iteration_is_deleted_ends(
    server: Server, garden: Planted, pipeline: Pipeline
) -> None:
    order(server, garden)
    pipeline.endless = True
    with working(server, TRAINING):
        pipeline.begun.wait(10)
        with server.database.write() as session:
            job = session.scalars(select(JobRow)).one()
            cancel(session, job, server.now())
            job.iteration_key = None
            session.flush()
            session.delete(session.scalars(select(IterationRow)).one())
        eventually(lambda: states(server) == ["cancelled"])


def test_a_photo_that_is_missing_is_named(server: Server, garden: Planted, pipeline: Pipeline) -> None:
    made = order(server, garden)
    entry = next(iter(server.storage.keys("images")))
    server.storage.delete(entry.key)
    with working(server, TRAINING):
        eventually(lambda: states(server) == ["failed"])
    assert Path(entry.key).stem in str(iteration(server, made).error)


def test_a_workspace_that_another_still_has_is_waited_for(
    server: Server, garden: Planted, pipeline: Pipeline
) -> None:
    order(server, garden)
    with working(server, TRAINING):
        with occupied(WorkerContext(server).workspace(garden.id)):
            eventually(lambda: jobs(server)[0].progress.get("stage") == "photos")
            assert not pipeline.begun.wait(0.3)
        eventually(lambda: states(server) == ["done"])


@pytest.mark.parametrize(("lane", "niceness"), [(Lane.SHORT, 0), (Lane.LONG, 10)])
def test_long_trainings_yield(
    server: Server, garden: Planted, pipeline: Pipeline, lane: Lane, niceness: int
) -> None:
    order(server, garden, lane=lane)
    with working(server, TRAINING):
        eventually(lambda: states(server) == ["done"])
    assert pipeline.niceness == niceness


@pytest.mark.parametrize("moment", ["before the files", "before the history", "before the end"])
def test_a_training_that_was_cut_off_ends_when_it_is_begun_again(
    server: Server, garden: Planted, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    made = order(server, garden)
    place = {
        "before the files": "personalise",
        "before the history": "keep_history",
        "before the end": "_complete",
    }
    real, cuts = getattr(training, place[moment]), [True]

    def cut(*given: Any, **named: Any) -> Any:
        if cuts.pop() if cuts else False:
            stopped.set()
            raise Cancelled("The worker was cut off.")
        return real(*given, **named)

    monkeypatch.setattr(training, place[moment], cut)
    stopped = threading.Event()
    with working(server, {JobKind.TRAIN: lambda context, task: _cut_off(context, task, stopped)}):
        eventually(lambda: states(server) == ["done"])
    row = iteration(server, made)
    assert (row.status, row.files, jobs(server)[0].attempts) == ("Completed", True, 2)
    assert head(WorkerContext(server).workspace(garden.id)) is not None


def _cut_off(context: WorkerContext, task: Any, stopped: threading.Event) -> None:
    # As if it had been killed: nobody gives the job back, another takes it over.
    try:
        train(context, task)
    except Cancelled:
        with context.server.database.write() as session:
            job = session.scalars(select(JobRow)).one()
            job.state, job.worker = "waiting", None
        raise


def test_another_machine_goes_on_with_the_history(
    server: Server, garden: Planted, pipeline: Pipeline, tmp_path: Path, database_url: str
) -> None:
    other = opened(tmp_path, database_url, "elsewhere")
    folders = [WorkerContext(one).workspace(garden.id) for one in (server, other)]
    for number, place in enumerate([server, other, server]):
        add_photos(server, garden, first=5 * (number + 1), red=1)
        order(server, garden)
        with working(place, TRAINING):
            eventually(lambda count=number + 1: states(server) == ["done"] * count)
    log = ["git", "-C", str(folders[0]), "log", "--format=%s"]
    assert subprocess.check_output(log, text=True).split("\n")[:3] == [
        "Iteration 3",
        "Iteration 2",
        "Iteration 1",
    ]
    assert pipeline.folders == [folders[0], folders[1], folders[0]]
    other.database.close()


def test_a_training_starts_from_another_iteration(
    server: Server, garden: Planted, pipeline: Pipeline, tmp_path: Path
) -> None:
    first = order(server, garden)
    with working(server, TRAINING):
        eventually(lambda: states(server) == ["done"])
        weights = {
            "backbone.network.stem.weight": np.ones(3, np.float32),
            "head.bias": np.zeros(2, np.float32),
        }
        save_file(weights, tmp_path / "model.safetensors")
        server.storage.put_file(
            artifact_key(first, "bundle/model.safetensors"), tmp_path / "model.safetensors"
        )
        order(server, garden, base_project_id=garden.id, base_iteration_id=first)
        eventually(lambda: states(server) == ["done"] * 2)
        folder = WorkerContext(server).workspace(garden.id)
        named = Path(load_params(folder / layout.PARAMS).domain.backbone.weights)
        assert list(load_file(folder / named)) == ["stem.weight"]
        order(server, garden)
        eventually(lambda: states(server) == ["done"] * 3)
        assert load_params(folder / layout.PARAMS).domain.backbone.weights == "bundled"


def test_a_model_with_another_network_is_no_start(
    server: Server, garden: Planted, pipeline: Pipeline, tmp_path: Path
) -> None:
    whole = card("red", "blue")
    backbone = whole.backbone.model_copy(update={"architecture": "resnet18"})
    save_card(tmp_path / "bundle", whole.model_copy(update={"backbone": backbone}))
    save_file({"backbone.network.a": np.ones(1)}, tmp_path / "bundle" / "model.safetensors")
    first = order(server, garden)
    with working(server, TRAINING):
        eventually(lambda: states(server) == ["done"])
        server.storage.put_folder(artifact_key(first, "bundle"), tmp_path / "bundle")
        second = order(server, garden, base_project_id=garden.id, base_iteration_id=first)
        eventually(lambda: states(server) == ["done", "failed"])
    assert "resnet18" in str(iteration(server, second).error)


@pytest.mark.slow
def test_a_real_training_and_another_after_more_photos(server: Server, tmp_path: Path) -> None:
    garden = plant(server, "red", "blue")
    add_photos(server, garden, red=6, blue=6)
    made = [order(server, garden)]
    with working(server, TRAINING):
        eventually(lambda: states(server) == ["done"], 120)
        add_photos(server, garden, first=6, red=2)
        made.append(order(server, garden))
        eventually(lambda: states(server) == ["done"] * 2, 120)
    rows = [iteration(server, one) for one in made]
    assert [row.status for row in rows] == ["Completed"] * 2
    assert rows[0].run_id != rows[1].run_id
    for number, row in enumerate(rows):
        server.storage.fetch_folder(artifact_key(row.id, "servable"), tmp_path / str(number))
        served = load_card(tmp_path / str(number))
        assert {tag.name: tag.id for tag in served.tags} == garden.tags
        assert served.training.images == 12 + 2 * number
    out = tmp_path / "out"
    assert check_out(server, garden.id, out) == CheckedOut("garden", rows[1].name, 14)
    trained = WorkerContext(server).workspace(garden.id)
    for name in ("reports/metrics.json", "params.yaml", "data/folds.csv"):
        assert (out / name).read_bytes() == (trained / name).read_bytes()
    assert len(list((out / "data" / "images").iterdir())) == 14
    assert [line.split()[-1] for line in git(out, "log", "--format=%s").splitlines()] == ["2", "1"]
    assert git(out, "status", "--porcelain") == ""
    lost = opened(tmp_path, f"sqlite:///{tmp_path / 'new.db'}", "new home", paired=False)
    (found,) = rescue(lost, lambda done: None, lambda keys: None).projects
    assert (found.id, found.iterations, found.images, found.tagged) == (garden.id, 2, 14, 14)
    assert check_out(lost, garden.id, tmp_path / "again") == CheckedOut("garden", rows[1].name, 14)
    for name in ("params.yaml", "data/folds.csv", "data/annotations.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()
    lost.database.close()


@pytest.mark.slow
@pytest.mark.alone
def test_what_a_killed_worker_left_of_a_real_training_another_finishes(server: Server) -> None:
    garden = plant(server, "red", "blue")
    add_photos(server, garden, red=6, blue=6)
    made = order(server, garden)
    first = start_worker(server)
    try:
        eventually(lambda: jobs(server)[0].progress.get("stage") in ("split", "train"), 120)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait(10)
    second = start_worker(server)
    try:
        eventually(lambda: states(server) == ["done"], 120)
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0
    assert iteration(server, made).status == "Completed"
    assert jobs(server)[0].attempts == 2


def start_worker(server: Server) -> subprocess.Popen[bytes]:
    """`dahlia worker` for a server."""
    settings = server.settings
    places = {
        "DAHLIA_SERVER_HOME": str(settings.server.home),
        "DAHLIA_DATABASE_URL": settings.database_url.reveal(),
        "DAHLIA_STORAGE_URL": settings.storage_url.reveal(),
        "DAHLIA_TRACKING_URI": settings.tracking_uri.reveal(),
    }
    command = [sys.executable, "-m", "dahlia", "worker"]
    return subprocess.Popen(command, env=os.environ | places | QUICK, start_new_session=True)
