from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from serving_helpers import IDS, PROJECT_ID, FakeSource, load

from dahlia.errors import ServiceError
from dahlia.serving.models.loading import ModelCache, Servable
from dahlia.serving.models.publications import Publications
from dahlia.serving.models.runtime import Model

OTHER = "00000000-1111-0000-0000-000000000000"


class OtherSource(FakeSource):
    project_id = OTHER


def projects(*sources: FakeSource) -> Publications:
    made = Publications(sources, ModelCache(load, 1 << 30))
    made.refresh()
    return made


@pytest.fixture
def both(source: FakeSource, tmp_path: Path) -> Publications:
    """Two projects: one has `Iteration 1` and `v1`, the other `v1` and `only`."""
    return projects(source, OtherSource(tmp_path / "other", {"v1": 2, "only": 1}))


@pytest.mark.parametrize(
    ("project", "name", "iteration"), [(PROJECT_ID, "v1", 1), (OTHER, "v1", 2), (OTHER.upper(), "only", 1)]
)
def test_each_project_has_its_names(both: Publications, project: str, name: str, iteration: int) -> None:
    found = both.named(project, name)
    assert (found.project, found.name) == (project.lower(), name)
    assert found.servable.id == IDS[iteration]


@pytest.mark.parametrize(
    ("project", "name", "code"),
    [
        (PROJECT_ID, "only", "NotFoundIteration"),
        ("00000000-2222-0000-0000-000000000000", "v1", "NotFoundProject"),
        ("none", "v1", "BadRequestInvalidIds"),
    ],
)
def test_what_is_not_there(both: Publications, project: str, name: str, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        both.named(project, name)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("project", "name", "found"),
    [
        (None, "only", (OTHER, "only")),
        (None, "Iteration 1", (PROJECT_ID, "Iteration 1")),
        (OTHER, "v1", (OTHER, "v1")),
    ],
)
def test_what_is_unique_needs_no_more(
    both: Publications, project: str | None, name: str | None, found: tuple[str, str]
) -> None:
    published = both.any(project, name)
    assert (published.project, published.name) == found


@pytest.mark.parametrize(
    ("project", "name", "words"),
    [(None, "v1", f"id of a project.*{PROJECT_ID}, {OTHER}"), (OTHER, None, "name.*only, v1")],
)
def test_what_is_not_unique_is_asked_for(
    both: Publications, project: str | None, name: str | None, words: str
) -> None:
    with pytest.raises(ServiceError, match=words) as caught:
        both.any(project, name)
    assert caught.value.code == "BadRequestRequiredParamIsNull"


def test_a_long_list_is_cut(source: FakeSource) -> None:
    source.names = {f"name {number}": 1 for number in range(30)}
    with pytest.raises(ServiceError, match="and 10 more"):
        projects(source).named(PROJECT_ID, "nobody")


def test_a_project_stands_once(source: FakeSource) -> None:
    with pytest.raises(ServiceError, match="same project name"):
        projects(source, source)


def test_it_follows_in_the_background(source: FakeSource) -> None:
    made = Publications([source], ModelCache(load, 1 << 30))
    made.start(0.01)
    try:
        source.names = {"v1": 2}
        deadline = time.monotonic() + 30
        while made.named(PROJECT_ID, "v1").servable.id != IDS[2]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        made.stop()


@pytest.fixture
def models() -> ModelCache:
    return ModelCache(load, 1 << 30)


@pytest.fixture
def one(source: FakeSource, models: ModelCache) -> Publications:
    made = Publications([source], models)
    made.refresh()
    return made


def servable(publications: Publications, name: str) -> Servable:
    return publications.named(PROJECT_ID, name).servable


def names(publications: Publications) -> list[str]:
    return list(publications.projects[PROJECT_ID])


def test_nothing_is_loaded_at_the_start(one: Publications, models: ModelCache) -> None:
    assert names(one) == ["Iteration 1", "v1"]
    assert len(models) == 0


def test_names_share_an_iteration(one: Publications, source: FakeSource) -> None:
    assert servable(one, "v1") is servable(one, "Iteration 1")
    found = one.numbered(PROJECT_ID, None)
    assert (found.servable.id, found.name) == (IDS[1], "Iteration 1")
    assert source.located == [1]


