from __future__ import annotations

import logging

import pytest
from serving_helpers import IDS, FakeSource, load, picture

from dahlia.serving.catalogue import Catalogue


@pytest.fixture
def catalogue(source: FakeSource) -> Catalogue:
    made = Catalogue(source, load)
    made.refresh()
    return made


def answering(catalogue: Catalogue, name: str) -> str:
    model = catalogue.get(name)
    assert model is not None
    return model.iteration


def test_names_share_a_model(catalogue: Catalogue, source: FakeSource) -> None:
    assert catalogue.names == ["Iteration 1", "v1"]
    assert catalogue.get("v1") is catalogue.get("Iteration 1")
    assert source.located == [1]


def test_a_moved_name_gets_the_new_model(catalogue: Catalogue, source: FakeSource) -> None:
    source.names = {"v1": 2}
    catalogue.refresh()
    assert catalogue.names == ["v1"]
    assert answering(catalogue, "v1") == IDS[2]
    model = catalogue.get("v1")
    assert model is not None
    assert model.predict(picture())[0].tag.name == "green"


def test_what_is_loaded_is_not_loaded_again(catalogue: Catalogue, source: FakeSource) -> None:
    before = catalogue.get("v1")
    catalogue.refresh()
    source.names = {"again": 1}
    catalogue.refresh()
    assert catalogue.get("again") is before
    assert source.located == [1]


@pytest.mark.parametrize("content", [b"not a graph", b""])
def test_a_model_that_cannot_be_loaded_leaves_the_older_one(
    catalogue: Catalogue, source: FakeSource, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (source.folder / "2" / "model.onnx").write_bytes(content)
    source.names = {"v1": 2, "new": 2}
    with caplog.at_level(logging.ERROR, "bentoml.dahlia"):
        catalogue.refresh()
        catalogue.refresh()
    assert answering(catalogue, "v1") == IDS[1]
    assert catalogue.names == ["v1"]
    assert "older one goes on serving" in caplog.text
    assert source.located.count(2) == 1


def test_a_graph_that_does_not_fit_its_card(source: FakeSource) -> None:
    card = source.folder / "1" / "model.json"
    card.write_text(card.read_text().replace('"size": 32', '"size": 64'))
    catalogue = Catalogue(source, load)
    catalogue.refresh()
    assert catalogue.names == []


def test_an_unreachable_source_changes_nothing(
    catalogue: Catalogue, source: FakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    source.reachable = False
    with caplog.at_level(logging.WARNING, "bentoml.dahlia"):
        catalogue.refresh()
        catalogue.refresh()
    assert catalogue.names == ["Iteration 1", "v1"]
    assert len(caplog.records) == 1
    source.reachable = True
    source.names = {"v1": 2}
    catalogue.refresh()
    assert answering(catalogue, "v1") == IDS[2]


def test_it_follows_in_the_background(source: FakeSource) -> None:
    catalogue = Catalogue(source, load)
    catalogue.start(0.01)
    try:
        source.names = {"v1": 2}
        for _ in range(1000):
            if answering(catalogue, "v1") == IDS[2]:
                break
            catalogue._stop.wait(0.01)
        assert answering(catalogue, "v1") == IDS[2]
    finally:
        catalogue.stop()
