from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dahlia.errors import DatasetError, TrainingError
from dahlia.modeling.backbones import Backbone, Reads
from dahlia.modeling.card import (
    BackboneCard,
    InputCard,
    ModelCard,
    TagCard,
    TrainingCard,
    load_card,
    project_id,
    tag_id,
)
from dahlia.modeling.classifier import Classifier, load_bundle, save_bundle, set_gate, set_head
from dahlia.modeling.reference import ClassReference, ask_module, load_reference, spread
from small_projects import SIZE, SmallProject

PIXELS = torch.randint(0, 256, (4, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0)).float()
REFERENCE = ClassReference(("a", "b"), np.array([[0.25, 0.75], [1.0, 0.0]], np.float32))


def describe(backbone: Backbone, classification: str = "multiclass") -> ModelCard:
    mean, std = backbone.normalisation
    return ModelCard(
        project="garden",
        project_id=project_id("garden"),
        domain="General (compact)",
        domain_id="0732100f-1a38-4e49-a514-c9b44c697ab5",
        classification=classification,
        tags=tuple(TagCard(id=tag_id("garden", tag), name=tag) for tag in ("blau", "grün")),
        input=InputCard(size=SIZE),
        backbone=BackboneCard(
            architecture=backbone.architecture,
            weights="none",
            fingerprint=backbone.fingerprint,
            features=backbone.features,
            mean=mean,
            std=std,
        ),
        temperature=1.5,
        training=TrainingCard(recipe="quick", regularisation=1e-4, views=("plain",), images=9, seed=0),
        data_fingerprint="0" * 64,
        git_revision=None,
        dahlia_version="0.1.0",
    )


@pytest.fixture
def model(tiny_backbone: Backbone) -> Classifier:
    torch.manual_seed(1)
    model = Classifier(tiny_backbone, 2, "multiclass")
    set_head(model, torch.randn(tiny_backbone.features, 2), torch.randn(2), 1.5)
    return model.eval()


@pytest.fixture
def bundle(tmp_path: Path, model: Classifier) -> Path:
    save_bundle(tmp_path / "bundle", model, describe(model.backbone), REFERENCE)
    return tmp_path / "bundle"


@torch.inference_mode()
def answers(model: Classifier) -> torch.Tensor:
    return model(PIXELS)


def test_a_bundle_reads_back_to_the_bit(bundle: Path, model: Classifier) -> None:
    loaded, card = load_bundle(bundle)
    assert card == describe(model.backbone)
    assert torch.equal(answers(loaded), answers(model))
    assert loaded.backbone.fingerprint == card.backbone.fingerprint
    assert not loaded.training


def test_normalisation_comes_from_the_bundle(tmp_path: Path, model: Classifier) -> None:
    other = Backbone(
        model.backbone.architecture, model.backbone.network.state_dict(), ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    )
    model.backbone = other
    save_bundle(tmp_path / "bundle", model, describe(other), REFERENCE)
    assert torch.equal(answers(load_bundle(tmp_path / "bundle")[0]), answers(model))


@pytest.mark.parametrize("reads", ["stage", "map"])
def test_which_map_is_read_comes_from_the_bundle(tmp_path: Path, reads: Reads) -> None:
    backbone = Backbone("test_efficientnet", None, reads=reads)
    model = Classifier(backbone, 2, "multiclass").eval()
    card = describe(backbone)
    if reads == "stage":  # older models do not say it
        card = card.model_copy(update={"backbone": card.backbone.model_copy(update={"reads": reads})})
    save_bundle(tmp_path / "bundle", model, card, REFERENCE)
    assert torch.equal(answers(load_bundle(tmp_path / "bundle")[0]), answers(model))


def test_networks_in_another_memory_order_are_saved_alike(
    tmp_path: Path, bundle: Path, model: Classifier
) -> None:
    model.to(memory_format=torch.channels_last)
    save_bundle(tmp_path / "other", model, describe(model.backbone), REFERENCE)
    for path in sorted(bundle.iterdir()):
        assert (tmp_path / "other" / path.name).read_bytes() == path.read_bytes()


def test_what_a_bundle_holds(bundle: Path) -> None:
    assert sorted(path.name for path in bundle.iterdir()) == [
        "model.json",
        "model.safetensors",
        "reference.parquet",
    ]
    assert "grün" in (bundle / "model.json").read_text(encoding="utf-8")


