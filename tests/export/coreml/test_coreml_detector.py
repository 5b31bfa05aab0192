"""Detectors in the four flavours: files, their proof, what programs read in them, and wrong files."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from following import following_once
from test_coreml_faults import BLOBS, NETWORK, PROGRAM, edited, first, operations

from dahlia.boxes import Boxes
from dahlia.errors import ExportError, VerificationError
from dahlia.export.artifacts import export_inputs
from dahlia.export.box_answers import BoxAnswers, BoxRule
from dahlia.export.box_proof import BoxComparison, BoxPhotos, compare_boxes, require_boxes
from dahlia.export.coreml import detector_file, device, port
from dahlia.export.coreml.interpreter.files import messages, read_model
from dahlia.export.coreml.interpreter.model import RUNTIME, InterpretedDetector
from dahlia.export.formats import FORMATS, Format
from dahlia.export.packing import add_companions
from dahlia.export.port import Source
from dahlia.export.verify import LIMITS
from dahlia.modeling.card import load_card, save_card
from small_detectors import SIZE, STRIDES, TAGS, Output, SmallDetector, make_detector

pytestmark = pytest.mark.slow

FORMS: dict[str, Format] = {form.flavour: form for form in FORMATS if form.family == "coreml"}
OUTPUTS: tuple[Output, ...] = ("boxes", "grid")
outputs = pytest.mark.parametrize("output", OUTPUTS)
flavours = pytest.mark.parametrize("flavour", FORMS)
Written = Callable[[Output, str], Path]


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> dict[Output, SmallDetector]:
    """A detector of each output; not to be changed."""
    return {output: make_detector(tmp_path_factory.mktemp(output), output) for output in STRIDES}


@pytest.fixture(scope="module")
def written(detectors: dict[Output, SmallDetector], tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The folder of a flavour, written when it is first asked for; not to be changed."""
    folders: dict[tuple[Output, str], Path] = {}
    followed: dict[str, Any] = {}
    cache = tmp_path_factory.mktemp("cache")

    def of(output: Output, flavour: str) -> Path:
        if (output, flavour) not in folders:
            folder = folders[output, flavour] = tmp_path_factory.mktemp(f"{output}-{flavour}")
            source = detectors[output].source(cache)
            with following_once(followed):
                port.write(folder, source, flavour)
            add_companions(folder, FORMS[flavour], source.card)
        return folders[output, flavour]

    return of


@pytest.fixture
def copied(written: Written, tmp_path: Path) -> Written:
    """A copy of the folder of a flavour."""
    import shutil

    return lambda output, flavour: Path(shutil.copytree(written(output, flavour), tmp_path / "copied"))


def photos_of(detector: SmallDetector) -> BoxPhotos:
    found = export_inputs(detector.bundle, detector.records, detector.root).verification_set(64)
    assert isinstance(found, BoxPhotos)
    return found


def prove(folder: Path, detector: SmallDetector, flavour: str) -> BoxComparison:
    """As exports are proven, with the limit of the flavour."""
    card, limit = load_card(detector.bundle), LIMITS[FORMS[flavour].precision]
    with port.opened_detector(folder) as opened:
        assert (opened.labels, opened.size, opened.runtime) == (TAGS, SIZE, RUNTIME)
        comparison = compare_boxes(photos_of(detector), opened, card, limit)
    require_boxes(comparison, limit, flavour)
    return comparison


@flavours
@outputs
def test_the_file_finds_what_the_detector_finds(
    written: Written, detectors: dict[Output, SmallDetector], output: Output, flavour: str
) -> None:
    compared = prove(written(output, flavour), detectors[output], flavour)

    assert compared.boxes > 8
    assert compared.overlap > 0.999
    if FORMS[flavour].precision == "float32":
        assert compared.replaced == 0
        assert compared.largest < 2e-5


