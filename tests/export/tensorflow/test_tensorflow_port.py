"""The frozen graph and the SavedModel: what is kept, written, and said of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from readme_lines import check_python

from dahlia.errors import TrainingError, VerificationError
from dahlia.export.port import Batch, Source, write_labels
from dahlia.export.tensorflow import graph, port
from dahlia.export.tensorflow.graph import frozen_graph
from small_projects import SIZE

pytestmark = pytest.mark.slow

FLAVOURS = ("frozen", "saved-model")
FILES = {
    "frozen": ["labels.txt", "model.pb"],
    "saved-model": [
        "labels.txt",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ],
}


def written(folder: Path, source: Source, flavour: str) -> Path:
    folder.mkdir()
    port.write(folder, source, flavour)
    write_labels(folder, source.card)
    return folder


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_it_says_what_was_trained(
    tmp_path: Path, source: Source, pixels: Batch, answers: Batch, flavour: str
) -> None:
    folder = written(tmp_path / "out", source, flavour)
    names = sorted(part.relative_to(folder).as_posix() for part in folder.rglob("*") if part.is_file())
    assert names == FILES[flavour]
    with port.opened(folder) as opened:
        assert np.abs(opened.run(pixels) - answers).max() <= 1e-5
        assert np.abs(opened.run(pixels[:1]) - answers[:1]).max() <= 1e-5
        assert np.abs(opened.run(pixels[:, ::-1]) - answers).max() > 1e-2
        assert opened.labels == ("blue", "green", "red")
        assert opened.runtime.startswith("TensorFlow 2.")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_same_model_gives_the_same_files(tmp_path: Path, source: Source, flavour: str) -> None:
    first, second = (written(tmp_path / name, source, flavour) for name in ("first", "second"))
    for name in FILES[flavour]:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_the_second_form_needs_no_torch(
    tmp_path: Path, fresh: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first").mkdir()
    port.write(tmp_path / "first", fresh, "frozen")

    def module(_: Source) -> None:
        raise AssertionError("the graph is kept")

    monkeypatch.setattr(Source, "module", module)
    (tmp_path / "second").mkdir()
    port.write(tmp_path / "second", fresh, "saved-model")
    with pytest.raises(AssertionError, match="is kept"):
        frozen_graph(fresh, "RGB")


def test_a_damaged_graph_in_the_cache_is_made_anew(kept: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = frozen_graph(kept, "BGR").definition
    (path,) = kept.cache.glob("*.pb")
    whole = path.read_bytes()
    assert hashlib.sha256(whole[32:]).digest() == whole[:32]
    # What it is converted to is known by now.
    monkeypatch.setattr(graph, "_convert", lambda *_: expected.SerializeToString(deterministic=True))
    for damaged in (whole[:-100], b"", b"x" + whole[1:], whole[:5000] + b"x" + whole[5001:]):
        path.write_bytes(damaged)
        assert frozen_graph(kept, "BGR").definition == expected
        assert path.read_bytes() == whole


def test_other_weights_have_another_graph(kept: Source) -> None:
    from safetensors.numpy import load_file, save_file

    before = frozen_graph(kept, "BGR").definition
    assert len(list(kept.cache.glob("*.pb"))) == 1
    path = kept.bundle / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {"head.bias": tensors["head.bias"] + 1}, path)
    assert frozen_graph(kept, "BGR").definition != before
    assert len(list(kept.cache.glob("*.pb"))) == 2


def test_few_graphs_are_kept(fresh: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "_convert", lambda *_: b"")
    (fresh.cache / "others").mkdir(parents=True)
    (fresh.cache / "backbone.onnx").touch()
    for number in range(7):
        card = fresh.card.model_copy(update={"project": f"project {number}"})
        frozen_graph(replace(fresh, card=card), "BGR")
    names = {path.suffix for path in fresh.cache.iterdir()}
    assert names == {".pb", ".onnx", ""}
    assert len(list(fresh.cache.glob("*.pb"))) == 4


def test_a_bundle_without_weights_is_refused(tmp_path: Path, fresh: Source) -> None:
    (fresh.bundle / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"model\.safetensors could not be read"):
        port.write(tmp_path, fresh, "frozen")


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("what", ["truncated", "missing model", "missing labels"])
def test_damaged_files_are_refused(tmp_path: Path, source: Source, flavour: str, what: str) -> None:
    folder = written(tmp_path / "out", source, flavour)
    model = folder / ("model.pb" if flavour == "frozen" else "saved_model.pb")
    if what == "truncated":
        model.write_bytes(model.read_bytes()[:-1000])
    else:
        (model if what == "missing model" else folder / "labels.txt").unlink()
    expected = {"truncated": "cannot load", "missing model": "holds neither", "missing labels": "labels.txt"}
    with pytest.raises(VerificationError, match=expected[what]), port.opened(folder):
        pass


def test_the_published_sample_runs(tmp_path: Path, source: Source, pixels: Batch, answers: Batch) -> None:
    """As in Custom Vision's samples: a frozen graph, BGR as OpenCV reads it, `loss` or `model_outputs`."""
    import tensorflow as tf

    folder = written(tmp_path / "out", source, "frozen")
    graph_def = tf.compat.v1.GraphDef()
    with tf.io.gfile.GFile(str(folder / "model.pb"), "rb") as file:
        graph_def.ParseFromString(file.read())
    rgb = np.ascontiguousarray(pixels[0].transpose(1, 2, 0).astype(np.uint8))
    with tf.Graph().as_default():
        tf.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session() as session:
            placeholder = session.graph.get_tensor_by_name("Placeholder:0")
            assert placeholder.shape.as_list() == [None, SIZE, SIZE, 3]
            image = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
            for name in ("loss:0", "model_outputs:0"):
                tensor = session.graph.get_tensor_by_name(name)
                (said,) = session.run(tensor, {"Placeholder:0": [image]})
                np.testing.assert_allclose(said, answers[0], atol=1e-5)
    names = {node.name for node in graph_def.node}
    assert not names & {"batch", "batch/Shape"}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the lines leave the closing of files to Python
@pytest.mark.parametrize("channels", ["BGR", "RGB"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_lines_of_the_readme_run(
    tmp_path: Path, source: Source, capsys: pytest.CaptureFixture[str], flavour: str, channels: str
) -> None:
    card = source.card.model_copy(update={"channels": channels})
    folder = written(tmp_path / "out", replace(source, card=card), flavour)
    check_python(port.usage(card, flavour).lines, folder, port.opened, 1e-4, capsys)


def test_usage_names_the_colours(source: Source) -> None:
    for order in ("B G R", "R G B"):
        card = source.card.model_copy(update={"channels": order.replace(" ", "")})
        assert f"colours as {order}" in port.usage(card, "frozen").notes[0]
