"""Graphs of 8 bits: made where a model is served, and held to what it gets right."""

from __future__ import annotations

import logging
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from running_services import until
from serving_helpers import FakeSource, picture

import dahlia
from dahlia import layout
from dahlia.errors import ConfigError, ServiceError
from dahlia.export.onnx import served_int8
from dahlia.modeling.card import load_card
from dahlia.processor import adds_products
from dahlia.serving.choice import measuring, quantising
from dahlia.serving.choice.chooser import Chooser
from dahlia.serving.choice.measuring import Measured
from dahlia.serving.choice.one_process import OneProcess
from dahlia.serving.choice.quantising import make_graph
from dahlia.serving.choice.remembered import Choice, graph_of, has_graph, key_of, save_choice
from dahlia.serving.models import runtimes
from dahlia.serving.models.readers import OUTPUT
from dahlia.serving.models.runtime import load_model
from dahlia.serving.models.runtimes import RUNTIMES, require_installed
from dahlia.serving.models.sessions import Sessions


@pytest.fixture
def graph(folder: Path, tmp_path: Path) -> Path:
    target = tmp_path / "int8.onnx"
    assert served_int8.main(str(folder), str(target), OUTPUT) == 0
    return target


def times_are(monkeypatch: pytest.MonkeyPatch, **said: float) -> None:
    names = {"onnxruntime": 10.0, "openvino": 10.0, "openvino-bfloat16": 10.0, "openvino-int8": 10.0}
    names |= {"onnxruntime-int8": 10.0} | {name.replace("_", "-"): value for name, value in said.items()}
    monkeypatch.setattr(Measured, "_times", lambda self, engines: {name: names[name] for name in engines})


def test_a_graph_of_8_bits_says_about_the_same(folder: Path, graph: Path) -> None:
    proto = onnx.load(graph)
    assert [one.name for one in proto.graph.output] == [OUTPUT]
    assert "QuantizeLinear" in {node.op_type for node in proto.graph.node}
    size = load_card(folder).input.size
    photo = np.random.default_rng(1).integers(0, 256, (1, 3, size, size)).astype(np.float32)
    whole = Sessions(folder / "model.onnx", 1).run((OUTPUT,), photo)[0]
    assert Sessions(graph, 1).run((OUTPUT,), photo)[0] == pytest.approx(whole, abs=0.1)