@flavours
@outputs
def test_the_file_says_what_it_is(
    written: Written, detectors: dict[Output, SmallDetector], output: Output, flavour: str
) -> None:
    folder, card = written(output, flavour), load_card(detectors[output].bundle)
    model, _ = read_model(folder / FORMS[flavour].model_file)
    image = model.description.input[0]
    spaces = messages().FeatureTypes_pb2.ImageFeatureType.ColorSpace

    assert (image.name, image.type.imageType.width, image.type.imageType.height) == ("data", SIZE, SIZE)
    assert spaces.Name(image.type.imageType.colorSpace) == {"grid": "BGR", "boxes": "RGB"}[output]
    names = {feature.name for feature in model.description.output}
    assert names == {"grid": {"model_outputs0"}, "boxes": {"coordinates", "confidence"}}[output]
    others = [feature.name for feature in model.description.input[1:]]
    assert others == {"grid": [], "boxes": ["iouThreshold", "confidenceThreshold"]}[output]
    metadata = model.description.metadata
    assert (metadata.author, metadata.versionString) == (card.project, card.dahlia_version)
    assert metadata.shortDescription.startswith("Finds objects of 3 tags in a photo: aphid, bee, rose.")
    assert metadata.userDefined["dahlia.tags"].split("\n") == list(TAGS)
    assert metadata.userDefined["dahlia.overlap"] == "0.45"
    features = (*model.description.input, *model.description.output)
    assert all(feature.shortDescription for feature in features)
    assert model.specificationVersion == (6 if flavour.startswith("float") else 4)


