"""Files that are damaged, or that compute something else, are found out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dahlia.errors import VerificationError
from dahlia.export.coreml import port
from dahlia.export.coreml.interpreter.files import Weights, messages, read_model
from dahlia.export.port import Batch, Source

pytestmark = pytest.mark.slow

Exported = Callable[[str], Path]
PROGRAM = "model.mlpackage/Data/com.apple.CoreML/model.mlmodel"
BLOBS = "model.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
NETWORK = "model.mlmodel"


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    model = messages().Model_pb2.Model()
    model.ParseFromString(path.read_bytes())
    yield model
    path.write_bytes(model.SerializeToString())


def operations(model: Any) -> Any:
    main = model.mlProgram.functions["main"]
    return main.block_specializations[main.opset].operations


def first(items: Any, kind: str, field: str = "type") -> Any:
    return next(
        item for item in items if (item.type if field == "type" else item.WhichOneof("layer")) == kind
    )


def shorten(path: Path, share: float = 0.5) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


DAMAGE: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("the program is cut short", "float32", lambda at: shorten(at / PROGRAM), "cannot be read"),
    ("the weights are cut short", "float32", lambda at: shorten(at / BLOBS), "cut short"),
    ("the weights are empty", "float32", lambda at: shorten(at / BLOBS, 0), "cut short"),
    ("the weights are missing", "float32", lambda at: (at / BLOBS).unlink(), "hold the program's weights"),
    ("the weights are others", "float32", lambda at: (at / BLOBS).write_bytes(bytes(9_999_999)), "mark 0x0"),
    (
        "the manifest is missing",
        "float32",
        lambda at: (at / "model.mlpackage/Manifest.json").unlink(),
        "Manifest",
    ),
    (
        "the manifest is no JSON",
        "float32",
        lambda at: shorten(at / "model.mlpackage/Manifest.json"),
        "Manifest",
    ),
    (
        "the manifest names nothing",
        "float32",
        lambda at: (at / "model.mlpackage/Manifest.json").write_text(json.dumps({"itemInfoEntries": {}})),
        "Manifest",
    ),
    ("the network is cut short", "mlmodel", lambda at: shorten(at / NETWORK), "cannot be read"),
    ("the network is empty", "mlmodel", lambda at: shorten(at / NETWORK, 0), "holds a None"),
    ("the network is a text", "mlmodel", lambda at: (at / NETWORK).write_text("a model"), "Export again"),
    ("two models", "mlmodel", lambda at: (at / "model.mlpackage").mkdir(), "holds 2 of them"),
]


@pytest.mark.parametrize(
    ("flavour", "damage", "text"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE]
)
def test_a_damaged_file_is_refused(
    exported: Exported, flavour: str, damage: Callable[[Path], object], text: str
) -> None:
    folder = exported(flavour)
    damage(folder)

    with pytest.raises(VerificationError, match=text), port.opened(folder):
        pass


def other_operation(model: Any) -> None:
    first(operations(model), "conv").type = "conv_of_tomorrow"


def other_layer(model: Any) -> None:
    first(model.neuralNetworkClassifier.layers, "convolution", "layer").lrn.localSize = 3


def no_tags(model: Any) -> None:
    rows = operations(model)
    rows.remove(first(rows, "classify"))


def no_layers(model: Any) -> None:
    del model.neuralNetworkClassifier.layers[:]


def five_axes(model: Any) -> None:
    model.neuralNetworkClassifier.arrayInputShapeMapping = 0


def two_inputs(model: Any) -> None:
    model.description.input.add().CopyFrom(model.description.input[0])


def grey(model: Any) -> None:
    model.description.input[0].type.imageType.colorSpace = 10


def mean_image(model: Any) -> None:
    model.neuralNetworkClassifier.preprocessing[0].meanImage.meanImage.append(1.0)


STRANGE = [
    ("float32", PROGRAM, other_operation, "does not know the operation conv_of_tomorrow"),
    ("mlmodel", NETWORK, other_layer, "does not know the layer lrn"),
    ("float32", PROGRAM, no_tags, "`classify`"),
    ("mlmodel", NETWORK, no_layers, "have layers and tags and has 0"),
    ("mlmodel", NETWORK, five_axes, "five axes"),
    ("mlmodel", NETWORK, two_inputs, "take one image"),
    ("float32", PROGRAM, grey, "takes GRAYSCALE"),
    ("mlmodel", NETWORK, mean_image, "mean image"),
]


@pytest.mark.parametrize(
    ("flavour", "file", "change", "text"), STRANGE, ids=[row[2].__name__ for row in STRANGE]
)
def test_what_is_not_known_is_named(
    exported: Exported, flavour: str, file: str, change: Callable[[Any], None], text: str
) -> None:
    folder = exported(flavour)
    with edited(folder / file) as model:
        change(model)

    with pytest.raises(VerificationError, match=text), port.opened(folder):
        pass


def wrong_shape(model: Any) -> None:
    made = first(operations(model), "conv").outputs[0]
    made.type.tensorType.dimensions[1].constant.size += 1


def wrong_axis(model: Any) -> None:
    first(model.neuralNetworkClassifier.layers, "softmaxND", "layer").softmaxND.axis = 9


def no_answer(model: Any) -> None:
    model.neuralNetworkClassifier.labelProbabilityLayerName = "elsewhere"


RUNS = [
    ("float32", PROGRAM, wrong_shape, "cannot run the operation conv"),
    ("mlmodel", NETWORK, wrong_axis, "cannot run the layer softmaxND"),
    ("mlmodel", NETWORK, no_answer, "names elsewhere as its output"),
]


@pytest.mark.parametrize(("flavour", "file", "change", "text"), RUNS, ids=[row[2].__name__ for row in RUNS])
def test_what_cannot_be_run_is_named(
    exported: Exported,
    known: tuple[Batch, Any],
    flavour: str,
    file: str,
    change: Callable[[Any], None],
    text: str,
) -> None:
    folder = exported(flavour)
    with edited(folder / file) as model:
        change(model)

    with port.opened(folder) as opened, pytest.raises(VerificationError, match=text):
        opened.run(known[0])


def test_photos_of_another_size_are_refused(exported: Exported) -> None:
    with port.opened(exported("float32")) as opened, pytest.raises(VerificationError, match="32 x 32 pixels"):
        opened.run(np.zeros((1, 3, 64, 64), np.float32))


def swapped_colours(model: Any) -> None:
    image = model.description.input[0].type.imageType
    image.colorSpace = {20: 30, 30: 20}[image.colorSpace]


def no_mean(model: Any) -> None:
    first(operations(model), "sub").type = "maximum"


def scaled_twice(model: Any) -> None:
    model.neuralNetworkClassifier.preprocessing[0].scaler.channelScale = 1 / 255


def transposed(model: Any) -> None:
    head = first(model.neuralNetworkClassifier.layers, "innerProduct", "layer").innerProduct
    kept = np.array(head.weights.floatValue).reshape(head.outputChannels, head.inputChannels)
    head.weights.floatValue[:] = kept.T.ravel().tolist()


WRONG = [
    ("float32", PROGRAM, swapped_colours),
    ("mlmodel", NETWORK, swapped_colours),
    ("float32", PROGRAM, no_mean),
    ("mlmodel", NETWORK, scaled_twice),
    ("mlmodel", NETWORK, transposed),
]


@pytest.mark.parametrize(
    ("flavour", "file", "change"), WRONG, ids=[f"{row[2].__name__}-{row[0]}" for row in WRONG]
)
def test_a_planted_fault_shows_in_the_answer(
    exported: Exported, known: tuple[Batch, Any], flavour: str, file: str, change: Callable[[Any], None]
) -> None:
    folder = exported(flavour)
    with edited(folder / file) as model:
        change(model)
    pixels, answers = known

    with port.opened(folder) as opened:
        assert np.abs(opened.run(pixels) - answers).max() > 1e-3


def test_transposed_weights_of_a_program_show_in_the_answer(
    exported: Exported, known: tuple[Batch, Any]
) -> None:
    folder = exported("float32")
    model, _ = read_model(folder / "model.mlpackage")
    name = first(operations(model), "linear").inputs["weight"].arguments[0].name
    constant = next(item for item in operations(model) if item.outputs[0].name == name)
    blob = constant.attributes["val"].blobFileValue
    kept = Weights((folder / PROGRAM).parent).read(blob.fileName, blob.offset)
    content = bytearray((folder / BLOBS).read_bytes())
    start = content.index(kept.tobytes())
    content[start : start + kept.nbytes] = kept.reshape(3, -1).T.tobytes()
    (folder / BLOBS).write_bytes(content)

    with port.opened(folder) as opened:
        assert np.abs(opened.run(known[0]) - known[1]).max() > 1e-3


def other_tags_of_a_network(model: Any) -> None:
    model.neuralNetworkClassifier.stringClassLabels.vector[0] = "stale"


def other_tags_of_a_program(model: Any) -> None:
    classes = first(operations(model), "classify").inputs["classes"].arguments[0].value
    classes.immediateValue.list.values[0].immediateValue.tensor.strings.values[0] = "stale"


@pytest.mark.parametrize(
    ("flavour", "file", "change"),
    [("float32", PROGRAM, other_tags_of_a_program), ("mlmodel", NETWORK, other_tags_of_a_network)],
)
def test_stale_tags_are_those_of_the_file(
    exported: Exported, source_once: Source, flavour: str, file: str, change: Callable[[Any], None]
) -> None:
    folder = exported(flavour)
    with edited(folder / file) as model:
        change(model)

    with port.opened(folder) as opened:
        assert opened.labels == ("stale", *(tag.name for tag in source_once.card.tags[1:]))
