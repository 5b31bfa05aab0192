from __future__ import annotations

import time
from pathlib import Path

import pytest
from serving_helpers import IDS, PROJECT_ID, FakeSource, load

from dahlia.errors import ServingError
from dahlia.serving.models.catalogue import Catalogue
from dahlia.serving.models.projects import Projects
from dahlia.serving.models.shelf import Shelf

OTHER = "00000000-1111-0000-0000-000000000000"


class OtherSource(FakeSource):
    project_id = OTHER


def projects(*sources: FakeSource) -> Projects:
    shelf = Shelf(load, 1 << 30)
    made = Projects([Catalogue(source, shelf) for source in sources])
    made.refresh()
    return made


@pytest.fixture
def both(source: FakeSource, tmp_path: Path) -> Projects:
    """Two projects: one has `Iteration 1` and `v1`, the other `v1` and `only`."""
    return projects(source, OtherSource(tmp_path / "other", {"v1": 2, "only": 1}))


@pytest.mark.parametrize(
    ("project", "name", "iteration"), [(PROJECT_ID, "v1", 1), (OTHER, "v1", 2), (OTHER.upper(), "only", 1)]
)
def test_each_project_has_its_names(both: Projects, project: str, name: str, iteration: int) -> None:
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
def test_what_is_not_there(both: Projects, project: str, name: str, code: str) -> None:
    with pytest.raises(ServingError) as caught:
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
    both: Projects, project: str | None, name: str | None, found: tuple[str, str]
) -> None:
    published = both.any(project, name)
    assert (published.project, published.name) == found


@pytest.mark.parametrize(
    ("project", "name", "words"),
    [(None, "v1", f"id of a project.*{PROJECT_ID}, {OTHER}"), (OTHER, None, "name.*only, v1")],
)
def test_what_is_not_unique_is_asked_for(
    both: Projects, project: str | None, name: str | None, words: str
) -> None:
    with pytest.raises(ServingError, match=words) as caught:
        both.any(project, name)
    assert caught.value.code == "BadRequestRequiredParamIsNull"


def test_a_long_list_is_cut(source: FakeSource) -> None:
    source.names = {f"name {number}": 1 for number in range(30)}
    with pytest.raises(ServingError, match="and 10 more"):
        projects(source).named(PROJECT_ID, "nobody")


def test_a_project_stands_once(source: FakeSource) -> None:
    with pytest.raises(ServingError, match="same project name"):
        projects(source, source)


def test_it_follows_in_the_background(source: FakeSource) -> None:
    made = Projects([Catalogue(source, Shelf(load, 1 << 30))])
    made.start(0.01)
    try:
        source.names = {"v1": 2}
        deadline = time.monotonic() + 30
        while made.named(PROJECT_ID, "v1").servable.id != IDS[2]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        made.stop()
