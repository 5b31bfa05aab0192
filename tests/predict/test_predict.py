"""`dahlia predict` on a small published project, and on exported models."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from fake_project import parameters, write_model
from PIL import Image

from dahlia import cli
from dahlia.export.onnx.graph import add_class_outputs
from dahlia.predict import bundles
from dahlia.tracking.registry import Registry

Run = Callable[..., tuple[int, str, str]]

GREY = (128, 128, 128)


class FakeRegistry:
    """Iteration 1 says red of grey photos, iteration 2 green; a test says what is published."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: dict[str, int] = {}

    def published_versions(self) -> dict[str, int]:
        return self.names

    def iterations(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(number=number, id=f"id-{number}") for number in (1, 2)]

    def get(self, number: int) -> SimpleNamespace:
        return self.iterations()[number - 1]

    def servable(self, iteration: SimpleNamespace) -> Path:
        return self.root / str(iteration.number)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    """A project folder with two iterations, and the process in it."""
    registry = FakeRegistry(tmp_path / "project")
    for number in (1, 2):
        write_model(registry.root / str(number), favourite=number - 1)
    (registry.root / "params.yaml").write_text(yaml.safe_dump(parameters()))
    monkeypatch.setattr(Registry, "of", lambda *_: registry)
    monkeypatch.chdir(registry.root)
    return registry


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos, one of them deep, one cut off, and what is no photo."""
    folder = tmp_path / "photos"
    (folder / "deep" / "deeper").mkdir(parents=True)
    for name in ("deep/deeper/b.png", "a.jpg", "cut.jpg"):
        Image.new("RGB", (64, 48), GREY).save(folder / name)
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:200])
    (folder / "notes.txt").write_text("none")
    return folder


@pytest.fixture
def run(project: FakeRegistry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call `dahlia predict` in the project folder: exit status, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dahlia", "predict", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def test_a_folder_as_a_table(run: Run, photos: Path) -> None:
    code, out, err = run(photos)
    assert code == 1
    assert out.splitlines()[0].strip() == "iteration 2"
    assert out.count("green") == 2
    assert "blue" in out
    assert f"{photos / 'cut.jpg'}: " in err
    assert "1 of 3 photos have no answer" in err


def test_a_line_of_json_for_each_photo(run: Run, photos: Path) -> None:
    code, out, _ = run("--json", photos / "a.jpg", photos / "absent.jpg", photos / "notes.txt", photos)
    first, absent, text, *rest = map(json.loads, out.splitlines())
    assert code == 1
    assert (first["photo"], first["model"]) == (str(photos / "a.jpg"), "iteration 2")
    assert first["predictions"][0]["tagName"] == "green"
    assert sum(one["probability"] for one in first["predictions"]) == pytest.approx(1)
    assert "No such file" in absent["error"]
    assert "Expected a JPEG" in text["error"]
    assert [Path(one["photo"]).name for one in rest] == ["a.jpg", "cut.jpg", "b.png"]
    assert "error" in rest[1]


def test_a_photo_of_something_else(run: Run, photos: Path, project: FakeRegistry) -> None:
    write_model(project.root / "2", favourite=1, gate=0.01)
    _, out, _ = run(photos / "a.jpg")
    assert "none of these" in out
    assert "99.0%" in out
    assert "green 0.6%" in out
    _, out, _ = run("--json", photos / "a.jpg")
    said = json.loads(out)
    assert said["none_of_these"] == pytest.approx(0.99, abs=1e-6)
    assert said["predictions"][0]["tagName"] == "green"
    _, out, _ = run(photos / "a.jpg", "--iteration", 1)
    assert "none of these" not in out


def test_fewer_tags(run: Run, photos: Path) -> None:
    def tags(*options: object) -> list[str]:
        _, out, _ = run("--json", photos / "a.jpg", *options)
        return [one["tagName"] for one in json.loads(out)["predictions"]]

    assert len(tags()) == 3
    assert tags("--top", 1) == tags("--threshold", 0.4) == ["green"]
    assert tags("--threshold", 1) == []


def test_which_model_answers(run: Run, photos: Path, project: FakeRegistry) -> None:
    def answer(*options: object) -> tuple[str, str]:
        _, out, _ = run(photos / "a.jpg", "--json", *options)
        said = json.loads(out)
        return said["model"], said["predictions"][0]["tagName"]

    assert answer("--iteration", 1) == ("iteration 1", "red")
    project.names = {"roses": 1}
    assert answer() == answer("--as", "roses") == ("iteration 1 (roses)", "red")
    project.names = {"roses": 1, "others": 1}
    assert answer() == ("iteration 2", "green")


def zipped(folder: Path, target: Path, place: str = "", *names: str) -> Path:
    with zipfile.ZipFile(target, "w") as packed:
        for name in names or ("model.onnx", "model.json"):
            packed.write(folder / name, place + name)
    return target


def named_outputs(project: FakeRegistry, folder: Path) -> Path:
    """The model as the zips for Docker and of other precisions have it: it names its tags itself."""
    import onnx

    folder.mkdir()
    proto = onnx.load(project.root / "2" / "model.onnx")
    add_class_outputs(proto, ["red", "green", "blue"])
    entry = proto.metadata_props.add()
    entry.key, entry.value = "Image.NominalPixelRange", "NominalRange_0_255"
    onnx.save(proto, folder / "model.onnx")
    return folder


def test_exported_models(run: Run, photos: Path, project: FakeRegistry, tmp_path: Path) -> None:
    served, named = project.root / "2", named_outputs(project, tmp_path / "named")
    named_bundles = [
        served,
        zipped(served, tmp_path / "served.zip"),
        named,
        zipped(named, tmp_path / "named.zip", "", "model.onnx"),
        zipped(named, tmp_path / "docker.zip", "app/", "model.onnx"),
    ]
    said = []
    for bundle in named_bundles:
        code, out, _ = run("--json", "--bundle", bundle, photos / "a.jpg")
        assert code == 0
        said.append(json.loads(out)["predictions"])
    assert said[0][0]["tagName"] == "green"
    assert all(one == said[0] for one in said)


def test_contents_and_not_names_tell_an_export_for_docker(
    run: Run, photos: Path, project: FakeRegistry, tmp_path: Path
) -> None:
    docker = named_outputs(project, tmp_path / "docker")
    facts = {"project": {"id": "0", "name": "roses"}, "iteration": "1", "tags": [{"name": "red"}]}
    (docker / "model.json").write_text(json.dumps(facts))
    renamed, card = tmp_path / "export", tmp_path / "app"
    shutil.copytree(docker, renamed / "app")
    shutil.copytree(project.root / "2", card)
    named_bundles = [
        docker,
        renamed,
        renamed / "app",
        card,
        zipped(docker, tmp_path / "docker.zip", "app/"),
        zipped(docker, tmp_path / "inner.zip"),
        zipped(card, tmp_path / "card.zip", "app/"),
    ]
    for bundle in named_bundles:
        code, out, err = run("--json", "--bundle", bundle, photos / "a.jpg")
        assert (code, err) == (0, "")
        assert json.loads(out)["predictions"][0]["tagName"] == "green"


def test_no_project_is_needed_for_a_bundle(
    run: Run, photos: Path, project: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--bundle", project.root / "2", photos / "a.jpg")[0] == 0
    code, _, err = run(photos / "a.jpg")
    assert code == 2
    assert "name an exported model with --bundle" in err


REFUSED = {
    "two models": (("--as", "x", "--iteration", "1"), 2, "received several"),
    "name": (("--as", "x"), 1, "No iteration is published as 'x'; known: roses."),
    "like another": (("--as", "rosse"), 1, "did you mean roses?"),
    "trained model": (("--bundle", "."), 2, "`dahlia export N --format onnx` writes one"),
    "no zip": (("--bundle", "params.yaml"), 2, "params.yaml, which cannot be read"),
    "absent": (("--bundle", "absent.zip"), 2, "absent.zip, which cannot be read"),
    "share": (("--threshold", "2"), 2, "0<=x<=1"),
}


@pytest.mark.parametrize(("options", "status", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(
    run: Run, photos: Path, project: FakeRegistry, options: tuple[str, ...], status: int, message: str
) -> None:
    project.names = {"roses": 1}
    code, out, err = run(photos, *options)
    assert code == status
    assert message in err
    assert out == ""


def test_a_zip_is_read_within_a_bound(
    run: Run, photos: Path, project: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = zipped(project.root / "2", tmp_path / "large.zip")
    monkeypatch.setattr(bundles, "MAX_MODEL_BYTES", 100)
    code, _, err = run("--bundle", bundle, photos)
    assert code == 2
    assert "at most 100 bytes" in err


def test_a_damaged_zip(run: Run, photos: Path, project: FakeRegistry, tmp_path: Path) -> None:
    bundle = zipped(project.root / "2", tmp_path / "damaged.zip")
    data = bytearray(bundle.read_bytes())
    data[60:70] = bytes(10)
    bundle.write_bytes(data)
    code, _, err = run("--bundle", bundle, photos)
    assert code == 2
    assert "cannot be read" in err


def test_a_folder_without_photos(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = run(tmp_path / "empty")
    assert code == 1
    assert "received a folder without photos" in err


def test_names_of_photos_are_no_markup(run: Run, photos: Path) -> None:
    (photos / "a.jpg").rename("[red]a.jpg")
    code, out, _ = run("[red]a.jpg")
    assert code == 0
    assert "[red]a.jpg" in out


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_names_that_are_no_text(run: Run, photos: Path, options: tuple[str, ...]) -> None:
    os.rename(photos / "a.jpg", os.fsencode(photos) + b"/\xff\x1b]0;a.jpg")  # noqa: PTH104
    code, out, err = run(photos, *options)
    assert (code, out.count("green")) == (1, 2), err  # one photo is cut off
    assert "\x1b" not in out


def test_a_name_that_is_too_long(run: Run, photos: Path) -> None:
    code, _, err = run("a" * 300)
    assert code != 0
    assert "Traceback" not in err


def test_a_pipe_is_no_photo(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    code, _, err = run(tmp_path / "pipe.jpg")
    assert code == 1
    assert "received no file" in err