@pytest.mark.parametrize("flavour", ["float32", "mlmodel"])
def test_the_pipeline_is_one_that_core_ml_takes(written: Written, flavour: str) -> None:
    """What Core ML's own validators ask of pipelines and of suppression."""
    model, _ = read_model(written("boxes", flavour) / FORMS[flavour].model_file)
    detector, candidates, suppression = model.pipeline.models
    kinds = [stage.WhichOneof("Type") for stage in model.pipeline.models]
    program = {"float32": "mlProgram", "mlmodel": "neuralNetwork"}[flavour]
    assert kinds == [program, "neuralNetwork", "nonMaximumSuppression"]
    assert len(set(model.pipeline.names)) == len(kinds)
    rows = min(1000, 3 * sum((SIZE // stride) ** 2 for stride in STRIDES["boxes"]))
    own = suppression.nonMaximumSuppression
    inputs = {feature.name: feature.type for feature in suppression.description.input}
    ends = {feature.name: feature.type for feature in suppression.description.output}
    double = messages().FeatureTypes_pb2.ArrayFeatureType.DOUBLE
    for name, columns in ((own.confidenceInputFeatureName, 3), (own.coordinatesInputFeatureName, 4)):
        assert inputs[name].multiArrayType.dataType == double, "before iOS 14 no other type is taken"
        assert list(inputs[name].multiArrayType.shape) == [rows, columns]
    for name, columns in ((own.confidenceOutputFeatureName, 3), (own.coordinatesOutputFeatureName, 4)):
        assert ends[name].multiArrayType.dataType == double
        boxes, numbers = ends[name].multiArrayType.shapeRange.sizeRanges
        assert (boxes.lowerBound, boxes.upperBound) == (0, 64)
        assert (numbers.lowerBound, numbers.upperBound) == (columns, columns)
    assert inputs[own.iouThresholdInputFeatureName].isOptional
    assert inputs[own.confidenceThresholdInputFeatureName].isOptional
    assert own.pickTop.perClass
    assert (own.iouThreshold, own.confidenceThreshold) == (0.45, 0.01)
    assert tuple(own.stringClassLabels.vector) == TAGS
    assert {stage.specificationVersion for stage in (candidates, suppression)} == {4}
    assert detector.specificationVersion == model.specificationVersion


@outputs
def test_the_backbone_alone_is_in_half_precision(written: Written, output: Output) -> None:
    model, _ = read_model(written(output, "float16") / "model.mlpackage")
    program = model.pipeline.models[0] if output == "boxes" else model
    half = messages().MIL_pb2.DataType.Value("FLOAT16")
    by_half: dict[bool, set[str]] = {True: set(), False: set()}
    for operation in operations(program):
        if operation.type != "const":
            by_half[operation.outputs[0].type.tensorType.dataType == half].add(operation.type)

    assert {"conv", "relu"} <= by_half[True]
    assert {"conv", "relu6", "softplus", "sigmoid", "upsample_nearest_neighbor"} <= by_half[False]
    assert not {"relu6", "softplus", "sigmoid", "upsample_nearest_neighbor"} & by_half[True]


@outputs
@pytest.mark.parametrize("flavour", ["float16", "mlmodel-float16"])
def test_half_precision_is_smaller(written: Written, output: Output, flavour: str) -> None:
    whole = {"float16": "float32", "mlmodel-float16": "mlmodel"}[flavour]

    assert _size(written(output, flavour)) < 0.65 * _size(written(output, whole))


@outputs
@pytest.mark.parametrize("flavour", ["float16", "mlmodel-float16"])
def test_the_same_detector_gives_the_same_bytes(
    written: Written,
    detectors: dict[Output, SmallDetector],
    tmp_path: Path,
    output: Output,
    flavour: str,
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    port.write(again, detectors[output].source(tmp_path), flavour)

    names = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert names
    assert all(
        (again / name).read_bytes() == (written(output, flavour) / name).read_bytes() for name in names
    )


def pixels_of(detector: SmallDetector, number: int) -> Any:
    return photos_of(detector).pixels[number]


def test_a_published_program_reads_the_grid(written: Written, detectors: dict[Output, SmallDetector]) -> None:
    """It wants one output of five axes, takes the last three, and makes cells of them."""
    model = InterpretedDetector(written("grid", "mlmodel") / "model.mlmodel")
    photos = photos_of(detectors["grid"])

    (grid,) = model.run(photos.pixels[0]).values()

    cells = SIZE // max(STRIDES["grid"])
    assert grid.shape == (1, 1, 5 * (5 + len(TAGS)), cells, cells)
    assert grid.dtype == np.float32
    assert np.abs(grid).max() < 65504, "a client may read it in 16 bits"
    found = BoxAnswers("grid", len(TAGS), BoxRule(0.45, 0.01, 64)).of_grid(grid[0][0][None])
    np.testing.assert_allclose(found.scores, photos.expected[0].scores, atol=1e-4)


def test_a_published_program_reads_boxes(written: Written, detectors: dict[Output, SmallDetector]) -> None:
    """It takes the best column of each row; coordinates are as Vision has them: by the centre."""
    model = InterpretedDetector(written("boxes", "mlmodel") / "model.mlmodel")
    photos = photos_of(detectors["boxes"])
    expected = photos.expected[2]

    answers = model.run(photos.pixels[2])

    assert set(answers) == {"coordinates", "confidence"}
    assert answers["confidence"].shape == (len(expected), len(TAGS))
    assert answers["coordinates"].shape == (len(expected), 4)
    assert ((answers["confidence"] > 0).sum(1) == 1).all()
    np.testing.assert_allclose(answers["confidence"].max(1), expected.scores, atol=1e-4)
    sure = np.append(expected.scores[:-1] - expected.scores[1:] > 2e-4, True)
    centres = expected.places[:, :2] + expected.places[:, 2:] / 2
    np.testing.assert_array_equal(answers["confidence"].argmax(1)[sure], expected.tags[sure])
    np.testing.assert_allclose(answers["coordinates"][sure, :2], centres[sure], atol=1e-4)
    np.testing.assert_allclose(answers["coordinates"][sure, 2:], expected.places[sure, 2:], atol=1e-4)


def test_only_the_best_candidates_are_suppressed() -> None:
    import torch

    from dahlia.export.coreml.suppression import Candidates

    numbers = torch.Generator().manual_seed(0)
    places, scores = torch.rand(1, 700, 4, generator=numbers), torch.rand(1, 700, 3, generator=numbers) / 3

    coordinates, confidence = Candidates(700, 3)(places, scores)

    assert (coordinates.shape, confidence.shape) == ((1000, 4), (1000, 3))
    order = np.argsort(-scores[0].numpy().ravel(), kind="stable")[:1000]
    position, tag = np.divmod(order, 3)
    np.testing.assert_array_equal(confidence.argmax(1).numpy(), tag)
    np.testing.assert_array_equal(confidence.max(1).values.numpy(), scores[0].numpy()[position, tag])
    start, size = places[0].numpy()[position, :2], places[0].numpy()[position, 2:]
    np.testing.assert_allclose(coordinates.numpy(), np.concatenate([start + size / 2, size], 1), atol=1e-6)


def swapped_colours(model: Any) -> None:
    for part in (model, *model.pipeline.models[:1]):
        image = part.description.input[0].type.imageType
        image.colorSpace = {20: 30, 30: 20}[image.colorSpace]


def corners_for_centres(model: Any) -> None:
    """As if coordinates were of the top left corner."""
    first(model.pipeline.models[1].neuralNetwork.layers, "multiply", "layer").multiply.alpha = 1e-9


def nothing_suppressed(model: Any) -> None:
    model.pipeline.models[-1].nonMaximumSuppression.iouThreshold = 1.0


def all_tags_together(model: Any) -> None:
    model.pipeline.models[-1].nonMaximumSuppression.pickTop.perClass = False


def few_boxes(model: Any) -> None:
    for part in (model, model.pipeline.models[-1]):
        for feature in part.description.output:
            feature.type.multiArrayType.shapeRange.sizeRanges[0].upperBound = 3


def high_scores_alone(model: Any) -> None:
    model.pipeline.models[-1].nonMaximumSuppression.confidenceThreshold = 0.4


def turned_tags(model: Any) -> None:
    table = first(model.pipeline.models[1].neuralNetwork.layers, "loadConstantND", "layer").loadConstantND
    table.data.floatValue[:] = [(value + 1) % len(TAGS) for value in table.data.floatValue]


def turned_grid(model: Any) -> None:
    """Rows for columns."""
    last = [layer for layer in model.neuralNetwork.layers if layer.WhichOneof("layer") == "transpose"][-1]
    axes = list(last.transpose.axes)
    last.transpose.axes[:] = [*axes[:-2], axes[-1], axes[-2]]


def one_anchor_for_all(model: Any) -> None:
    for layer in model.neuralNetwork.layers:
        if "div_7" in layer.name and layer.WhichOneof("layer") == "loadConstantND":
            numbers = layer.loadConstantND.data.floatValue
            numbers[:] = [sum(numbers) / len(numbers)] * len(numbers)


WRONG: list[tuple[Output, str, str, Callable[[Any], None]]] = [
    ("grid", "float32", PROGRAM, swapped_colours),
    ("grid", "mlmodel", NETWORK, swapped_colours),
    ("grid", "mlmodel", NETWORK, turned_grid),
    ("grid", "mlmodel", NETWORK, one_anchor_for_all),
    ("boxes", "float32", PROGRAM, swapped_colours),
    ("boxes", "float32", PROGRAM, nothing_suppressed),
    ("boxes", "mlmodel", NETWORK, corners_for_centres),
    ("boxes", "mlmodel", NETWORK, nothing_suppressed),
    ("boxes", "mlmodel", NETWORK, all_tags_together),
    ("boxes", "mlmodel", NETWORK, few_boxes),
    ("boxes", "mlmodel", NETWORK, high_scores_alone),
    ("boxes", "mlmodel", NETWORK, turned_tags),
]


@pytest.mark.parametrize(
    ("output", "flavour", "file", "change"), WRONG, ids=[f"{row[3].__name__}-{row[1]}" for row in WRONG]
)
def test_a_wrong_file_is_refused(
    copied: Written,
    detectors: dict[Output, SmallDetector],
    output: Output,
    flavour: str,
    file: str,
    change: Callable[[Any], None],
) -> None:
    folder = copied(output, flavour)
    with edited(folder / file) as model:
        before = model.SerializeToString()
        change(model)
        assert model.SerializeToString() != before

    with pytest.raises(VerificationError, match="does not find what the trained detector finds"):
        prove(folder, detectors[output], flavour)


def other_tags(model: Any) -> None:
    model.pipeline.models[-1].nonMaximumSuppression.stringClassLabels.vector[0] = "stale"


def other_names(model: Any) -> None:
    model.description.metadata.userDefined["dahlia.tags"] = "stale\nbee\nrose"


def other_output(model: Any) -> None:
    model.description.output[0].name = "elsewhere"
    model.neuralNetwork.layers[-1].output[0] = "elsewhere"


def other_axes(model: Any) -> None:
    axes = model.description.output[0].type.multiArrayType.shape
    axes[:] = [1, *axes]


STRANGE: list[tuple[Output, str, Callable[[Any], None], str]] = [
    ("boxes", NETWORK, other_tags, "names the tags stale, bee, rose and labels.txt others"),
    ("grid", NETWORK, other_names, "names the tags stale, bee, rose and labels.txt others"),
    (
        "grid",
        NETWORK,
        other_output,
        "to answer model_outputs0, or coordinates and confidence; received elsewhere",
    ),
    ("grid", PROGRAM, other_axes, "as it is declared"),
]


@pytest.mark.parametrize(
    ("output", "file", "change", "text"), STRANGE, ids=[row[2].__name__ for row in STRANGE]
)
def test_what_is_strange_is_named(
    copied: Written, output: Output, file: str, change: Callable[[Any], None], text: str
) -> None:
    folder = copied(output, "mlmodel" if file == NETWORK else "float32")
    with edited(folder / file) as model:
        change(model)

    with pytest.raises(VerificationError, match=text), port.opened_detector(folder) as opened:
        opened.find(np.zeros((1, 3, SIZE, SIZE), np.float32))


def test_weights_that_are_missing_are_named(copied: Written) -> None:
    folder = copied("boxes", "float32")
    (folder / BLOBS).unlink()

    with pytest.raises(VerificationError, match="weights"), port.opened_detector(folder):
        pass


def test_a_classifier_is_not_read_as_a_detector(source_once: Source, tmp_path: Path, copied: Written) -> None:
    folder = copied("grid", "mlmodel")
    with pytest.raises(VerificationError, match="expected to be a classifier's"), port.opened(folder):
        pass
    port.write(tmp_path, source_once, "mlmodel")
    (folder / NETWORK).write_bytes((tmp_path / NETWORK).read_bytes())

    with pytest.raises(VerificationError, match=r"names the tags|to answer"), port.opened_detector(folder):
        pass


def test_a_grid_wants_five_places_in_a_cell(tmp_path: Path) -> None:
    detector = make_detector(tmp_path / "project", "boxes", photos=2)
    card = load_card(detector.bundle)
    assert card.detector is not None
    how = card.detector.model_copy(update={"output": "grid"})
    save_card(detector.bundle, card.model_copy(update={"detector": how}))

    with pytest.raises(ExportError, match=r"5 places in each of its cells.*strides of 8, 16, 32 px"):
        port.write(tmp_path, detector.source(tmp_path), "float32")


@flavours
@outputs
def test_the_lines_of_the_readme_run(
    copied: Written,
    detectors: dict[Output, SmallDetector],
    output: Output,
    flavour: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, detector = copied(output, flavour), detectors[output]
    record = detector.records[1]
    (folder / "photo.jpg").write_bytes((detector.root / record.path).read_bytes())
    monkeypatch.setitem(sys.modules, "coremltools", _stand_in())
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in ("python", "python.object_detection"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    text = (folder / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        exec(code, {})

    assert "An object detector of 3 tags: aphid, bee, rose." in text
    assert "VNCoreMLRequest" in text
    assert len([line for line in code.splitlines() if line]) <= 12
    photos = photos_of(detector)
    expected = photos.expected[photos.paths.index(record.path)]
    _agree(printed.getvalue().splitlines(), expected, FORMS[flavour])


def _agree(said: list[str], expected: Boxes, form: Format) -> None:
    gate = LIMITS[form.precision].difference or 0.0
    sure = expected.where(expected.scores >= 0.3 - gate)
    assert len(said) > 0
    for line in said:
        tag, score, *place = line.split()
        near = np.flatnonzero(np.abs(sure.scores - float(score)) < 1e-3 + gate)
        off = np.abs(sure.places[near] - np.array(place, float)).max(1)
        assert tag in [TAGS[one] for one in sure.tags[near[off <= 5e-3]]], line


@outputs
def test_on_macos_core_ml_itself_answers(
    written: Written,
    detectors: dict[Output, SmallDetector],
    output: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "core_ml", lambda: _stand_in().models)
    monkeypatch.setattr(detector_file, "has_core_ml", lambda: True)
    photos = photos_of(detectors[output])

    with port.opened_detector(written(output, "float32")) as model:
        found = model.find(photos.pixels[:1])
        assert model.runtime.startswith("Core ML, macOS")

    np.testing.assert_allclose(found.scores, photos.expected[0].scores, atol=1e-4)


def test_opening_imports_neither_torch_nor_coremltools(written: Written) -> None:
    lines = (
        "import sys, pathlib, numpy\n"
        "from dahlia.export.coreml import port\n"
        f"with port.opened_detector(pathlib.Path({str(written('boxes', 'mlmodel'))!r})) as model:\n"
        f"    model.find(numpy.zeros((1, 3, {SIZE}, {SIZE}), numpy.float32))\n"
        "print(sorted({'torch', 'coremltools', 'tensorflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _stand_in() -> Any:
    class MLModel:
        def __init__(self, path: str) -> None:
            self.model = InterpretedDetector(Path(path))

        def predict(self, given: dict[str, Any]) -> dict[str, Any]:
            answers = self.model.run(np.asarray(given["data"], np.float32).transpose(2, 0, 1))
            return {name: np.asarray(value, np.float64) for name, value in answers.items()}

    return SimpleNamespace(models=SimpleNamespace(MLModel=MLModel))
