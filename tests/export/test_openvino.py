"""OpenVINO: what is written, opened, refused, and said of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from readme_lines import TAGS, check_python

from dahlia.errors import ExportError, TrainingError, VerificationError
from dahlia.export.openvino import port as openvino
from dahlia.export.openvino._runtime import ov
from dahlia.export.port import Batch, Source, write_labels
from small_projects import REPOSITORY, SIZE

FLAVOURS = ("float16", "int8")
ALLOWED = {"float16": 5e-3, "int8": 0.1}


def written(folder: Path, source: Source, flavour: str = "float16") -> Path:
    folder.mkdir()
    openvino.write(folder, source, flavour)
    write_labels(folder, source.card)
    return folder


def ran(folder: Path, pixels: Batch) -> Batch:
    with openvino.opened(folder) as opened:
        return opened.run(pixels)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_it_says_what_was_trained(
    tmp_path: Path, source: Source, pixels: Batch, answers: Batch, flavour: str
) -> None:
    folder = written(tmp_path / "out", source, flavour)
    assert sorted(path.name for path in folder.iterdir()) == ["labels.txt", "model.bin", "model.xml"]
    with openvino.opened(folder) as opened:
        assert np.abs(opened.run(pixels) - answers).max() <= ALLOWED[flavour]
        assert np.abs(opened.run(pixels[:1]) - answers[:1]).max() <= ALLOWED[flavour]
        assert np.abs(opened.run(pixels[:, ::-1]) - answers).max() > 0.2
        assert opened.labels == TAGS
        assert opened.runtime.startswith("OpenVINO ")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_published_sample_runs(
    tmp_path: Path, source: Source, pixels: Batch, answers: Batch, flavour: str
) -> None:
    """As Custom Vision's sample for OpenVINO does: NCHW, RGB, 0 to 1, one input and one output."""
    folder = written(tmp_path / "out", source, flavour)
    model = ov.Core().read_model(str(folder / "model.xml"))
    (given,), (answered,) = model.inputs, model.outputs
    assert (given.get_any_name(), answered.get_any_name()) == ("data", "model_output")
    assert given.get_partial_shape().to_string() == f"[?,3,{SIZE},{SIZE}]"
    assert given.get_element_type() == answered.get_element_type() == ov.Type.f32
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    said = compiled(pixels[:1] / np.float32(255))[0]
    np.testing.assert_allclose(said, answers[:1], atol=ALLOWED[flavour])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_same_model_gives_the_same_files(
    tmp_path: Path, source: Source, flavour: str, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = (written(tmp_path / name, source, flavour) for name in ("first", "second"))
    for name in ("model.xml", "model.bin"):
        content = (first / name).read_bytes()
        assert content == (second / name).read_bytes(), name
        for word in ("site-packages", f"{Path.home()}/", f"{REPOSITORY}/", str(tmp_path)):
            assert word.encode() not in content
    assert capfd.readouterr() == ("", "")


def test_without_post_processing_a_classifier_is_what_it_is(tmp_path: Path, source: Source) -> None:
    first, second = (written(tmp_path / name, source, name) for name in ("float16", "raw"))
    for name in ("model.xml", "model.bin"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


SCRIPT = """
import atexit, sys
told = []
sys.addaudithook(lambda event, _: told.append(event) if event.startswith(("socket.", "os.fork")) else None)
atexit.register(lambda: print(told, "openvino_telemetry" in sys.modules))
{first}
ov.Core()
"""
OURS = "from dahlia.export.openvino._runtime import ov"


@pytest.mark.slow
def test_nobody_is_told(tmp_path: Path) -> None:
    """Left alone, the library reports to its makers when it is imported, unless it runs in CI."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")
    }
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(first=OURS)],
        env={**kept, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == "[] False"
    assert list(tmp_path.iterdir()) == []


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


@pytest.mark.parametrize(
    "damage",
    [
        cut("model.xml", 3000),
        cut("model.xml", 0),
        cut("model.bin", 3000),
        cut("model.bin", 0),
        cut("model.bin", -1),
        lambda folder: (folder / "model.xml").unlink(),
        lambda folder: (folder / "model.bin").unlink(),
        lambda folder: (folder / "model.xml").write_text("garbage"),
        lambda folder: replaced(folder, 'type="Convolution"', 'type="Strange"'),
        lambda folder: replaced(folder, 'names="data"', 'names="other"'),
    ],
    ids=["xml cut", "xml empty", "bin cut", "bin empty", "one byte less", "no xml", "no bin", "garbage",
         "operation", "input"],
)  # fmt: skip
def test_files_that_the_runtime_cannot_load(
    tmp_path: Path, source: Source, damage: Callable[[Path], object]
) -> None:
    folder = written(tmp_path / "out", source)
    damage(folder)
    with (
        pytest.raises(VerificationError, match=r"OpenVINO .* cannot load model\.xml: .*Export again"),
        openvino.opened(folder),
    ):
        pass


def replaced(folder: Path, before: str, after: str) -> None:
    text = (folder / "model.xml").read_text()
    assert before in text
    (folder / "model.xml").write_text(text.replace(before, after))


def test_labels_that_are_missing(tmp_path: Path, source: Source) -> None:
    folder = written(tmp_path / "out", source)
    (folder / "labels.txt").unlink()
    with pytest.raises(VerificationError, match=r"labels\.txt"), openvino.opened(folder):
        pass


def test_pixels_of_another_size(tmp_path: Path, source: Source) -> None:
    folder = written(tmp_path / "out", source)
    with pytest.raises(VerificationError, match=r"cannot run model\.xml"):
        ran(folder, np.zeros((1, 3, SIZE + 1, SIZE), np.float32))


def constant(folder: Path, name: str, change: Callable[[Batch], Batch]) -> None:
    """Change a constant in `model.bin`; the layer says where it lies."""
    import re

    text = (folder / "model.xml").read_text()
    found = re.search(
        rf'name="{re.escape(name)}(?:_compressed)?" type="Const"[^>]*>\s*<data element_type="(f16|f32)" '
        r'shape="([^"]*)" offset="(\d+)" size="(\d+)"',
        text,
    )
    assert found
    kind = np.float16 if found[1] == "f16" else np.float32
    start, size = int(found[3]), int(found[4])
    content = bytearray((folder / "model.bin").read_bytes())
    shape = [int(edge) for edge in found[2].split(",")]
    values = np.frombuffer(bytes(content[start : start + size]), kind).reshape(shape)
    content[start : start + size] = np.ascontiguousarray(change(values)).astype(kind).tobytes()
    (folder / "model.bin").write_bytes(bytes(content))


FAULTS: dict[str, tuple[str, Callable[[Batch], Batch]]] = {
    "normalisation": ("mean", lambda values: values * 0 + 1),
    "weight": ("head.weight", lambda values: values[::-1]),
    "transposed": ("head.weight", lambda values: values.T.reshape(values.shape)),
}


@pytest.mark.parametrize(("name", "change"), FAULTS.values(), ids=FAULTS)
def test_faults_are_seen(
    tmp_path: Path,
    source: Source,
    pixels: Batch,
    answers: Batch,
    name: str,
    change: Callable[[Batch], Batch],
) -> None:
    folder = written(tmp_path / "out", source)
    constant(folder, name, change)
    assert np.abs(ran(folder, pixels) - answers).max() > 1e-2


def test_a_graph_that_openvino_cannot_read(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dahlia.export.onnx.graph import probability_graph

    def strange(*given: object, **named: object) -> object:
        proto = probability_graph(*given, **named)  # type: ignore[arg-type]
        proto.graph.node[5].op_type = "Strange"
        return proto

    monkeypatch.setattr(openvino, "probability_graph", strange)
    with pytest.raises(ExportError, match=r"cannot read the graph of test_resnet: .*Choose another backbone"):
        openvino.write(tmp_path, source, "float16")
    assert list(tmp_path.glob("model.*")) == []


def test_a_bundle_without_weights(tmp_path: Path, source: Source) -> None:
    (source.bundle / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"model\.safetensors could not be read"):
        openvino.write(tmp_path, source, "float16")


def test_ranges_need_photos(tmp_path: Path, source: Source) -> None:
    with pytest.raises(ExportError, match="received none"):
        openvino.write(tmp_path, replace(source, photos=list), "int8")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the lines leave the closing of files to Python
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_lines_of_the_readme_run(
    tmp_path: Path, source: Source, capsys: pytest.CaptureFixture[str], flavour: str
) -> None:
    folder = written(tmp_path / "out", source, flavour)
    # Processors with bfloat16 compute the lines in it.
    check_python(openvino.usage(source.card, flavour).lines, folder, openvino.opened, 0.02, capsys)
