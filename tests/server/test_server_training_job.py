from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_cases import (
    Planted,
    add_photos,
    card,
    eventually,
    iteration,
    jobs,
    opened,
    order,
    plant,
    states,
    working,
)
from safetensors.numpy import load_file, save_file
from sqlalchemy import select

from dahlia import layout
from dahlia.config import load_params
from dahlia.files import write_json
from dahlia.modeling.card import (
    load_card,
    save_card,
)
from dahlia.server.context import Server
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs import training_job
from dahlia.server.jobs.job import JobKind, Lane
from dahlia.server.jobs.queue import cancel
from dahlia.server.jobs.training_data import artifact_key
from dahlia.server.jobs.training_job import train
from dahlia.server.jobs.worker_context import WorkerContext
from dahlia.server.rescue.records import IMAGES_TABLE, RECORD, Record, read_images
from dahlia.server.storage.names import history_key, iteration_prefix
from dahlia.server.workspaces.progress import Progress
from dahlia.server.workspaces.workspace import Cancelled, PipelineError, head, occupied
from dahlia.tracking.store import SERVABLE

TRAINING = {JobKind.TRAIN: train}


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
    monkeypatch.setattr(training_job, "run_pipeline", pipeline)
    return pipeline


@pytest.fixture
def garden(server: Server) -> Planted:
    """Five photos each of two tags."""
    garden = plant(server, "red", "blue")
    add_photos(server, garden, red=5, blue=5)
    return garden


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
    real, cuts = getattr(training_job, place[moment]), [True]

    def cut(*given: Any, **named: Any) -> Any:
        if cuts.pop() if cuts else False:
            stopped.set()
            raise Cancelled("The worker was cut off.")
        return real(*given, **named)

    monkeypatch.setattr(training_job, place[moment], cut)
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
        assert load_params(folder / layout.PARAMS).domain.backbone.weights == "package"


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
