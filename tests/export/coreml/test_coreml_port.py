"""The files of the four flavours, opened as their users open them."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from readme_lines import check_printed

from dahlia.errors import ExportError, VerificationError
from dahlia.export.coreml import device, port
from dahlia.export.coreml.interpreter.files import read_model
from dahlia.export.coreml.interpreter.model import RUNTIME, Interpreted
from dahlia.export.port import Batch, Source
from small_projects import SIZE

pytestmark = pytest.mark.slow

Exported = Callable[[str], Path]
Known = tuple[Batch, Any]
LIMITS = {"float32": 1e-4, "float16": 1e-2, "mlmodel": 1e-4, "mlmodel-float16": 1e-2}
FILES = {
    "float32": "model.mlpackage",
    "float16": "model.mlpackage",
    "mlmodel": "model.mlmodel",
    "mlmodel-float16": "model.mlmodel",
}
flavours = pytest.mark.parametrize("flavour", LIMITS)


@flavours
def test_the_file_answers_as_the_module_does(
    exported: Exported, known: Known, source_once: Source, flavour: str
) -> None:
    pixels, answers = known

    with port.opened(exported(flavour)) as model:
        received = model.run(pixels)

        assert model.labels == tuple(tag.name for tag in source_once.card.tags)
        assert model.runtime == RUNTIME
    assert received.shape == answers.shape
    assert received.dtype == np.float32
    assert np.abs(received - answers).max() <= LIMITS[flavour]


@flavours
def test_the_file_says_what_it_is(exported: Exported, source_once: Source, flavour: str) -> None:
    card = source_once.card
    description = read_model(exported(flavour) / FILES[flavour])[0].description

    (image,) = description.input
    assert (image.name, image.type.imageType.width, image.type.imageType.height) == ("data", SIZE, SIZE)
    outputs = {output.name: output.type.WhichOneof("Type") for output in description.output}
    assert outputs == {"classLabel": "stringType", "loss": "dictionaryType"}
    assert (description.predictedFeatureName, description.predictedProbabilitiesName) == (
        "classLabel",
        "loss",
    )
    metadata = description.metadata
    assert (metadata.author, metadata.versionString) == (card.project, card.dahlia_version)
    assert "who trained it" in metadata.license
    assert all(tag.name in metadata.shortDescription for tag in card.tags)
    assert all(feature.shortDescription for feature in (*description.input, *description.output))


@pytest.mark.parametrize(
    ("flavour", "version"), [("float32", 6), ("float16", 6), ("mlmodel", 4), ("mlmodel-float16", 4)]
)
def test_the_oldest_system_that_has_the_form_runs_it(exported: Exported, flavour: str, version: int) -> None:
    assert read_model(exported(flavour) / FILES[flavour])[0].specificationVersion == version


def test_the_domain_says_how_colours_come(
    exported: Exported, source_once: Source, known: Known, tmp_path: Path
) -> None:
    card = source_once.card.model_copy(update={"channels": "RGB"})
    port.write(tmp_path, replace(source_once, card=card), "mlmodel")
    assert source_once.card.domain == "General (compact)"
    pixels, answers = known

    for folder, colours in ((exported("mlmodel"), "BGR"), (tmp_path, "RGB")):
        model = Interpreted(folder / "model.mlmodel")
        assert model.image.colours == colours
        assert np.abs(model.run(pixels) - answers).max() <= 1e-4, colours


@pytest.mark.parametrize("flavour", ["float16", "mlmodel-float16"])
def test_half_precision_halves_the_weights(exported: Exported, flavour: str) -> None:
    whole = {"float16": "float32", "mlmodel-float16": "mlmodel"}[flavour]

    assert _size(exported(flavour)) < 0.65 * _size(exported(whole))


@flavours
def test_the_same_model_gives_the_same_bytes(
    exported: Exported, source_once: Source, tmp_path: Path, flavour: str
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    port.write(again, source_once, flavour)

    first = exported(flavour)
    names = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert names
    assert all((again / name).read_bytes() == (first / name).read_bytes() for name in names)


def test_a_network_of_independent_tags_is_written(source_once: Source, known: Known, tmp_path: Path) -> None:
    import torch

    card = source_once.card.model_copy(update={"classification": "multilabel"})
    module = source_once.module()
    module.kind = "multilabel"
    pixels, _ = known
    with torch.inference_mode():
        answers = module(torch.from_numpy(pixels)).numpy()

    class Multilabel(Source):
        def module(self) -> Any:
            return module

    port.write(tmp_path, Multilabel(source_once.bundle, card, source_once.cache, list), "float32")

    with port.opened(tmp_path) as model:
        assert np.abs(model.run(pixels) - answers).max() <= 1e-4


def test_an_unknown_flavour_is_refused(source_once: Source, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="has the flavours float32, float16"):
        port.write(tmp_path, source_once, "float8")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(VerificationError, match=r"model\.mlpackage or model\.mlmodel and holds 0"),
        port.opened(tmp_path),
    ):
        pass


@flavours
def test_the_lines_of_the_readme_run(
    exported: Exported, known: Known, source_once: Source, flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exported(flavour)
    pixels, answers = known
    photo = pixels[3].transpose(1, 2, 0).astype(np.uint8)
    cv2.imwrite(str(folder / "photo.png"), photo[..., ::-1])
    (folder / "photo.png").rename(folder / "photo.jpg")  # OpenCV looks at the content, and loses nothing
    monkeypatch.setitem(sys.modules, "coremltools", _stand_in())
    monkeypatch.chdir(folder)
    usage = port.usage(source_once.card, flavour)
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        exec(usage.lines, {})

    check_printed(printed.getvalue(), answers[3], LIMITS[flavour])
    assert "coremltools" in usage.packages
    assert "VNCoreMLRequest" in "".join(usage.notes)


def test_on_macos_core_ml_itself_answers(
    exported: Exported, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "core_ml", lambda: _stand_in().models)
    monkeypatch.setattr(port, "has_core_ml", lambda: True)
    pixels, answers = known

    with port.opened(exported("float32")) as model:
        assert np.abs(model.run(pixels) - answers).max() <= 1e-4
        assert model.runtime.startswith("Core ML, macOS")


def test_what_core_ml_refuses_is_said(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise RuntimeError("no such plan")

    monkeypatch.setattr(device, "core_ml", lambda: SimpleNamespace(MLModel=refuse))
    monkeypatch.setattr(port, "has_core_ml", lambda: True)

    with (
        pytest.raises(VerificationError, match=r"cannot load model\.mlpackage: no such plan"),
        port.opened(exported("float32")),
    ):
        pass


@pytest.mark.parametrize("flavour", ["float32", "mlmodel"])
def test_opening_imports_neither_torch_nor_coremltools(exported: Exported, flavour: str) -> None:
    lines = (
        "import sys, pathlib, numpy\n"
        "from dahlia.export.coreml import port\n"
        f"with port.opened(pathlib.Path({str(exported(flavour))!r})) as model:\n"
        f"    model.run(numpy.zeros((1, 3, {SIZE}, {SIZE}), numpy.float32))\n"
        "print(sorted({'torch', 'coremltools', 'tensorflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_writing_is_silent(source_once: Source, tmp_path: Path) -> None:
    lines = (
        "import pathlib\n"
        "from dahlia.export.coreml import port\n"
        "from dahlia.export.port import Source\n"
        "from dahlia.modeling.card import load_card\n"
        f"bundle = pathlib.Path({str(source_once.bundle)!r})\n"
        f"source = Source(bundle, load_card(bundle), pathlib.Path({str(tmp_path)!r}), list)\n"
        f"port.write(pathlib.Path({str(tmp_path)!r}), source, 'float16')\n"
        f"port.write(pathlib.Path({str(tmp_path)!r}), source, 'mlmodel')\n"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _stand_in() -> Any:
    class MLModel:
        def __init__(self, path: str) -> None:
            self.model = Interpreted(Path(path))

        def predict(self, given: dict[str, Any]) -> dict[str, Any]:
            pixels = np.asarray(given[self.model.image.name], np.float32).transpose(2, 0, 1)
            (row,) = self.model.run(pixels[None])
            answers = dict(zip(self.model.labels, row.tolist(), strict=True))
            return {"classLabel": max(answers, key=answers.__getitem__), "loss": answers}

    return SimpleNamespace(models=SimpleNamespace(MLModel=MLModel))
