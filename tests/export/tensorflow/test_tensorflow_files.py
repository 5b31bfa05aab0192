"""The files as their users open them: what they hold, what they say, and faults that are caught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorflow_cases import measured
from torch import nn

from dahlia import layout
from dahlia.dataset.imaging import load, to_tensor_layout
from dahlia.errors import ExportError, VerificationError
from dahlia.export.port import Batch, Opened, Run
from dahlia.export.tensorflow.convert import Channels, convert
from dahlia.export.tensorflow.graph import ImageGraph
from dahlia.export.tensorflow.running import load_flat_buffer, load_frozen, load_saved_model
from dahlia.export.tensorflow.writers import flat_buffer, save_model, write_frozen_pb
from dahlia.export.verify import Comparison, Limit, VerificationSet, compare, require, verification_set
from dahlia.modeling.backbones import Backbone, load_backbone
from dahlia.modeling.card import ModelCard, load_card
from dahlia.modeling.classifier import Classifier
from dahlia.modeling.reference import ask_module
from small_projects import ARCHITECTURE, SIZE, SmallProject, make_params

pytestmark = pytest.mark.slow

Fault = Callable[[Any], None]


def classifier_of(backbone: Backbone, classification: str = "multiclass") -> Classifier:
    torch.manual_seed(0)
    # Without statistics a network of random weights does not see the scale of its images.
    measured(backbone)
    classifier = Classifier(backbone, 3, classification)
    nn.init.normal_(classifier.head.weight, std=2)
    classifier.temperature.fill_(1.7)
    return classifier.eval()


@pytest.fixture(scope="module")
def classifier(tiny_weights: Path) -> Classifier:
    return classifier_of(load_backbone(ARCHITECTURE, str(tiny_weights)))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> SmallProject:
    project = SmallProject(tmp_path_factory.mktemp("photos") / "project", make_params(tiny_weights))
    project.plant(red=4, green=4, blue=4)
    return project


@pytest.fixture(scope="module")
def card(trained_once: SmallProject) -> ModelCard:
    return load_card(trained_once.root / layout.BUNDLE)


@pytest.fixture(scope="module")
def verification_photos(classifier: Classifier, photos: SmallProject, card: ModelCard) -> VerificationSet:
    reference = ask_module(classifier, photos.records, photos.root, SIZE)
    return verification_set(reference, card, photos.records, photos.root, len(photos.records))


@pytest.fixture(scope="module")
def graphs(classifier: Classifier) -> dict[Channels, ImageGraph]:
    orders: tuple[Channels, ...] = ("RGB", "BGR")
    return {order: convert(classifier, SIZE, domain="Test", channels=order) for order in orders}


@pytest.fixture
def graph(graphs: dict[Channels, ImageGraph]) -> ImageGraph:
    return graphs["RGB"]


Prove = Callable[[Run, float], Comparison]


@pytest.fixture
def prove(verification_photos: VerificationSet, card: ModelCard) -> Prove:
    def compared(run: Run, limit: float) -> Comparison:
        opened = Opened(run, tuple(tag.name for tag in card.tags), "TensorFlow")
        comparison = compare(verification_photos, opened, card, Limit(limit, None))
        require(comparison, Limit(limit, None), "TensorFlow")
        return comparison

    return compared


def pixels(project: SmallProject) -> list[np.ndarray]:
    return [load((project.root / record.path).read_bytes(), SIZE) for record in project.records]


def write(kind: str, path: Path, graph: ImageGraph, photos: SmallProject) -> Run:
    if kind == "frozen":
        write_frozen_pb(path, graph)
        return load_frozen(path).run
    if kind == "saved":
        path.mkdir()
        save_model(path, graph)
        return load_saved_model(path).run
    path.write_bytes(flat_buffer(graph, kind, pixels(photos)))  # type: ignore[arg-type]
    return load_flat_buffer(path).run


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
@pytest.mark.parametrize(
    ("kind", "limit"),
    [("frozen", 1e-5), ("saved", 1e-5), ("float32", 1e-5), ("float16", 5e-3), ("int8", 0.1)],
)
def test_a_file_says_what_was_trained(
    tmp_path: Path,
    graphs: dict[Channels, ImageGraph],
    photos: SmallProject,
    prove: Prove,
    kind: str,
    limit: float,
    channels: Channels,
) -> None:
    run = write(kind, tmp_path / "model", graphs[channels], photos)
    prove(run, limit)
    batch: Batch = to_tensor_layout(pixels(photos)[:3])
    single = np.concatenate([run(image[None]) for image in batch])
    np.testing.assert_allclose(run(batch), single, atol=1e-5)
    np.testing.assert_allclose(run(batch).sum(1), 1, atol=0.05)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("kind", ["frozen", "saved", "float32", "float16", "int8"])
def test_swapped_colours_are_caught(
    tmp_path: Path,
    graph: ImageGraph,
    photos: SmallProject,
    prove: Prove,
    kind: str,
) -> None:
    run = write(kind, tmp_path / "model", graph, photos)
    with pytest.raises(VerificationError, match="does not compute what the trained model computes"):
        prove(lambda batch: run(batch[:, ::-1]), 1e-2)


def test_independent_tags(tmp_path: Path, tiny_backbone: Backbone, photos: SmallProject) -> None:
    classifier = classifier_of(tiny_backbone, "multilabel")
    write_frozen_pb(tmp_path / "model.pb", convert(classifier, SIZE, domain="Test"))
    batch = to_tensor_layout(pixels(photos))
    with torch.inference_mode():
        expected = classifier(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(load_frozen(tmp_path / "model.pb").run(batch), expected, atol=1e-5)


def nodes(definition: Any) -> dict[str, Any]:
    return {node.name: node for node in definition.node}


def test_the_frozen_graph_is_the_documented_one(tmp_path: Path, graphs: dict[Channels, ImageGraph]) -> None:
    import tensorflow as tf

    write_frozen_pb(tmp_path / "model.pb", graphs["BGR"])
    definition = tf.compat.v1.GraphDef.FromString((tmp_path / "model.pb").read_bytes())
    (given,) = [node for node in definition.node if node.op == "Placeholder"]
    assert given.name == "Placeholder"
    assert [dim.size for dim in given.attr["shape"].shape.dim] == [-1, SIZE, SIZE, 3]
    assert list(nodes(definition)["loss"].input) == ["model_outputs"]
    assert not any(node.op.startswith("Var") for node in definition.node)
    image = np.random.default_rng(0).uniform(0, 255, (1, SIZE, SIZE, 3)).astype(np.float32)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        tf.graph_util.import_graph_def(definition, name="")
        loss, outputs = session.run(["loss:0", "model_outputs:0"], {"Placeholder:0": image})
    np.testing.assert_array_equal(loss, outputs)
    rgb = graphs["RGB"].function()(tf.constant(image[..., ::-1])).numpy()
    np.testing.assert_allclose(outputs, rgb, atol=1e-6)


def test_the_saved_model_is_the_documented_one(tmp_path: Path, graph: ImageGraph) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    (tmp_path / "saved").mkdir()
    save_model(tmp_path / "saved", graph)
    (meta,) = SavedModel.FromString((tmp_path / "saved" / "saved_model.pb").read_bytes()).meta_graphs
    signature = meta.signature_def["serving_default"]
    shapes = {
        name: [dim.size for dim in tensor.tensor_shape.dim]
        for ends in (signature.inputs, signature.outputs)
        for name, tensor in ends.items()
    }
    assert list(meta.meta_info_def.tags) == ["serve"]
    assert shapes == {"Placeholder": [-1, SIZE, SIZE, 3], "model_outputs": [-1, 3]}


@pytest.mark.parametrize("flavour", ["float32", "float16", "int8"])
def test_the_flat_buffer_is_the_documented_one(
    tmp_path: Path, graph: ImageGraph, photos: SmallProject, flavour: str
) -> None:
    from dahlia.export.tensorflow._runtime import tf

    write(flavour, tmp_path / "model.tflite", graph, photos)
    with pytest.warns(UserWarning, match=r"tf\.lite\.Interpreter is deprecated"):
        interpreter = tf.lite.Interpreter(model_path=str(tmp_path / "model.tflite"))
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (given["name"], given["dtype"], list(given["shape_signature"])) == (
        "Placeholder",
        np.float32,
        [-1, SIZE, SIZE, 3],
    )
    assert (answer["name"], answer["dtype"], list(answer["shape_signature"])) == (
        "model_outputs",
        np.float32,
        [-1, 3],
    )


def test_flavours_are_smaller(tmp_path: Path, graph: ImageGraph, photos: SmallProject) -> None:
    sizes = []
    for flavour in ("float32", "float16", "int8"):
        write(flavour, tmp_path / flavour, graph, photos)
        sizes.append((tmp_path / flavour).stat().st_size)
    assert sizes[0] > 1.5 * sizes[1] > 1.5 * sizes[2]


def test_the_same_model_gives_the_same_file(
    tmp_path: Path, graph: ImageGraph, classifier: Classifier
) -> None:
    write_frozen_pb(tmp_path / "first", graph)
    write_frozen_pb(tmp_path / "second", convert(classifier, SIZE, domain="Test"))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_file_tells_nothing_of_where_it_was_made(
    tmp_path: Path, graph: ImageGraph, photos: SmallProject
) -> None:
    for kind in ("frozen", "saved", "float32"):
        write(kind, tmp_path / kind, graph, photos)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        for word in ("site-packages", f"{Path.home()}/", "dahlia/export"):
            assert word.encode() not in path.read_bytes(), path.name


def change(node: Any, by: Callable[[np.ndarray], np.ndarray]) -> None:
    import tensorflow as tf

    held = node.attr["value"].tensor
    changed = by(tf.make_ndarray(held))
    held.CopyFrom(tf.make_tensor_proto(changed.astype(np.float32), shape=changed.shape))


def constants_of(definition: Any, operation: str) -> list[Any]:
    """The constants that the first node of an operation reads."""
    node = next(node for node in definition.node if node.op == operation)
    return [found for name in node.input if (found := nodes(definition)[name]).op == "Const"]


def swap_channels(definition: Any) -> None:
    change(constants_of(definition, "Conv2D")[0], lambda kernel: kernel[:, :, ::-1])


def forget_scale(definition: Any) -> None:
    change(constants_of(definition, "Mul")[0], np.ones_like)


def transpose_kernel(definition: Any) -> None:
    change(constants_of(definition, "Conv2D")[0], lambda kernel: kernel.transpose(1, 0, 2, 3))


def swap_tags(definition: Any) -> None:
    change(constants_of(definition, "MatMul")[0], lambda weight: weight[:, ::-1])


def forget_softmax(definition: Any) -> None:
    next(node for node in definition.node if node.op == "Softmax").op = "Sigmoid"


def give_nothing(definition: Any) -> None:
    change(constants_of(definition, "MatMul")[0], lambda weight: weight * np.nan)


FAULTS: dict[str, Fault] = {
    "swapped channels": swap_channels,
    "missed scale": forget_scale,
    "transposed kernel": transpose_kernel,
    "swapped tags": swap_tags,
    "no softmax": forget_softmax,
    "NaN": give_nothing,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_faults_are_caught(tmp_path: Path, graph: ImageGraph, prove: Prove, fault: Fault) -> None:
    faulty = type(graph.definition)()
    faulty.CopyFrom(graph.definition)
    fault(faulty)
    write_frozen_pb(tmp_path / "model.pb", ImageGraph(faulty, SIZE))
    with pytest.raises(VerificationError, match=r"does not compute .* most on data/images/"):
        prove(load_frozen(tmp_path / "model.pb").run, 1e-4)


LOADERS = {"frozen": load_frozen, "saved": load_saved_model, "float32": load_flat_buffer}


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
@pytest.mark.parametrize("kind", LOADERS)
def test_damaged_files_are_refused(tmp_path: Path, kind: str, content: bytes | None) -> None:
    path = tmp_path / "model"
    if content is not None:
        inside = path / "saved_model.pb" if kind == "saved" else path
        inside.parent.mkdir(exist_ok=True)
        inside.write_bytes(content)
    with pytest.raises(VerificationError, match=r"TensorFlow .* cannot load model"):
        LOADERS[kind](path)


@pytest.mark.parametrize("kind", LOADERS)
def test_images_of_another_size_are_refused(
    tmp_path: Path, graph: ImageGraph, photos: SmallProject, kind: str
) -> None:
    run = write(kind, tmp_path / "model", graph, photos)
    with pytest.raises(VerificationError, match=r"TensorFlow .* cannot run model"):
        run(np.zeros((1, 4, SIZE, SIZE), np.float32))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "learns the range of every map from photos, received none"),
        ([np.zeros((SIZE, SIZE + 1, 3), np.uint8)], r"of shape \(32, 32, 3\), received \(32, 33, 3\)"),
    ],
)
def test_int8_wants_photos(tmp_path: Path, graph: ImageGraph, given: list[np.ndarray], message: str) -> None:
    (tmp_path / "model.tflite").write_bytes(b"before")
    with pytest.raises(ExportError, match=message):
        flat_buffer(graph, "int8", given)
    assert (tmp_path / "model.tflite").read_bytes() == b"before"
