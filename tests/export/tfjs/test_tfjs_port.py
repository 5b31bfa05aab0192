"""A graph model in TensorFlow.js itself. Needs Node, and npm's registry once."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from readme_lines import TAGS, check_printed, lay_photo

from client_packages import npm_packages
from dahlia.errors import VerificationError
from dahlia.export.port import Batch, Source, write_labels
from dahlia.export.tfjs import port
from dahlia.export.tfjs.graph_model import KNOWN, write_graph_model
from dahlia.export.tfjs.node import installed_packages, started
from programs import find_program, unavailable
from small_projects import SIZE

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("runtime")]


@pytest.fixture(scope="module")
def runtime() -> Path:
    """Node and TensorFlow.js are there."""
    find_program("node")
    try:
        return installed_packages()
    except VerificationError as error:
        unavailable(str(error))


@pytest.fixture
def written(tmp_path: Path, source: Source) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    port.write(folder, source, "float32")
    write_labels(folder, source.card)
    return folder


def test_it_says_what_was_trained(written: Path, pixels: Batch, answers: Batch) -> None:
    with port.opened(written) as opened:
        assert np.abs(opened.run(pixels) - answers).max() <= 1e-5
        single = np.concatenate([opened.run(image[None]) for image in pixels])
        assert np.abs(single - answers).max() <= 1e-5
        assert np.abs(opened.run(pixels[:, ::-1]) - answers).max() > 0.1
        assert opened.labels == TAGS
        assert re.fullmatch(r"TensorFlow\.js 4\.22\.0 \(wasm\), Node v\d+\..*", opened.runtime)


def test_red_comes_first_where_the_domain_says_so(
    tmp_path: Path, source: Source, pixels: Batch, answers: Batch
) -> None:
    card = source.card.model_copy(update={"channels": "RGB"})
    port.write(tmp_path, Source(source.bundle, card, source.cache, source.photos), "float32")
    write_labels(tmp_path, card)
    about = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))["userDefinedMetadata"]
    assert about["Image.BitmapPixelFormat"] == "Rgb8"
    with port.opened(tmp_path) as opened:
        assert np.abs(opened.run(pixels) - answers).max() <= 1e-5


def test_gelu(tmp_path: Path, source: Source) -> None:
    """Its error function has no operation of its own."""
    import torch
    from torch import nn

    from dahlia.export.tensorflow.convert import convert

    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3)).eval()
    write_graph_model(tmp_path, convert(module, 8, domain="Test"), source.card)
    images = np.random.default_rng(0).uniform(-5, 5, (2, 3, 8, 8)).astype(np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(images)).numpy()
    with started(tmp_path / "model.json") as session:
        received = session.ask(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))["model_outputs"]
    np.testing.assert_allclose(received, expected, atol=1e-5)


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    change(model)
    (folder / "model.json").write_text(json.dumps(model), encoding="utf-8")


def truncate_weights(folder: Path) -> None:
    path = folder / "weights.bin"
    path.write_bytes(path.read_bytes()[:-4])


def truncate_model(folder: Path) -> None:
    path = folder / "model.json"
    path.write_bytes(path.read_bytes()[:-100])


def forget_weights(folder: Path) -> None:
    (folder / "weights.bin").unlink()


def forget_labels(folder: Path) -> None:
    (folder / "labels.txt").unlink()


def take_other_labels(folder: Path) -> None:
    (folder / "labels.txt").write_text("green\nblue\nred", encoding="utf-8")


def forget_metadata(folder: Path) -> None:
    changed(folder, lambda model: model["userDefinedMetadata"].pop("labels"))


def name_unknown_operation(folder: Path) -> None:
    def change(model: dict[str, Any]) -> None:
        next(node for node in model["modelTopology"]["node"] if node["op"] == "Relu")["op"] = "Betainc"

    changed(folder, change)


def lose_a_node(folder: Path) -> None:
    def change(model: dict[str, Any]) -> None:
        nodes = model["modelTopology"]["node"]
        nodes.remove(next(node for node in nodes if node["op"] == "Relu"))

    changed(folder, change)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (truncate_weights, r"weights.bin has \d+ bytes, expected \d+"),
        (truncate_model, "JSONDecodeError"),
        (forget_weights, "FileNotFoundError"),
        (forget_labels, "labels.txt was expected"),
        (take_other_labels, "of another training"),
        (forget_metadata, "labels"),
        (name_unknown_operation, r"TensorFlow.js cannot (load|run) model.json: .*Betainc"),
        (lose_a_node, "TensorFlow.js cannot load model.json"),
    ],
)
def test_faults_are_refused(written: Path, fault: Callable[[Path], None], message: str) -> None:
    fault(written)
    with pytest.raises(VerificationError, match=message), port.opened(written) as opened:
        opened.run(np.zeros((1, 3, SIZE, SIZE), np.float32))


def swap_colours(folder: Path) -> None:
    changed(folder, lambda model: model["userDefinedMetadata"].update({"Image.BitmapPixelFormat": "Rgb8"}))


def transpose_kernel(folder: Path) -> None:
    rewrite(folder, "Conv2D", lambda kernel: kernel.transpose(1, 0, 2, 3))


def forget_mean(folder: Path) -> None:
    rewrite(folder, "Sub", np.zeros_like)


def rewrite(folder: Path, kind: str, by: Callable[[Any], Any]) -> None:
    """Change the first constant that a node of a kind reads."""
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (specs,) = [group["weights"] for group in model["weightsManifest"]]
    reader = next(node for node in model["modelTopology"]["node"] if node["op"] == kind)
    content, start = bytearray((folder / "weights.bin").read_bytes()), 0
    for spec in specs:
        size = 4 * int(np.prod(spec["shape"]))
        if spec["name"] in reader["input"]:
            array = np.frombuffer(content[start : start + size], spec["dtype"]).reshape(spec["shape"])
            content[start : start + size] = np.ascontiguousarray(by(array)).tobytes()
        start += size
    (folder / "weights.bin").write_bytes(content)


@pytest.mark.parametrize("fault", [swap_colours, transpose_kernel, forget_mean])
def test_faults_are_seen(written: Path, pixels: Batch, answers: Batch, fault: Callable[[Path], None]) -> None:
    fault(written)
    with port.opened(written) as opened:
        assert np.abs(opened.run(pixels) - answers).max() > 1e-4


def test_images_of_another_size_are_refused_and_others_answered(
    written: Path, pixels: Batch, answers: Batch
) -> None:
    with port.opened(written) as opened:
        with pytest.raises(VerificationError, match=r"cannot run model.json: .*shape"):
            opened.run(np.zeros((1, 3, SIZE, SIZE + 1), np.float32))
        assert np.abs(opened.run(pixels) - answers).max() <= 1e-5


def test_a_process_that_ends_is_said(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dahlia.export.tfjs import node

    script = written / "run.mjs"
    script.write_text("console.error('out of memory'); process.exit(3);")
    monkeypatch.setattr(node, "_SCRIPT", script)
    with pytest.raises(VerificationError, match="Node ended with 3: out of memory"), port.opened(written):
        pass


def test_every_known_operation_is_known(runtime: Path) -> None:
    packages = runtime / "node_modules" / "@tensorflow" / "tfjs-converter" / "dist"
    text = "".join(path.read_text() for path in (packages / "operations" / "op_list").glob("*.js"))
    assert set(re.findall(r"'tfOpName': '(\w+)'", text)) >= KNOWN


PACKAGES = Path(__file__).parent / "readme_packages"


def test_the_lines_of_the_readme_run(written: Path, source: Source, pytestconfig: pytest.Config) -> None:
    usage = port.usage(source.card, "float32")
    wanted = json.loads((PACKAGES / "package.json").read_text())["dependencies"]
    for named in usage.packages.split():
        name, _, version = named.rpartition("@")
        assert wanted[name].startswith(version)
    shutil.copy(PACKAGES / "package.json", written)
    (written / "node_modules").symlink_to(npm_packages(pytestconfig, PACKAGES) / "node_modules")
    shown = lay_photo(written)
    (written / "photo.mjs").write_text(usage.lines, encoding="utf-8")
    done = subprocess.run(["node", "photo.mjs"], cwd=written, check=True, capture_output=True, text=True)
    with port.opened(written) as opened:
        (said,) = opened.run(shown)
    check_printed(done.stdout, said, 1e-3)