@pytest.mark.parametrize(("line", "is_right"), [
    ("flags\t\t: fpu avx2 avx512f avx512_vnni", True),
    ("flags\t\t: fpu avx2 avx_vnni", True),
    ("Features\t: fp asimd asimddp", True),
    ("flags\t\t: fpu avx2 avx512f", False),
    ("", False),
])  # fmt: skip
def test_weights_have_8_bits_where_their_products_are_right(
    tmp_path: Path, line: str, is_right: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n\nprocessor\t: 1\n{line}\n", encoding="utf-8")
    assert adds_products(tmp_path / "cpuinfo") is is_right
    assert not adds_products(tmp_path / "missing")


def test_a_graph_is_made_of_the_outputs_that_there_are(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served_int8.main(str(folder), str(tmp_path / "int8.onnx"), "missing") == 1
    assert "missing" in capsys.readouterr().err
    assert not (tmp_path / "int8.onnx").exists()


def test_it_is_taken_where_it_saves_a_quarter(
    folder: Path, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_are(monkeypatch, onnxruntime_int8=5.0)
    choice = Measured(folder, 60, graph).choose()
    assert choice.chosen == "onnxruntime-int8"
    tried = {one.runtime: one for one in choice.tried}
    assert tried["onnxruntime-int8"].photos == 24  # with a part of each
    times_are(monkeypatch, onnxruntime_int8=8.0)
    choice = Measured(folder, 60, graph).choose()
    assert choice.chosen == "onnxruntime"
    assert "quarter" in ({one.runtime: one for one in choice.tried}["onnxruntime-int8"].refused or "")


def test_a_float_is_preferred_that_is_nearly_as_fast(
    folder: Path, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_are(monkeypatch, openvino=6.0, onnxruntime_int8=5.0)
    assert Measured(folder, 60, graph).choose().chosen == "openvino"
    times_are(monkeypatch, openvino=6.0, onnxruntime_int8=4.0)
    assert Measured(folder, 60, graph).choose().chosen == "onnxruntime-int8"


def test_a_graph_that_answers_otherwise_is_not_taken(
    folder: Path, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_are(monkeypatch, onnxruntime_int8=2.0)
    other = source.folder / "2" / "model.onnx"  # it favours another tag
    choice = Measured(folder, 60, other).choose()
    assert choice.chosen == "onnxruntime"
    assert {one.runtime: one for one in choice.tried}["onnxruntime-int8"].refused


def test_a_file_that_is_no_graph_is_not_taken(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_are(monkeypatch)
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    choice = Measured(folder, 60, tmp_path / "broken.onnx").choose()
    assert choice.chosen == "onnxruntime"
    assert "cannot compute" in ({one.runtime: one for one in choice.tried}["onnxruntime-int8"].refused or "")


def test_a_choice_of_8_bits_makes_its_graph_again(folder: Path, tmp_path: Path) -> None:
    kept, key = tmp_path / "kept", key_of(folder)
    save_choice(kept, key, Choice(machine="m", chosen="onnxruntime-int8", tried=()))
    assert not has_graph(kept, key)
    model = load_model(folder, "", 1)
    before = {one.tag.id: one.probability for one in model.predict(picture())}
    chooser = Chooser("auto", 1, folder=kept)
    chooser.consider(model, folder)
    until(lambda: model.runtime == "onnxruntime-int8")
    chooser.close()
    assert has_graph(kept, key)
    after = {one.tag.id: one.probability for one in model.predict(picture())}
    assert after == pytest.approx(before, abs=0.1)


def test_a_damaged_graph_is_made_again(folder: Path, tmp_path: Path) -> None:
    kept, key = tmp_path / "kept", key_of(folder)
    save_choice(kept, key, Choice(machine="m", chosen="onnxruntime-int8", tried=()))
    graph_of(kept, key).write_bytes(b"no graph")
    model = load_model(folder, "", 1)
    with pytest.raises(ServiceError, match="cannot compute"):
        Chooser("auto", 1, folder=kept)._look_after(model, folder)
    assert model.runtime == "onnxruntime"
    Chooser("auto", 1, folder=kept)._look_after(model, folder)
    assert model.runtime == "onnxruntime-int8"


@pytest.mark.parametrize("entry", ["{folder}", ".", "", "{link}"])
@pytest.mark.parametrize("is_current", [True, False])
def test_what_the_service_has_on_its_path_is_not_imported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, *, is_current: bool
) -> None:
    """BentoML adds the folder in which it is started, and may change to another one."""
    evil, other = tmp_path / "evil", tmp_path / "other"
    for place in (evil, other):
        place.mkdir()
    (tmp_path / "link").symlink_to(evil)
    for name in ("numpy", "onnx", "json", "sitecustomize"):
        marker = f"open({str(tmp_path / 'imported')!r}, 'w')"
        (evil / f"{name}.py").write_text(marker, encoding="utf-8")
    monkeypatch.chdir(evil if is_current else other)
    path = entry.format(folder=evil, link=tmp_path / "link")
    monkeypatch.setattr(sys, "path", [path, *sys.path])
    monkeypatch.setenv("PYTHONPATH", path if path in (".", "") else "")
    assert make_graph(OneProcess(), folder, (OUTPUT,), tmp_path / "int8.onnx")
    assert not (tmp_path / "imported").exists()


def test_a_service_runs_its_own_copy_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a Bento, whose current folder is that of the code."""
    copy = tmp_path / "src"
    (copy / "dahlia").mkdir(parents=True)
    (copy / "dahlia" / "__init__.py").write_text("", encoding="utf-8")
    (copy / "dahlia" / "said.py").write_text("print(__file__)", encoding="utf-8")
    monkeypatch.setattr(dahlia, "__file__", str(copy / "dahlia" / "__init__.py"))
    monkeypatch.chdir(copy)
    output, errors = OneProcess().run("dahlia.said", [], 30)
    assert (output.decode().strip(), errors) == (str(copy / "dahlia" / "said.py"), b"")


def test_a_process_that_is_killed_leaves_no_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "key.int8.onnx"
    left = tmp_path / ".key.int8.onnx.c3a3c923.onnx"
    process = OneProcess()

    def killed(*given: object) -> tuple[bytes, bytes]:
        left.write_bytes(b"half a graph")
        return b"", b""

    monkeypatch.setattr(process, "run", killed)
    assert make_graph(process, folder, (OUTPUT,), target) is None
    assert not left.exists()


def test_a_graph_that_proves_nothing_is_deleted(folder: Path, tmp_path: Path) -> None:
    """As where a photo is damaged, which measuring finds."""
    chooser = Chooser("auto", 1, folder=tmp_path / "kept")
    model = load_model(folder, "", 1)
    with zipfile.ZipFile(folder / layout.PHOTOS) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    last = sorted(members)[-2]  # before the index
    members[last] = members[last][:-40]
    with zipfile.ZipFile(folder / layout.PHOTOS, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    chooser._look_after(model, folder)
    assert model.runtime == "onnxruntime"
    assert list((tmp_path / "kept").glob("*.onnx")) == []


def test_a_graph_of_another_structure_is_made_again(folder: Path, tmp_path: Path) -> None:
    kept, key = tmp_path / "kept", key_of(folder)
    save_choice(kept, key, Choice(machine="m", chosen="openvino-int8", tried=()))
    other = onnx.load(folder / "model.onnx")
    for one in other.graph.output:
        if one.name == OUTPUT:
            one.name = "another"
    for node in other.graph.node:
        node.output[:] = ["another" if name == OUTPUT else name for name in node.output]
    onnx.save(other, graph_of(kept, key))
    model = load_model(folder, "", 1)
    with pytest.raises(ServiceError, match="cannot compute"):
        Chooser("auto", 1, folder=kept)._look_after(model, folder)
    Chooser("auto", 1, folder=kept)._look_after(model, folder)
    assert model.runtime == "openvino-int8"


def test_a_setting_of_8_bits_needs_photos(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (folder / layout.PHOTOS).unlink()
    model = load_model(folder, "", 1)
    Chooser("onnxruntime-int8", 1, folder=tmp_path / "kept")._look_after(model, folder)
    assert model.runtime == "onnxruntime"
    assert layout.PHOTOS in caplog.text


def test_a_graph_that_cannot_be_made_is_said(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (folder / layout.PHOTOS).write_bytes(b"no photos")
    assert make_graph(OneProcess(), folder, (OUTPUT,), tmp_path / "int8.onnx") is None
    assert "photos.zip" in caplog.text


def test_making_a_graph_ends_in_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(quantising, "_SECONDS", 0.01)
    assert make_graph(OneProcess(), folder, (OUTPUT,), tmp_path / "int8.onnx") is None
    assert "more than" in caplog.text


def test_a_closed_process_starts_nothing(folder: Path, tmp_path: Path) -> None:
    process = OneProcess()
    process.close()
    assert make_graph(process, folder, (OUTPUT,), tmp_path / "int8.onnx") is None


def test_few_graphs_are_kept(tmp_path: Path) -> None:
    for number in range(25):
        graph_of(tmp_path, str(number)).write_bytes(b"")
    save_choice(tmp_path, "key", Choice(machine="m", chosen="onnxruntime", tried=()))
    assert len(list(tmp_path.glob("*.onnx"))) == 20


def test_the_setting_needs_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    require_installed("onnxruntime-int8")
    monkeypatch.setattr(runtimes, "is_there", lambda name: False)
    with pytest.raises(ConfigError, match="onnx"):
        require_installed("onnxruntime-int8")
    require_installed("auto")


def test_without_the_package_nothing_is_made(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantising, "is_there", lambda name: False)
    assert make_graph(OneProcess(), folder, (OUTPUT,), tmp_path / "int8.onnx") is None


def test_only_those_of_8_bits_have_no_limit_of_probabilities() -> None:
    assert {name for name, one in RUNTIMES.items() if one.is_quantised} == {
        "onnxruntime-int8", "openvino-int8",
    }  # fmt: skip
    assert replace(RUNTIMES["openvino"], difference=None).is_quantised
    assert measuring._WORTH < measuring._GAIN
