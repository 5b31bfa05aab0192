"""The detector: what it answers, how it is kept, and what its graph says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dahlia.boxes import Boxes
from dahlia.errors import TrainingError, WeightsError
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.card import BackboneCard, DetectorCard, InputCard, ModelCard, TagCard, TrainingCard
from dahlia.modeling.detection.answers import CornerAnswer, GridAnswer
from dahlia.modeling.detection.decoding import MARGIN, Output, cell_order, positions
from dahlia.modeling.detection.detector import Detector, load_detector, save_detector
from dahlia.modeling.detection.grid import read_grid
from dahlia.modeling.detection.outputs import candidates
from dahlia.modeling.detection.reference import BoxReference, load_box_reference

SIZE = 64
STRIDES: dict[Output, tuple[int, ...]] = {"grid": (16, 32), "boxes": (8, 16, 32)}


def a_detector(
    output: Output = "boxes", tags: int = 3, architecture: str = "mobilenetv4_conv_small"
) -> Detector:
    torch.manual_seed(0)
    model = Detector(
        Backbone(architecture, None), tags, size=SIZE, strides=STRIDES[output], output=output, width=16
    )
    with torch.no_grad():  # not as sure of nothing as it is at the start
        model.head.classes.bias.fill_(0.0)
        model.head.classes.weight.normal_(std=3.0)
        model.head.edges.weight.normal_(std=1.0)
    return model.eval()


def a_card(model: Detector, tags: int = 3) -> ModelCard:
    mean, std = model.backbone.normalisation
    return ModelCard(
        project="Garden",
        project_id="0",
        domain="General",
        domain_id="1",
        classification="detection",
        tags=tuple(TagCard(id=str(number), name=f"tag {number}") for number in range(tags)),
        input=InputCard(size=SIZE),
        backbone=BackboneCard(
            architecture=model.backbone.architecture,
            weights="none",
            fingerprint=model.backbone.fingerprint,
            features=model.backbone.features,
            mean=mean,
            std=std,
            reads="stage",
        ),
        temperature=1.0,
        detector=DetectorCard(strides=model.strides, output=model.output, overlap=0.5, least=0.01, most=64),
        training=TrainingCard(recipe="quick", regularisation=0.0, views=(), images=1, seed=0),
        data_fingerprint="",
        git_revision=None,
        dahlia_version="0",
    )


def pixels(count: int = 2) -> torch.Tensor:
    return torch.randint(256, (count, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(1)).float()


@pytest.mark.parametrize("output", STRIDES)
def test_places_and_scores_are_what_readers_expect(output: Output) -> None:
    model = a_detector(output)
    with torch.inference_mode():
        places, scores = model(pixels())
    count = sum((SIZE // stride) ** 2 for stride in STRIDES[output])
    assert places.shape == (2, count, 4)
    assert scores.shape == (2, count, 3)
    assert (scores >= 0).all()
    assert (scores.sum(-1) <= 1 + 1e-6).all()
    assert scores.sum(-1).max() > 0.9, "a head of large weights is sure of something"
    assert (places[..., 2:] > 0).all()
    if output == "boxes":
        assert (places >= 0).all()
        assert (places[..., :2] + places[..., 2:] <= 1 + 1e-6).all()


def test_centres_of_a_grid_stay_inside_their_cells() -> None:
    model = a_detector("grid")
    with torch.inference_mode():
        places, _ = model(pixels())
    cells = SIZE // 32
    centres = (places[..., :2] + places[..., 2:] / 2) * cells
    rows, columns = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
    corner = torch.stack([columns, rows], -1).reshape(-1, 1, 2).expand(-1, 5, -1).reshape(-1, 2)
    inside = centres - corner
    assert (inside >= MARGIN - 1e-5).all()
    assert (inside <= 1 - MARGIN + 1e-5).all()
    assert torch.isclose(inside, torch.tensor(MARGIN), atol=1e-5).any(), "no centre was moved: test nothing"


def test_a_cell_has_the_fine_positions_row_by_row_and_then_the_coarse_one() -> None:
    found = positions(SIZE, (16, 32)).centres[cell_order(SIZE, (16, 32))]
    second = found[5:10].tolist()
    assert second == [[40, 8], [56, 8], [40, 24], [56, 24], [48, 16]]


@pytest.mark.parametrize("output", STRIDES)
def test_a_bundle_gives_the_same_answers(tmp_path: Path, output: Output) -> None:
    model = a_detector(output)
    model.slope.fill_(1.5)
    model.shift.fill_(-0.25)
    with torch.inference_mode():
        expected = model(pixels())
    boxes = Boxes(np.array([1], np.int32), np.array([[0, 0, 0.5, 0.25]], np.float32), np.ones(1, np.float32))
    save_detector(
        tmp_path / "bundle",
        model,
        a_card(model),
        BoxReference(("a", "b"), (boxes, boxes.where([])), (boxes, boxes)),
    )
    loaded, card = load_detector(tmp_path / "bundle")
    with torch.inference_mode():
        found = loaded(pixels())
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    assert card.kind == card.classification
    reference = load_box_reference(tmp_path / "bundle")
    assert reference.ids == ("a", "b")
    assert len(reference.found[1]) == 0
    np.testing.assert_array_equal(reference.found[0].places, boxes.places)
    np.testing.assert_array_equal(reference.candidates[1].scores, boxes.scores)


def test_a_bundle_that_does_not_fit_its_card_is_refused(tmp_path: Path) -> None:
    model = a_detector()
    save_detector(tmp_path / "bundle", model, a_card(model, tags=2), BoxReference((), (), ()))
    with pytest.raises(TrainingError, match="does not fit"):
        load_detector(tmp_path / "bundle")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output", "architecture"), [("boxes", "mobilenetv4_conv_small"), ("grid", "tf_efficientnet_lite0")]
)
def test_the_graph_says_what_the_module_says(tmp_path: Path, output: Output, architecture: str) -> None:
    import onnxruntime

    model = a_detector(output, architecture=architecture)
    program = torch.onnx.export(
        model,
        (pixels(),),
        dynamo=True,
        opset_version=20,
        input_names=["data"],
        output_names=["places", "scores"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    assert program is not None
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 3):
        with torch.inference_mode():
            places, scores = model(pixels(count))
        found = session.run(None, {"data": pixels(count).numpy()})
        np.testing.assert_allclose(found[0], places.numpy(), atol=1e-4)
        np.testing.assert_allclose(found[1], scores.numpy(), atol=1e-4)


def test_a_backbone_without_maps_is_refused_with_what_to_choose() -> None:
    with pytest.raises(WeightsError, match=r"strides \[4, 8, 16, 32\].*Choose"):
        Detector(Backbone("convnext_atto", None), 2, size=SIZE, strides=(2, 4), output="boxes", width=16)


def test_a_size_that_the_coarsest_map_does_not_divide_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"multiple of it, received 100 px.*to 96"):
        Detector(
            Backbone("mobilenetv4_conv_small", None), 2, size=100, strides=(16, 32), output="grid", width=16
        )


def test_a_position_may_give_a_box_for_each_tag() -> None:
    places = np.array([[0, 0, 1, 1], [0.5, 0.5, 0.25, 0.25]], np.float32)
    scores = np.array([[0.3, 0.6], [0.0, 0.005]], np.float32)
    found = candidates(places, scores, 0.01)
    assert found.tags.tolist() == [0, 1]
    np.testing.assert_allclose(found.scores, [0.3, 0.6])
    np.testing.assert_array_equal(found.places, places[[0, 0]])


def test_a_grid_says_what_the_detector_says() -> None:
    model = a_detector("grid")
    pixels = torch.rand(1, 3, SIZE, SIZE) * 255
    with torch.no_grad():
        grid = GridAnswer(model)(pixels)
        places, scores = (one[0].numpy() for one in model(pixels))
    found, shares = read_grid(grid[0].numpy(), least=0.0)
    cells = SIZE // 32
    # The reader goes by places and then by cells, the detector by cells.
    order = np.arange(len(places)).reshape(cells * cells, -1).T.reshape(-1)
    np.testing.assert_allclose(found, places[order], atol=1e-5)
    np.testing.assert_allclose(shares, scores[order], atol=1e-5)


def test_corners_say_what_the_detector_says() -> None:
    model = a_detector("boxes")
    pixels = torch.rand(2, 3, SIZE, SIZE) * 255
    with torch.no_grad():
        corners, scores = CornerAnswer(model)(pixels)
        places, said = model(pixels)
    np.testing.assert_allclose(corners[..., 2:] - corners[..., :2], places[..., 2:], atol=1e-6)
    np.testing.assert_array_equal(corners[..., :2], places[..., :2])
    np.testing.assert_array_equal(scores, said)
