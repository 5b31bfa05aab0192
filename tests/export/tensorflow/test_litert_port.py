"""LiteRT's files: what they say, what they carry, and faults that are caught."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from readme_lines import TAGS, check_python

from dahlia.errors import ExportError, VerificationError
from dahlia.export.port import Batch, Source, write_labels
from dahlia.export.tensorflow import litert

pytestmark = pytest.mark.slow

LIMITS = {"float32": 1e-5, "float16": 5e-3, "int8": 0.1}


def written(folder: Path, source: Source, flavour: str = "float32") -> Path:
    folder.mkdir()
    litert.write(folder, source, flavour)
    write_labels(folder, source.card)
    return folder


@pytest.mark.parametrize("flavour", LIMITS)
def test_it_says_what_was_trained(
    tmp_path: Path, source: Source, pixels: Batch, answers: Batch, flavour: str
) -> None:
    folder = written(tmp_path / "out", source, flavour)
    assert sorted(part.name for part in folder.iterdir()) == ["labels.txt", "model.tflite"]
    with litert.opened(folder) as opened:
        said = np.concatenate([opened.run(image[None]) for image in pixels])
        assert np.abs(said - answers).max() <= LIMITS[flavour]
        assert np.abs(opened.run(pixels[:, ::-1]) - answers).max() > 0.1
        assert opened.labels == TAGS
        assert opened.runtime.startswith("LiteRT of TensorFlow 2.")


def test_the_same_model_gives_the_same_file(tmp_path: Path, source: Source) -> None:
    first, second = (written(tmp_path / name, source) for name in ("first", "second"))
    assert (first / "model.tflite").read_bytes() == (second / "model.tflite").read_bytes()


def test_the_labels_are_where_others_look(tmp_path: Path, source: Source) -> None:
    folder = written(tmp_path / "out", source)
    with zipfile.ZipFile(folder / "model.tflite") as archive:
        assert archive.testzip() is None
        (entry,) = archive.infolist()
        assert (entry.filename, entry.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
        assert archive.read("labels.txt") == (folder / "labels.txt").read_bytes()


def test_weights_lie_at_multiples_of_16_bytes(tmp_path: Path, source: Source) -> None:
    from dahlia.export.tensorflow._runtime import tf

    del tf
    from tensorflow.lite.python import schema_py_generated as schema

    content = (written(tmp_path / "out", source) / "model.tflite").read_bytes()
    model = schema.Model.GetRootAsModel(content, 0)
    whole = np.frombuffer(content, np.uint8)
    places = [
        model.Buffers(number).DataAsNumpy().ctypes.data - whole.ctypes.data
        for number in range(model.BuffersLength())
        if model.Buffers(number).DataLength()
    ]
    assert len(places) > 10
    assert all(place % 16 == 0 for place in places)


def test_nothing_is_said_aside(
    tmp_path: Path, source: Source, pixels: Batch, capfd: pytest.CaptureFixture[str]
) -> None:
    source.photos()
    capfd.readouterr()
    with litert.opened(written(tmp_path / "out", source, "int8")) as opened:
        opened.run(pixels[:1])
    assert capfd.readouterr() == ("", "")


def test_int8_wants_photos(tmp_path: Path, source: Source) -> None:
    blind = Source(source.bundle, source.card, source.cache, list)
    with pytest.raises(ExportError, match="learns the range of every map from photos, received none"):
        litert.write(tmp_path, blind, "int8")
    assert not list(tmp_path.glob("*.tflite"))


def truncate(folder: Path) -> None:
    path = folder / "model.tflite"
    path.write_bytes(path.read_bytes()[:-200])


def forget_labels(folder: Path) -> None:
    (folder / "labels.txt").unlink()


def take_others(folder: Path) -> None:
    (folder / "labels.txt").write_text("green\nblue\nred", encoding="utf-8")


def forget_model(folder: Path) -> None:
    (folder / "model.tflite").unlink()


def forget_metadata(folder: Path) -> None:
    path = folder / "model.tflite"
    path.write_bytes(path.read_bytes().replace(b"TFLITE_METADATA", b"TFLITE_metadata"))


def other_schema(folder: Path) -> None:
    path = folder / "model.tflite"
    path.write_bytes(path.read_bytes().replace(b"M001", b"M002"))


def damage_labels(folder: Path) -> None:
    path = folder / "model.tflite"
    path.write_bytes(path.read_bytes().replace(b"blue\ngreen\nred", b"blue\ngreen\nRED"))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (truncate, "not a zip file"),
        (forget_labels, "labels.txt was expected"),
        (take_others, "of another training"),
        (forget_model, "No such file"),
        (forget_metadata, "has no TFLITE_METADATA"),
        (other_schema, "has no TFLITE_METADATA"),
        (damage_labels, "Bad CRC-32"),
    ],
)
def test_faults_are_caught(tmp_path: Path, source: Source, fault: object, message: str) -> None:
    folder = written(tmp_path / "out", source)
    fault(folder)  # type: ignore[operator]
    with pytest.raises(VerificationError, match=message), litert.opened(folder):
        pass


def test_an_archive_that_is_no_model_is_refused(tmp_path: Path, source: Source) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("labels.txt", "blue\ngreen\nred")
    (tmp_path / "model.tflite").write_bytes(buffer.getvalue())
    write_labels(tmp_path, source.card)
    with pytest.raises(VerificationError, match="carry its labels"), litert.opened(tmp_path):
        pass


# The lines leave the closing of files to Python; the interpreter is about to move to the other package.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("flavour", ["float32", "int8"])
def test_the_lines_of_the_readme_run(
    tmp_path: Path, source: Source, capsys: pytest.CaptureFixture[str], flavour: str
) -> None:
    folder = written(tmp_path / "out", source, flavour)
    check_python(litert.usage(source.card, flavour).lines, folder, litert.opened, 1e-4, capsys)