def _drop_tag(folder: Path) -> None:
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    card["tags"] = card["tags"][:1]
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")


def _rename_architecture(folder: Path) -> None:
    text = (folder / "model.json").read_text(encoding="utf-8")
    (folder / "model.json").write_text(text.replace("test_resnet", "test_byobnet"), encoding="utf-8")


def _drop_temperature(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["temperature"]
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: (f / "model.json").unlink(),
            "model.json was expected and is not there. Run `dvc repro train`",
        ),
        (lambda f: (f / "model.json").write_text("{}"), "is not the card of a model of this version"),
        (lambda f: (f / "model.json").write_text("{"), "is not the card of a model of this version"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors could not be read"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x"), "model.safetensors could not be read"),
        (_drop_tag, r"does not fit .*model\.json \(1 tags of 96 features\)"),
        (_rename_architecture, "do not fit test_byobnet"),
        (_drop_temperature, "does not fit .*temperature"),
    ],
    ids=[
        "no card",
        "empty card",
        "half a card",
        "no weights",
        "garbage",
        "other head",
        "other network",
        "no buffer",
    ],
)
def test_bundles_that_do_not_fit(bundle: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(bundle)
    with pytest.raises(TrainingError, match=message):
        load_bundle(bundle)


@pytest.mark.parametrize(("domain", "channels"), [("General (compact) [S1]", "RGB"), ("Birds", "BGR")])
def test_an_older_card_has_the_channels_of_its_domain(bundle: Path, domain: str, channels: str) -> None:
    values = json.loads((bundle / "model.json").read_text(encoding="utf-8")) | {"domain": domain}
    assert values.pop("channels") == "BGR"
    (bundle / "model.json").write_text(json.dumps(values), encoding="utf-8")
    assert load_card(bundle).channels == channels


def test_a_card_of_a_later_version_is_refused(bundle: Path) -> None:
    text = (bundle / "model.json").read_text(encoding="utf-8")
    (bundle / "model.json").write_text(text.replace('"format": 1', '"format": 2'), encoding="utf-8")
    with pytest.raises(TrainingError, match="format"):
        load_card(bundle)


def test_ids_are_the_same_everywhere() -> None:
    assert tag_id("garden", "rose") == "e5ef9b88-eed9-5795-84a6-c7ef7c037c6a"
    assert len({project_id("a"), project_id("b"), tag_id("a", "b"), tag_id("b", "a"), tag_id("a", "c")}) == 5


def test_the_reference_reads_back(bundle: Path) -> None:
    found = load_reference(bundle)
    assert found.ids == REFERENCE.ids
    assert np.array_equal(found.probabilities, REFERENCE.probabilities)
    (bundle / "reference.parquet").write_bytes(b"x")
    with pytest.raises(DatasetError, match="dvc repro train"):
        load_reference(bundle)


@pytest.mark.parametrize(
    ("count", "picks"), [(1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (10, range(10)), (99, range(10))]
)
def test_some_are_spread_over_all(count: int, picks: list[int]) -> None:
    assert spread("abcdefghij", count) == ["abcdefghij"[pick] for pick in picks]


def test_the_module_is_asked(project: SmallProject, model: Classifier) -> None:
    project.plant(red=200)
    held_out = project.plant(test=True, red=5)
    found = ask_module(model, project.records, project.root, SIZE)
    assert len(found.ids) == len(set(found.ids)) == 200
    assert set(found.ids) <= {record.id for record in project.records}
    assert set(found.ids[:5]) == {record.id for record in held_out}
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-5)


def test_a_photo_that_vanished_is_named(project: SmallProject, model: Classifier) -> None:
    (project.root / project.records[3].path).unlink()
    with pytest.raises(DatasetError, match=r"003\.jpg could be read by ingest and cannot be now"):
        ask_module(model, project.records, project.root, SIZE)


def test_a_gate_is_part_of_the_bundle(tmp_path: Path, model: Classifier) -> None:
    set_gate(model, torch.randn(model.backbone.features), 0.25)
    save_bundle(tmp_path / "gated", model, describe(model.backbone), REFERENCE)
    loaded, _ = load_bundle(tmp_path / "gated")
    assert torch.equal(answers(loaded), answers(model))


def test_a_bundle_of_before_there_were_gates_reads_as_it_is(bundle: Path) -> None:
    loaded, card = load_bundle(bundle)
    assert loaded.gate is None
    assert card.negatives is None
