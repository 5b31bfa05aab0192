from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from workspace_projects import NAME, PhotoSet, small_photo_set, tree

from child_processes import python_path
from dahlia import layout
from dahlia.composition import compose
from dahlia.config import load_params, read_yaml
from dahlia.dataset.exclusion import load_excluded
from dahlia.dataset.manifest import load_manifest
from dahlia.dataset.readers import read
from dahlia.dataset.records import Region
from dahlia.errors import ConfigError, DahliaError, DatasetError
from dahlia.files import sha256_of, staged_file
from dahlia.project import create_project
from dahlia.server.workspaces.laying import lay_out
from dahlia.server.workspaces.snapshot import Photo
from dahlia.server.workspaces.workspace import PipelineError
from dahlia.stages import ingest, validate


@pytest.fixture
def photo_set(tmp_path: Path) -> PhotoSet:
    return small_photo_set(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "workspaces" / NAME


def test_the_files_are_those_of_init(photo_set: PhotoSet, folder: Path, tmp_path: Path) -> None:
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    create_project(tmp_path / NAME)
    made, shipped = tree(folder), tree(tmp_path / NAME)
    assert made.keys() - shipped.keys() == {
        "data/annotations.csv",
        *(f"data/images/{photo.name}" for photo in photo_set.photos),
    }
    assert shipped.keys() <= made.keys()
    named = {"conf/config.yaml", "params.yaml"}  # with the folder's name, by `dahlia init`
    assert {name for name in shipped if made[name] != shipped[name]} == {".gitignore", *named}


def test_params_say_what_the_server_set(photo_set: PhotoSet, folder: Path) -> None:
    snapshot = photo_set.snapshot(
        kind="multilabel",
        negative_tag='none ${of} these #1: \\${y} "q"',
        domain="food",
        recipe="advanced",
        budget_minutes=7,
    )
    lay_out(folder, snapshot, photo_set.fetch)
    params = load_params(folder / "params.yaml")
    assert params.project.name == NAME
    assert params.project.classification == "multilabel"
    assert params.project.negative_tag == snapshot.negative_tag
    assert (params.domain.name, params.training.recipe) == ("Food", "advanced")
    assert params.training.fine_tuning is not None
    assert params.training.fine_tuning.budget_minutes == 7.0
    assert (params.ingest.format, params.ingest.source) == ("csv", "data/annotations.csv")
    assert (params.validate_.on_error, params.export.formats) == ("skip", ["onnx"])
    assert read_yaml(folder / "params.yaml") == compose(folder)  # `dahlia params --check`
    other = compose(folder, ["training=quick", "domain=retail"])  # as `dvc exp run -S` does
    assert (other["training"]["fine_tuning"], other["domain"]["name"]) == (None, "Retail")
    assert other["project"] == compose(folder)["project"]


def test_settings_change_back(photo_set: PhotoSet, folder: Path) -> None:
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    before = tree(folder)
    lay_out(
        folder, photo_set.snapshot(recipe="advanced", negative_tag="rose", domain="retail"), photo_set.fetch
    )
    assert load_params(folder / "params.yaml").project.negative_tag == "rose"
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    assert tree(folder) == before
    assert load_params(folder / "params.yaml").project.negative_tag is None


@pytest.mark.parametrize(("use", "negatives"), [(True, "builtin"), (False, "none")])
def test_params_name_the_negatives(photo_set: PhotoSet, folder: Path, use: bool, negatives: str) -> None:
    lay_out(folder, photo_set.snapshot(use_negative_set=use), photo_set.fetch)
    assert load_params(folder / "params.yaml").project.negatives == negatives
    assert compose(folder, ["domain=retail"])["project"]["negatives"] == negatives


@pytest.mark.parametrize("name", ["null", "~", "yes", "1e3", "Negative", "- x", "'", "a: b", "{a}"])
def test_negative_tags_are_text(photo_set: PhotoSet, folder: Path, name: str) -> None:
    lay_out(folder, photo_set.snapshot(negative_tag=name), photo_set.fetch)
    assert load_params(folder / "params.yaml").project.negative_tag == name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"domain": "fod"}, "domain/fod"),
        ({"domain": "adult"}, "withdrew"),
        ({"project": "no/name"}, "project.name"),
        ({"recipe": "advanced", "budget_minutes": 0}, "budget_minutes"),
    ],
)
def test_settings_that_cannot_be(
    photo_set: PhotoSet, folder: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        lay_out(folder, photo_set.snapshot(**changes), photo_set.fetch)
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    assert load_params(folder / "params.yaml").domain.name == "General (compact)"


def test_the_table_is_read_as_it_was_meant(photo_set: PhotoSet, folder: Path) -> None:
    photo_set.add(1)  # no tag
    photo_set.add(1, 'a, "b"; c', "é")
    boxed = replace(photo_set.photos[0], tags=(), regions=(Region("leaf", 0.1, 0.2, 1 / 3, 0.4),))
    photo_set.photos[0] = boxed
    lay_out(folder, photo_set.snapshot(kind="multilabel"), photo_set.fetch)
    found = {row.path.name: row for row in read(folder / "data/annotations.csv", "csv").annotations}
    assert found.keys() == {photo.name for photo in photo_set.photos if photo.tags or photo.regions}
    assert found[boxed.name].regions == boxed.regions
    assert found[boxed.name].tags == ("leaf",)
    assert not any(row.group for row in found.values())
    assert found[photo_set.photos[-1].name].tags == ('a, "b"; c', "é")
    assert all(sha256_of(row.path) == row.path.stem for row in found.values())


def test_a_detector_learns_from_what_is_annotated_alone(folder: Path, tmp_path: Path) -> None:
    photo_set = PhotoSet(tmp_path / "store")
    photo_set.add(8, "rose", real=True)
    box = Region("rose", 0.1, 0.2, 1 / 3, 0.4)
    *boxed, partly, tagged, empty = (replace(one, regions=(box,)) for one in photo_set.photos)
    photo_set.photos = [
        *boxed,
        replace(partly, tags=("rose", "tulip")),
        replace(tagged, regions=()),
        replace(empty, tags=(), regions=(), empty=True),
    ]
    lay_out(folder, photo_set.snapshot(kind="detection", domain="detection_general_compact"), photo_set.fetch)
    params = load_params(folder / "params.yaml")
    assert (params.kind, params.domain.name) == ("detection", "General (compact)")
    ingest.run(params, folder)
    validate.run(params, folder)
    records = {record.id: record for record in load_manifest(folder / layout.MANIFEST)}
    assert [records[one.sha256].regions for one in boxed] == [(box,)] * 5
    assert records[empty.sha256].tags == records[empty.sha256].regions == ()
    excluded = load_excluded(folder / layout.EXCLUDED)
    assert {records[one.id].path.rpartition("/")[2] for one in excluded} == {partly.name, tagged.name}


def test_groups_are_in_the_table(photo_set: PhotoSet, folder: Path) -> None:
    first, *rest = photo_set.photos
    photo_set.photos = [replace(first, group='plot "1", left'), *rest]
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    found = read(folder / "data/annotations.csv", "csv").annotations
    assert {row.path.name: row.group for row in found if row.group} == {first.name: 'plot "1", left'}


def test_only_what_differs_is_touched(photo_set: PhotoSet, folder: Path) -> None:
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*") if path.suffix != ".csv"}
    photo_set.fetched.clear()
    gone, *kept = photo_set.photos
    photo_set.photos = kept
    photo_set.add(2, "tulip")
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    assert sorted(photo_set.fetched) == sorted(photo.sha256 for photo in photo_set.photos[-2:])
    assert not (folder / "data/images" / gone.name).exists()
    assert {path.name for path in (folder / "data/images").iterdir()} == {p.name for p in photo_set.photos}
    touched = {path for path, time in times.items() if path.exists() and path.stat().st_mtime_ns != time}
    assert {path.name for path in touched if path.is_file()} == set()


def test_another_version_of_dahlia(photo_set: PhotoSet, folder: Path) -> None:
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    before = tree(folder)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / "conf/domain/ancient.yaml").write_text("id: x\n")
    (folder / "conf/split/default.yaml").unlink()
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    assert tree(folder) == before


