"""What `dahlia proposals` makes: things, scenes with exact boxes, and a graph that servers read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from pretraining_corpora import folder_corpus

from dahlia.composition import compose_alone
from dahlia.errors import ConfigError
from dahlia.project import create_project
from dahlia.serving.proposals import GRAPH, Proposer
from dahlia_pretraining import ProposalsParams
from dahlia_pretraining.compact_graph import compacted
from dahlia_pretraining.corpus import Corpus, open_corpus
from dahlia_pretraining.cutouts import Image, cut_out
from dahlia_pretraining.object_scenes import ObjectScenes
from dahlia_pretraining.proposals import RECORD, ProposalRecord, make_proposals
from dahlia_pretraining.things import thing


def disc(edge: int = 64, reach: int = 18) -> Image:
    """A red disc in the middle of a blue ground, both a little uneven."""
    photo = np.full((edge, edge, 3), (30, 60, 200), np.uint8)
    cv2.circle(photo, (edge // 2, edge // 2), reach, (220, 40, 30), -1)
    noise = np.random.default_rng(0).integers(-6, 7, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


def a_corpus(tmp_path: Path) -> Corpus:
    return open_corpus(folder_corpus(tmp_path / "corpus"), tmp_path / "cache", 32)


def test_what_stands_out_is_cut_out() -> None:
    found = cut_out(disc())
    assert found is not None
    height, width = found.shape[:2]
    assert height / 80 == pytest.approx(37 / 64, abs=0.04)
    assert width / 80 == pytest.approx(37 / 64, abs=0.04)
    assert (found[height // 2, width // 2, [0, 3]] > 200).all()
    assert found[0, 0, 3] == 0
    np.testing.assert_array_equal(found, cut_out(disc()))


@pytest.mark.parametrize(
    "photo", [np.full((64, 64, 3), 90, np.uint8), disc(reach=31)], ids=["plain", "whole"]
)
def test_nothing_is_cut_out_where_nothing_stands_out(photo: Image) -> None:
    assert cut_out(photo) is None


def test_drawn_things_touch_the_edges_of_their_picture() -> None:
    texture = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    seen = set()
    for number in range(60):
        made = thing(np.random.default_rng(number), texture)
        assert made.dtype == np.uint8
        assert made.shape[2] == 4
        cover = made[..., 3] > 25
        assert all(side.any() for side in (cover[0], cover[-1], cover[:, 0], cover[:, -1]))
        np.testing.assert_array_equal(made, thing(np.random.default_rng(number), texture))
        seen.add(made.tobytes())
    assert len(seen) == 60


def test_scenes_have_their_boxes_within_them(tmp_path: Path) -> None:
    cutout = cut_out(disc())
    assert cutout is not None
    scenes = ObjectScenes([cutout], a_corpus(tmp_path), 128, 0)
    counts = []
    for number in range(20):
        scene = scenes(number)
        counts.append(len(scene.tags))
        assert scene.pixels.shape == (128, 128, 3)
        assert scene.corners.shape == (len(scene.tags), 4)
        assert (scene.tags == 0).all()
        assert ((scene.corners >= 0) & (scene.corners <= 128)).all()
        assert (scene.corners[:, 2:] - scene.corners[:, :2] >= 4).all()
        again = scenes(number)
        np.testing.assert_array_equal(scene.pixels, again.pixels)
        np.testing.assert_array_equal(scene.corners, again.corners)
    assert max(counts) > 4
    assert min(counts) <= 2


def test_a_compact_graph_answers_as_the_other_does() -> None:
    import onnxruntime

    rng = np.random.default_rng(0)
    weights = rng.normal(size=(16, 8, 3, 3)).astype(np.float32)
    small = rng.normal(size=(4, 16, 1, 1)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["data", "wide"], ["middle"]),
            helper.make_node("Conv", ["middle", "small"], ["answer"]),
        ],
        "two convolutions",
        [helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, (1, 8, 6, 6))],
        [helper.make_tensor_value_info("answer", onnx.TensorProto.FLOAT, (1, 4, 4, 4))],
        [numpy_helper.from_array(weights, "wide"), numpy_helper.from_array(small, "small")],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    made = compacted(whole)
    assert {one.name for one in made.graph.initializer} == {"wide/levels", "wide/steps", "small"}
    assert len(made.SerializeToString()) < len(whole.SerializeToString()) / 2
    data = {"data": rng.normal(size=(1, 8, 6, 6)).astype(np.float32)}
    first, second = (
        onnxruntime.InferenceSession(one.SerializeToString()).run(None, data)[0] for one in (whole, made)
    )
    np.testing.assert_allclose(first, second, atol=0.03 * float(np.abs(first).max()))


def settings(project: Path, *overrides: str) -> ProposalsParams:
    small = (
        "backbone.architecture=mobilenetv4_conv_small",
        "backbone.weights=none",
        "strides=[16,32]",
        "width=16",
        "stored_size=64",
        "photos=30",
        "scenes=4",
        "steps=3",
        "batch_size=2",
        "source='discs'",
        "licence=MIT",
    )
    return compose_alone(project, "proposals", ProposalsParams, [*small, *overrides])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    create_project(tmp_path / "project")
    for label in range(2):
        folder = tmp_path / f"project/corpus/class {label}"
        folder.mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(folder / f"{number}.png"), disc(reach=14 + 3 * number + label)[..., ::-1])
    return tmp_path / "project"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`weights. none` means random numbers")
def test_a_corpus_becomes_a_graph(project: Path) -> None:
    path = make_proposals(settings(project, "left_out=['class 1']"), project)
    assert path == project / "models/proposals" / GRAPH.name
    found = Proposer(path).proposed(disc(200, 50))
    assert len(found) <= 50
    (kept,) = [one.value for one in onnx.load(path).metadata_props if one.key == RECORD]
    record = ProposalRecord.model_validate_json(kept)
    assert (record.sources, record.left_out, record.strides) == ({"discs": 2}, ("class 1",), (16, 32))
    first = path.read_bytes()
    make_proposals(settings(project, "left_out=['class 1']"), project)
    assert path.read_bytes() == first


def test_unknown_classes_are_refused(project: Path) -> None:
    with pytest.raises(
        ConfigError, match="`left_out` was expected to name classes of the corpus, received x"
    ):
        make_proposals(settings(project, "left_out=[x]"), project)


def test_a_corpus_in_which_nothing_stands_out_is_refused(project: Path) -> None:
    for path in (project / "corpus").rglob("*.png"):
        cv2.imwrite(str(path), np.full((64, 64, 3), 90, np.uint8))
    with pytest.raises(ConfigError, match="received 4 in which none does"):
        make_proposals(settings(project), project)


def test_the_shipped_graph_says_where_it_is_from() -> None:
    (kept,) = [one.value for one in onnx.load(GRAPH).metadata_props if one.key == RECORD]
    record = ProposalRecord.model_validate_json(kept)
    assert record.architecture == "tf_efficientnet_lite0"
    assert record.licence
    assert sum(record.sources.values()) > 100