def test_a_moved_name_gets_the_new_model_once_it_is_loaded(
    one: Publications, source: FakeSource, models: ModelCache
) -> None:
    source.names = {"v1": 2}
    one.refresh()
    assert names(one) == ["v1"]
    assert servable(one, "v1").id == IDS[2]
    assert servable(one, "v1") in models


def test_what_is_known_is_not_looked_up_again(one: Publications, source: FakeSource) -> None:
    before = servable(one, "v1")
    one.refresh()
    source.names = {"again": 1}
    one.refresh()
    assert servable(one, "again") is before
    assert source.located == [1]


def test_files_that_are_no_model_leave_the_older_one(source: FakeSource) -> None:
    """Whatever a library raises of them."""

    def refuse(servable: Servable) -> Model:
        if servable.number == 2:
            raise ValueError("max() arg is an empty sequence")
        return load(servable)

    followed = Publications([source], ModelCache(refuse, 1 << 30))
    followed.start(0.01)
    try:
        source.names = {"v1": 2}
        _until(lambda: len(followed.projects[PROJECT_ID]) == 1)
        assert followed.named(PROJECT_ID, "v1").servable.id == IDS[1]
        source.names = {"v1": 2, "later": 1}
        _until(lambda: "later" in followed.projects[PROJECT_ID])
    finally:
        followed.stop()


def test_following_outlives_what_is_raised(source: FakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    followed = projects(source)
    calls: list[int] = []
    published = source.published

    def fail_once() -> Mapping[str, Mapping[str, int]]:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("unforeseen")
        return published()

    followed.start(0.01)
    monkeypatch.setattr(source, "published", fail_once)
    try:
        _until(lambda: len(calls) > 2)
    finally:
        followed.stop()
    assert followed.named(PROJECT_ID, "v1")


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    assert holds()


@pytest.mark.parametrize("content", [b"not a graph", b""])
def test_a_model_that_cannot_be_loaded_leaves_the_older_one(
    one: Publications, source: FakeSource, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (source.folder / "2" / "model.onnx").write_bytes(content)
    source.names = {"v1": 2, "new": 2}
    with caplog.at_level(logging.ERROR, "bentoml.dahlia"):
        one.refresh()
        one.refresh()
    assert servable(one, "v1").id == IDS[1]
    assert names(one) == ["v1"]
    assert "cannot be loaded" in caplog.text
    assert source.located.count(2) == 1


def test_a_name_moves_to_an_iteration_of_another_name_once_it_is_loaded(
    source: FakeSource, models: ModelCache
) -> None:
    """As from staging to production: what the other name stood for need not be loaded, or loadable."""
    (source.folder / "2" / "model.onnx").write_bytes(b"not a graph")
    source.names = {"production": 1, "staging": 2}
    made = Publications([source], models, serves_faulty=True)
    made.refresh()
    source.names = {"production": 2}
    made.refresh()
    assert names(made) == ["production"]
    assert servable(made, "production").id == IDS[1]
    source.names = {"production": 2, "staging": 1}
    made.refresh()
    assert servable(made, "staging") in models


class LateSource(FakeSource):
    """Knows its projects once it is read, as a database does."""

    projects = ()


def test_what_was_never_read_is_unavailable(tmp_path: Path) -> None:
    late = LateSource(tmp_path / "late", {"v1": 1})
    late.reachable = False
    made = projects(late)
    with pytest.raises(ServiceError, match="cannot be read yet") as refused:
        made.named(PROJECT_ID, "v1")
    assert refused.value.status == 503
    late.reachable = True
    made.refresh()
    assert servable(made, "v1").id == IDS[1]


def test_a_source_that_is_away_at_first_is_followed(tmp_path: Path) -> None:
    source = LateSource(tmp_path / "late", {"v1": 1})
    source.reachable = False
    made = Publications([source], ModelCache(load, 1 << 30))
    made.start(0.01)
    source.reachable = True
    try:
        deadline = time.monotonic() + 30
        while not made.ready:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        made.stop()


def test_an_unreachable_source_changes_nothing(
    one: Publications, source: FakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    source.reachable = False
    with caplog.at_level(logging.WARNING, "bentoml.dahlia"):
        one.refresh()
        one.refresh()
    assert names(one) == ["Iteration 1", "v1"]
    assert len(caplog.records) == 1
    source.reachable = True
    source.names = {"v1": 2}
    one.refresh()
    assert servable(one, "v1").id == IDS[2]