def test_a_fetch_that_fails(photo_set: PhotoSet, folder: Path) -> None:
    def fetch(photo: Photo, path: Path) -> None:
        path.write_bytes(b"half of")
        if photo == photo_set.photos[3]:
            raise ConnectionResetError(104, "Connection reset by peer")
        path.unlink()
        photo_set.fetch(photo, path)

    with pytest.raises(PipelineError, match="Connection reset by peer"):
        lay_out(folder, photo_set.snapshot(), fetch)
    assert all(sha256_of(path) == path.stem for path in (folder / "data/images").iterdir())
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    assert len(list((folder / "data/images").iterdir())) == len(photo_set.photos)
    assert not (folder / ".dahlia/arriving").exists()


def test_what_fetch_raises_passes(photo_set: PhotoSet, folder: Path) -> None:
    def fetch(photo: Photo, path: Path) -> None:
        raise DahliaError("The storage is being moved.")

    with pytest.raises(DahliaError, match="being moved"):
        lay_out(folder, photo_set.snapshot(), fetch)


@pytest.mark.parametrize(
    ("sha256", "suffix"), [("../../etc", ".jpg"), ("A" * 64, ".jpg"), ("a" * 64, ".sh"), ("a" * 64, "")]
)
def test_names_that_cannot_be_files(photo_set: PhotoSet, folder: Path, sha256: str, suffix: str) -> None:
    with pytest.raises(DatasetError, match="64 hexadecimal digits"):
        lay_out(folder, photo_set.snapshot(photos=(Photo(sha256, suffix, ("rose",)),)), photo_set.fetch)


