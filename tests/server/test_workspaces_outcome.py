from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.errors import TrainingError
from dahlia.files import write_json
from dahlia.modeling.card import (
    BackboneCard,
    InputCard,
    ModelCard,
    TagCard,
    TrainingCard,
    load_card,
    save_card,
)
from dahlia.server.workspaces.models import collect, personalise
from dahlia.server.workspaces.workspace import PipelineError

RUN = "917944a5-b43e-4b24-9be6-b2e920e83b10"
PARTS = (
    "models/bundle/model.json",
    "exports/onnx/model.onnx",
    "models/predictions.parquet",
    "reports/evaluation.json",
    "reports/metrics.json",
    "reports/evaluation.html",
    "reports/validation.json",
    "reports/validation.html",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in PARTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    iteration = {"number": 3, "id": RUN, "name": "Iteration 3", "fingerprint": "f" * 64}
    write_json(tmp_path / "reports/iteration.json", iteration)
    return tmp_path


def test_collect(folder: Path) -> None:
    outcome = collect(folder)
    assert (outcome.number, outcome.run_id) == (3, RUN.replace("-", ""))
    assert (outcome.servable / "model.onnx").read_text() == "exports/onnx/model.onnx"
    assert outcome.report == folder / "reports/evaluation.html"


@pytest.mark.parametrize("name", [*PARTS[2:], "reports/iteration.json"])
def test_a_part_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(PipelineError, match=name):
        collect(folder)


def _card() -> ModelCard:
    return ModelCard(
        project="garden-1a2b3c4d",
        project_id="p",
        domain="General (compact)",
        domain_id="d",
        classification="multiclass",
        tags=(TagCard(id="1", name="é"), TagCard(id="2", name="Negative", type="Negative")),
        input=InputCard(size=160),
        backbone=BackboneCard(
            architecture="a", weights="bundled", fingerprint="f", features=8, mean=(0, 0, 0), std=(1, 1, 1)
        ),
        temperature=1.0,
        training=TrainingCard(recipe="quick", regularisation=1.0, views=("plain",), images=9, seed=0),
        data_fingerprint="f",
        git_revision=None,
        dahlia_version="0",
    )


def test_personalise(folder: Path, tmp_path: Path) -> None:
    servable, target = folder / "exports/onnx", tmp_path / "served"
    save_card(servable, _card())
    ids = {"e\u0301": "tag-e", "Negative": "tag-n", "unused": "tag-u"}
    for _ in range(2):
        personalise(servable, target, project_id="project", tag_ids=ids)
    card = load_card(target)
    assert card.project_id == "project"
    assert [(tag.id, tag.name, tag.type) for tag in card.tags] == [
        ("tag-e", "é", "Regular"),
        ("tag-n", "Negative", "Negative"),
    ]
    assert (target / "model.onnx").read_bytes() == (servable / "model.onnx").read_bytes()
    assert load_card(servable) == _card()


def test_a_tag_without_an_id(folder: Path, tmp_path: Path) -> None:
    save_card(folder / "exports/onnx", _card())
    with pytest.raises(PipelineError, match="received Negative besides"):
        personalise(folder / "exports/onnx", tmp_path / "served", project_id="p", tag_ids={"é": "1"})
    (folder / "exports/onnx/model.json").unlink()
    with pytest.raises(TrainingError, match=r"model\.json"):
        personalise(folder / "exports/onnx", tmp_path / "served", project_id="p", tag_ids={})
    assert not (tmp_path / "served").exists()
