"""Every compact domain in every format, through the zips that users download."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from following import following_once

from dahlia import layout
from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.export.artifacts import ExportInputs, export_inputs, require_allowed, write_download
from dahlia.export.formats import FORMATS, Format
from dahlia.params import Params
from dahlia.stages import train
from random_negatives import with_random_negatives
from small_projects import ARCHITECTURE, FOLDS, REPOSITORY, SmallProject

pytestmark = pytest.mark.slow

MODELS = (
    ("general_compact", "multiclass"),
    ("general_compact", "multilabel"),
    ("general_compact_s1", "multiclass"),
    ("food_compact", "multilabel"),
    ("retail_compact", "multiclass"),
    ("landmarks_compact", "multilabel"),
)
GATED = MODELS[:2]  # with a negative set; the others have no gate
SIZE = 64


def params_of(domain: str, classification: str, weights: Path) -> Params:
    """The shipped parameters of a domain, with the tiny network at a small size."""
    values = compose(
        REPOSITORY,
        [
            f"domain={domain}",
            f"project.classification={classification}",
            f"split.folds={FOLDS}",
            f"domain.input.size={SIZE}",
            f"domain.backbone.architecture={ARCHITECTURE}",
            f"domain.backbone.weights='{weights}'",
        ],
    )
    return check_params(values, "params.yaml")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with following_once({}):
        yield tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module", params=MODELS, ids="-".join)
def inputs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path, graphs: Path
) -> tuple[ExportInputs, Params]:
    """A trained project of a domain, in a cache of graphs that all share."""
    params = params_of(*request.param, tiny_weights)
    project = SmallProject(tmp_path_factory.mktemp("matrix") / "project", params, graphs)
    project.plant(red=10, green=10, blue=10)
    with with_random_negatives() if request.param in GATED else nullcontext():
        train.run(params, project.root)
    inputs = export_inputs(project.root / layout.BUNDLE, project.records, project.root)
    return replace(inputs, source=replace(inputs.source, cache=graphs)), params


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_domain_in_every_format(
    form: Format, inputs: tuple[ExportInputs, Params], tmp_path: Path
) -> None:
    model, params = inputs
    require_allowed(form, model.source.card, params.domain.exports)
    proof = write_download(form, tmp_path / "x.zip", model, params.export, "an id")
    with zipfile.ZipFile(tmp_path / "x.zip") as packed:
        document = json.loads(packed.read("verification.json"))
    assert document == proof.document(form)
    assert (document["format"], document["flavour"], document["images"]) == (form.family, form.flavour, 30)
    assert document["top_tag_agreement"] == 1 or form.precision == "int8"
    assert document["runtime"]