def test_graphs_are_shared(photo_set: PhotoSet, folder: Path, tmp_path: Path) -> None:
    (folder / ".dahlia/graphs").mkdir(parents=True)
    for shared in (tmp_path / "one", tmp_path / "two", tmp_path / "two"):
        lay_out(folder, photo_set.snapshot(), photo_set.fetch, graphs=shared)
        (folder / ".dahlia/graphs/graph").write_text("x")
        assert (shared / "graph").exists()


_LAY_OUT = """
import sys
from pathlib import Path
from workspace_projects import small_photo_set
from dahlia.server.workspaces.laying import lay_out
photo_set = small_photo_set(Path(sys.argv[1]))
print("ready", flush=True)
lay_out(Path(sys.argv[2]), photo_set.snapshot(negative_tag="rose"), photo_set.fetch)
"""


@pytest.mark.parametrize("name", [".dvc/config", "dvc.yaml", "conf/config.yaml", ".gitignore", "params.yaml"])
def test_what_a_killed_process_left_beside_a_file_goes(photo_set: PhotoSet, folder: Path, name: str) -> None:
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    before = tree(folder)
    with suppress(KeyboardInterrupt), staged_file(folder / name) as staged:
        staged.write_text("half")
        staged.rename(staged.with_name(f"{staged.stem}x"))  # where the end of the block does not find it
        (left,) = (folder / name).parent.glob("*x")
        raise KeyboardInterrupt
    left.rename(staged)
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    assert tree(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(photo_set: PhotoSet, folder: Path, tmp_path: Path, seed: int) -> None:
    random.seed(seed)
    environment = os.environ | {"PYTHONPATH": python_path(Path(__file__).parent)}
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _LAY_OUT, str(photo_set.store), str(folder)],
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    lay_out(tmp_path / "other" / NAME, photo_set.snapshot(), photo_set.fetch)
    assert tree(folder) == tree(tmp_path / "other" / NAME)
