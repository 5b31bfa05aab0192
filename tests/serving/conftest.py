from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))

from running_services import KEY, SERVICE, Bento, Service, build_bento, make_project
from serving_helpers import FakeSource, build_client, picture, serving
from starlette.testclient import TestClient

from dahlia.dataset.proof_photos import proof_photo, save_photos
from dahlia.modeling.card import load_card, project_id
from dahlia.tracking.registry import Registry
from photo_server import WebServer, photo_server

CONTRACT = {"DAHLIA_URL_FETCH": "any", "DAHLIA_PREDICTION_KEY": KEY}
OTHER = "herb garden"


@pytest.fixture
def source(tmp_path: Path) -> FakeSource:
    """Iteration 1 published as `Iteration 1` and as `v1`; iteration 2 is there too."""
    return FakeSource(tmp_path / "models", {"Iteration 1": 1, "v1": 1})


@pytest.fixture
def folder(source: FakeSource, tmp_path: Path) -> Path:
    """A published model, and photos of noise that travel with it."""
    target = tmp_path / "published"
    shutil.copytree(source.folder / "1", target)
    card = load_card(target)
    noise = np.random.default_rng(0)
    shape = (card.input.size, card.input.size, 3)
    photos = [noise.integers(0, 256, shape).astype(np.uint8) for _ in range(12)]
    save_photos(target, [proof_photo(pixels, [card.tags[0].name]) for pixels in photos])
    return target


@pytest.fixture
def client(source: FakeSource) -> Iterator[TestClient]:
    """A client of `PredictionApp` with a predictor behind it, and nothing else."""
    with build_client(source) as client:
        yield client


@pytest.fixture(scope="session")
def web() -> Iterator[WebServer]:
    """Serves a blue photo."""
    with photo_server(picture((0, 0, 250))) as server:
        yield server


@pytest.fixture(scope="session")
def contract_project(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A project that has published one iteration under one name, which clients of v2 then get by default."""
    return make_project(tmp_path_factory.mktemp("project"), {"Iteration 1": 1})


@pytest.fixture(scope="session")
def bento(contract_project: Registry, tmp_path_factory: pytest.TempPathFactory) -> Bento:
    """The Bento of one published name."""
    return build_bento(contract_project.root, tmp_path_factory.mktemp("bentoml"))


@pytest.fixture(scope="session", params=["folder", "bento"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One project, served from its folder, and by its Bento from an empty folder; fetches from anywhere."""
    if request.param == "folder":
        registry: Registry = request.getfixturevalue("contract_project")
        place = SERVICE, registry.root, tmp_path_factory.mktemp("bentoml")
    else:
        bento: Bento = request.getfixturevalue("bento")
        place = bento.tag, tmp_path_factory.mktemp("elsewhere"), bento.home
    with serving(*place, **CONTRACT) as (base, _):
        yield base
    if request.param == "bento":  # with the Bento's own code, not an installed one
        assert f"from {bento.home / 'bentos'}" in (place[1] / "serve.log").read_text()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two processes for two projects, one in its folder, of the other just what it has published; no key."""
    registry = make_project(tmp_path_factory.mktemp("project"), {"Iteration 1": 1}, iterations=3)
    other = make_project(tmp_path_factory.mktemp("other"), {"herbs": 1}, called=OTHER)
    (other.root / "params.yaml").unlink()
    home = tmp_path_factory.mktemp("bentoml")
    settings = {
        "DAHLIA_WORKERS": "2",
        "DAHLIA_PROJECTS": os.pathsep.join([str(registry.root), str(other.root)]),
    }
    with serving(SERVICE, registry.root, home, **settings) as (base, pid):
        yield Service(base, pid, home, registry, project_id(OTHER))
