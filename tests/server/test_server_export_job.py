from __future__ import annotations

import hashlib
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from job_cases import (
    Planted,
    add_photo,
    card,
    eventually,
    exported,
    iteration,
    jobs,
    order,
    order_export,
    plant,
    states,
    working,
)
from sqlalchemy import delete, select

from dahlia import imports, layout
from dahlia.boxes import no_boxes
from dahlia.dataset.manifest import load_manifest
from dahlia.dataset.records import Region
from dahlia.errors import ExportError
from dahlia.export.formats import FORMATS, by_name, flavors_of, form_of
from dahlia.modeling.card import load_card, save_card
from dahlia.modeling.detection.reference import BoxReference, save_box_reference
from dahlia.modeling.reference import ClassReference, load_reference, save_reference
from dahlia.server.context import Server, open_server
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow
from dahlia.server.jobs import export_job
from dahlia.server.jobs.export_job import PROOF, export, lay_out_photos
from dahlia.server.jobs.export_process import REASON, ZIP, ExportRequest
from dahlia.server.jobs.job import JobKind
from dahlia.server.jobs.queue import cancel
from dahlia.server.jobs.task import Task
from dahlia.server.jobs.training_data import SizedPhoto, artifact_key
from dahlia.server.jobs.worker_context import WorkerContext
from dahlia.server.storage.names import image_key
from dahlia.server.workspaces.snapshot import Photo
from dahlia.settings.server import load_settings
from dahlia.stages import train
from small_detectors import make_card
from small_projects import COLOURS, SmallProject, make_params, photo

