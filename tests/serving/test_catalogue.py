from __future__ import annotations

import logging

import pytest
from serving_helpers import IDS, FakeSource, load

from dahlia.serving.models.catalogue import Catalogue
from dahlia.serving.models.shelf import Shelf


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(load, 1 << 30)


@pytest.fixture
def catalogue(source: FakeSource, shelf: Shelf) -> Catalogue:
    made = Catalogue(source, shelf)
    made.refresh()
    return made


def answering(catalogue: Catalogue, name: str) -> str:
    servable = catalogue.get(name)
    assert servable is not None
    return servable.id


def test_nothing_is_loaded_at_the_start(catalogue: Catalogue, shelf: Shelf) -> None:
    assert catalogue.names == ["Iteration 1", "v1"]
    assert len(shelf) == 0


def test_names_share_an_iteration(catalogue: Catalogue, source: FakeSource) -> None:
    assert catalogue.get("v1") is catalogue.get("Iteration 1")
    assert catalogue.iterations == {IDS[1]: "Iteration 1"}
    assert source.located == [1]


def test_a_moved_name_gets_the_new_model_once_it_is_loaded(
    catalogue: Catalogue, source: FakeSource, shelf: Shelf
) -> None:
    source.names = {"v1": 2}
    catalogue.refresh()
    assert catalogue.names == ["v1"]
    assert answering(catalogue, "v1") == IDS[2]
    servable = catalogue.get("v1")
    assert servable is not None
    assert servable in shelf


def test_what_is_known_is_not_looked_up_again(catalogue: Catalogue, source: FakeSource) -> None:
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
    assert "cannot be loaded" in caplog.text
    assert source.located.count(2) == 1


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