EXPORTING = {JobKind.EXPORT: export}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server whose workers are quick to notice."""
    values = {"DAHLIA_SERVER_HOME": str(tmp_path / "home"), "DAHLIA_JOBS_WARM": "false"}
    server = open_server(load_settings(None, values | {"DAHLIA_JOBS_POLL_SECONDS": "0.02"}))
    yield server
    server.database.close()


PHOTOS = {tag: [photo(COLOURS[tag], number) for number in range(6)] for tag in ("red", "blue")}
IDS = {hashlib.sha256(data).hexdigest(): (tag,) for tag, photos in PHOTOS.items() for data in photos}


@pytest.fixture
def garden(server: Server) -> Planted:
    """Six photos each of two tags."""
    garden = plant(server, "red", "blue")
    for tag, photos in PHOTOS.items():
        for data in photos:
            add_photo(server, garden, data, tag)
    return garden


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """What could be a trained model, but for its weights."""
    folder = tmp_path / "bundle"
    save_card(folder, card("blue", "red"))
    save_reference(folder, ClassReference(tuple(IDS), np.full((12, 2), 0.5, np.float32)))
    return folder


@pytest.fixture
def made(server: Server, garden: Planted, bundle: Path) -> str:
    """The iteration that it is of."""
    identity = order(server, garden)
    server.storage.put_folder(artifact_key(identity, "bundle"), bundle)
    with server.database.write() as session:
        session.scalars(select(JobRow)).one().state = "done"
        row = session.scalars(select(IterationRow)).one()
        row.status, row.files = "Completed", True
    return identity


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """The bundle of a tiny network that was trained on these photos."""
    project = SmallProject(tmp_path_factory.mktemp("trained"), make_params(tiny_weights))
    project.plant(red=6, blue=6)
    for record, data in zip(project.records, PHOTOS["red"] + PHOTOS["blue"], strict=True):
        (project.root / record.path).write_bytes(data)
    project.records = [
        replace(record, id=hashlib.sha256((project.root / record.path).read_bytes()).hexdigest())
        for record in project.records
    ]
    project.folds = {record.id: number % 5 for number, record in enumerate(project.records)}
    project.plant()
    train.run(project.params, project.root)
    return project.root / layout.BUNDLE


@pytest.mark.parametrize(
    ("platform", "flavor", "name"),
    [
        ("TensorFlow", None, "tensorflow"),
        ("TensorFlow", "TensorFlowNormal", "tensorflow"),
        ("TensorFlow", "TensorFlowLite", "litert"),
        ("TensorFlow", "TensorFlowLiteFloat16", "litert-float16"),
        ("TensorFlow", "TensorFlowSavedModel", "tensorflow-saved-model"),
        ("TensorFlow", "TensorFlowJs", "tfjs"),
        ("ONNX", None, "onnx"),
        ("ONNX", "ONNX10", "onnx"),
        ("ONNX", "ONNX12", "onnx"),
        ("ONNX", "OnnxFloat16", "onnx-float16"),
        ("CoreML", None, "coreml-mlmodel"),
        ("CoreML", "CoreMLFloat16", "coreml-mlmodel-float16"),
        ("DockerFile", None, "docker"),
        ("DockerFile", "Linux", "docker"),
        ("DockerFile", "ARM", "docker-arm"),
        ("OpenVino", None, "openvino"),
        ("OpenVino", "NoPostProcess", "openvino-raw"),
        ("DockerFile", "Windows", None),
        ("VAIDK", None, None),
        ("ONNX", "TensorFlowLite", None),
        ("onnx", None, None),
    ],
)
def test_platforms_and_flavors(platform: str, flavor: str | None, name: str | None) -> None:
    form = form_of(platform, flavor)
    assert (form.name if form else None) == name
    if form:
        assert form.api_flavour == (flavor or by_name(form.name).api_flavour)
        assert flavor in flavors_of(platform)


def test_every_format_can_be_asked_for() -> None:
    assert {form_of(form.platform, form.api_flavour) for form in FORMATS} == set(FORMATS)
    assert flavors_of("VAIDK") == ()


def fake(context: WorkerContext, task: Task, folder: Path) -> None:
    """Stands for the process that writes the zip."""
    asked = ExportRequest.load(folder)
    (folder / ZIP).write_text(f"{asked.platform} {asked.flavor} {asked.iteration}")
    (folder / ZIP).with_suffix(PROOF).write_text("proven")


def test_an_export_leaves_a_zip_and_its_proof(
    server: Server, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_job, "_run", fake)
    one, two = order_export(server, made, "ONNX", "ONNX10"), order_export(server, made, "TensorFlow")
    with working(server, EXPORTING):
        eventually(lambda: states(server) == ["done"] * 3)
    rows = [exported(server, one), exported(server, two)]
    assert [(row.status, row.error) for row in rows] == [("Done", None)] * 2
    assert [row.file_key for row in rows] == [
        f"exports/{made}/{made}.ONNX.ONNX10.zip",
        f"exports/{made}/{made}.TensorFlow.zip",
    ]
    for row, said in zip(rows, ("ONNX ONNX10", "TensorFlow None"), strict=True):
        key = str(row.file_key)
        assert server.storage.get(key).decode() == f"{said} {made}"
        assert server.storage.get(key.removesuffix(".zip") + PROOF) == b"proven"
    assert list(WorkerContext(server).scratch("any").parent.iterdir()) == []


def test_the_bench_has_the_model_with_the_servers_ids_and_its_photos(
    server: Server, garden: Planted, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, object] = {}

    def look(context: WorkerContext, task: Task, folder: Path) -> None:
        card = load_card(folder / layout.BUNDLE)
        seen["ids"] = (card.project_id, {tag.name: tag.id for tag in card.tags})
        records = load_manifest(folder / layout.MANIFEST)
        seen["photos"] = {record.id: record.tags for record in records}
        seen["there"] = all((folder / record.path).exists() for record in records)
        fake(context, task, folder)

    monkeypatch.setattr(export_job, "_run", look)
    order_export(server, made, "ONNX")
    with working(server, EXPORTING):
        eventually(lambda: states(server) == ["done"] * 2)
    assert seen == {"ids": (garden.id, garden.tags), "photos": IDS, "there": True}


@pytest.mark.parametrize(
    ("platform", "reason"),
    [("VAIDK", "not offered here"), ("ONNX", "Train again"), ("CoreML", "pip install 'dahlia[coreml]'")],
)
def test_what_cannot_be_exported_tells_why(
    server: Server, made: str, monkeypatch: pytest.MonkeyPatch, platform: str, reason: str
) -> None:
    def fail(context: WorkerContext, task: Task, folder: Path) -> None:
        raise ExportError("It computes something else. Train again.")

    monkeypatch.setitem(imports.EXTRAS, "coreml", ("absent",))
    monkeypatch.setattr(export_job, "_run", fail)
    row = order_export(server, made, platform)
    with working(server, EXPORTING):
        eventually(lambda: states(server) == ["done", "failed"])
    assert exported(server, row).status == "Failed"
    assert reason in str(exported(server, row).error)
    assert iteration(server, made).status == "Completed"


def test_an_export_is_cancelled(server: Server, made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def endless(context: WorkerContext, task: Task, folder: Path) -> None:
        begun.set()
        while True:
            task.check()

    monkeypatch.setattr(export_job, "_run", endless)
    row = order_export(server, made, "ONNX")
    with working(server, EXPORTING):
        begun.wait(10)
        with server.database.write() as session:
            cancel(
                session, session.scalars(select(JobRow).where(JobRow.kind == "export")).one(), server.now()
            )
        eventually(lambda: states(server) == ["done", "cancelled"])
    assert (exported(server, row).status, exported(server, row).error) == ("Failed", "Cancelled")


def test_an_export_whose_row_is_deleted_ends(
    server: Server, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted(context: WorkerContext, task: Task, folder: Path) -> None:
        with server.database.write() as session:
            session.execute(delete(ExportRow))
        fake(context, task, folder)

    monkeypatch.setattr(export_job, "_run", deleted)
    order_export(server, made, "ONNX")
    with working(server, EXPORTING):
        eventually(lambda: states(server) == ["done", "cancelled"])


def test_ranges_are_learned_from_photos_of_every_tag(
    server: Server, garden: Planted, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dahlia.export.verify.CALIBRATION_PHOTOS", 2)
    save_reference(bundle, ClassReference((), np.zeros((0, 2), np.float32)))
    photos = [SizedPhoto(Photo(sha256, ".jpg", tags), 64, 48) for sha256, tags in IDS.items()]
    lay_out_photos(server.storage, photos, bundle, tmp_path, calibrates=True)
    records = load_manifest(tmp_path / layout.MANIFEST)
    assert sorted(record.tags for record in records) == [("blue",), ("red",)]


def test_a_detectors_photos_have_their_regions(server: Server, tmp_path: Path) -> None:
    """A lossy export is judged by what people drew."""
    box = Region("bee", 0.1, 0.2, 0.3, 0.4)
    contents = [photo(COLOURS["red"], 100 + number) for number in range(3)]
    names = [hashlib.sha256(data).hexdigest() for data in contents]
    for name, data in zip(names, contents, strict=True):
        server.storage.put(image_key(name, ".jpg"), data)
    asked, empty, other = (Photo(name, ".jpg", (), (box,)) for name in names)
    empty = replace(empty, regions=(), empty=True)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    save_card(bundle, make_card("grid"))
    answers = (no_boxes(),) * 2
    save_box_reference(bundle, BoxReference((asked.sha256, empty.sha256), answers, answers))
    photos = [SizedPhoto(one, 64, 48) for one in (asked, empty, other)]
    lay_out_photos(server.storage, photos, bundle, tmp_path, calibrates=False)
    records = {one.id: one for one in load_manifest(tmp_path / layout.MANIFEST)}
    assert {name: (one.tags, one.regions) for name, one in records.items()} == {
        asked.sha256: (("bee",), (box,)),
        empty.sha256: ((), ()),
    }
    assert all((tmp_path / one.path).is_file() for one in records.values())


@pytest.mark.parametrize(
    ("code", "told", "reason"),
    [
        (1, "Expected one thing. Do another.", "Expected one thing"),
        (-9, None, "memory"),
        (137, None, "memory"),
        (1, None, "failed unexpectedly (ValueError: no)"),
    ],
)
def test_why_a_process_failed(tmp_path: Path, code: int, told: str | None, reason: str) -> None:
    (tmp_path / "log.txt").write_text("Traceback\nValueError: no\n")
    if told:
        (tmp_path / REASON).write_text(told)
    assert reason in export_job._reason(tmp_path, code)


@pytest.mark.slow
@pytest.mark.usefixtures("forked_stages")
def test_a_real_export_carries_the_servers_ids(
    server: Server, garden: Planted, made: str, trained: Path, tmp_path: Path
) -> None:
    server.storage.put_folder(artifact_key(made, "bundle"), trained)
    row = order_export(server, made, "ONNX", "ONNX12")
    with working(server, EXPORTING):
        eventually(lambda: states(server) == ["done", "done"], 60)
    key = str(exported(server, row).file_key)
    proof = json.loads(server.storage.get(key.removesuffix(".zip") + PROOF))
    assert (proof["format"], proof["images"], proof["top_tag_agreement"]) == ("onnx", 12, 1.0)
    server.storage.fetch(key, tmp_path / "zip", link=False)
    with zipfile.ZipFile(tmp_path / "zip") as packed:
        manifest = json.loads(packed.read("cvexport.manifest"))
        model = json.loads(packed.read("model.json"))
        assert packed.read("labels.txt") == b"blue\nred"
        assert "verification.json" in packed.namelist()
    assert (manifest["IterationId"], manifest["Platform"], manifest["Flavor"]) == (made, "ONNX", "ONNX12")
    ids = {tag["name"]: tag["id"] for tag in model["tags"]}
    assert (model["project_id"], ids) == (garden.id, garden.tags)


@pytest.mark.slow
@pytest.mark.usefixtures("forked_stages")
def test_a_real_export_that_computes_something_else_fails(server: Server, made: str, trained: Path) -> None:
    true = load_reference(trained)
    wrong = Path(shutil.copytree(trained, server.settings.server.home / "wrong"))
    save_reference(wrong, ClassReference(true.ids, np.flip(true.probabilities, axis=1)))
    server.storage.put_folder(artifact_key(made, "bundle"), wrong)
    row = order_export(server, made, "ONNX")
    with working(server, EXPORTING):
        eventually(lambda: states(server) == ["done", "failed"], 60)
    said = str(exported(server, row).error)
    assert "differ" in said
    assert str(server.settings.server.home) not in said
    assert jobs(server)[1].attempts == 1
