from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fake_project import write_project

from dahlia.errors import TrackingError
from dahlia.params import Params
from dahlia.tracking.record import record
from dahlia.tracking.registry import Registry
from dahlia.tracking.tables import comparison_table, iterations_table


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> tuple[Path, Params]:
    """A project folder with two iterations; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("recorded") / "project"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    record(folder, write_project(folder))
    params = write_project(folder, favourite=1, precision=0.95, max_iterations=20)
    record(folder, params)
    return folder, params


@pytest.fixture
def registry(recorded: tuple[Path, Params], tmp_path: Path) -> Registry:
    """Two iterations, in a project folder that knows of no other."""
    folder, params = recorded
    root = Path(shutil.copytree(folder, tmp_path / "project"))
    _rename_in(root / "mlflow.db", str(folder), str(root))
    return Registry.of(root, params)


def _rename_in(database: Path, before: str, after: str) -> None:
    """Make the store forget where it was copied from: it holds absolute paths."""
    with closing(sqlite3.connect(database)) as store, store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, kind, *_ in store.execute(f"PRAGMA table_info({table})").fetchall():
                if "CHAR" in kind or "TEXT" in kind:
                    change = f'UPDATE {table} SET "{column}" = replace("{column}", ?, ?)'
                    store.execute(f'{change} WHERE instr("{column}", ?)', (before, after, before))


@pytest.mark.parametrize("name", ["production", "Iteration 1", "v1", "latest", "日本 🌹", "a/b_c"])
def test_publishing_and_unpublishing(registry: Registry, name: str) -> None:
    assert registry.publish(1, name).published == (name,)
    assert registry.published_versions() == {name: 1}
    assert registry.published()[name].number == 1
    registry.unpublish(name)
    assert registry.published() == {}


def test_a_name_moves_and_rolls_back(registry: Registry) -> None:
    for number in (1, 2, 1):
        registry.publish(number, "production")
        assert registry.published_versions() == {"production": number}


def test_an_iteration_may_have_several_names(registry: Registry) -> None:
    registry.publish(2, "b")
    assert registry.publish(2, "a").published == ("a", "b")
    assert [iteration.published for iteration in registry.iterations()] == [(), ("a", "b")]


def test_names_that_others_gave_are_left_alone(registry: Registry) -> None:
    registry._client.set_registered_model_alias(registry.project, "my_champion", "1")
    registry.publish(1, "production")
    assert registry.published_versions() == {"production": 1}
    assert registry.get(1).published == ("production",)


def test_the_snapshot_follows(registry: Registry) -> None:
    registry.publish(1, "one")
    registry.publish(1, "uno")
    registry.publish(2, "two")
    folder = registry.root / "published"
    index = json.loads((folder / "published.json").read_text())
    assert index == {"one": "iteration-1", "two": "iteration-2", "uno": "iteration-1"}
    facts = json.loads((folder / "iteration-2" / "iteration.json").read_text())
    assert facts == {"number": 2, "id": registry.get(2).id}
    registry.unpublish("two")
    assert sorted(path.name for path in folder.iterdir()) == ["iteration-1", "published.json"]


def test_servable_folder(registry: Registry) -> None:
    folder = registry.servable(registry.get(1))
    assert {"model.onnx", "model.json"} <= {path.name for path in folder.iterdir()}


def test_a_moved_project_still_serves(registry: Registry, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    registry.root.rename(moved)
    again = Registry(moved, registry.project, registry.uri)
    assert again.servable(again.get(1)).is_relative_to(moved)


def test_artifacts_elsewhere_are_downloaded_once(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    iteration = registry.get(1)
    source = registry.servable(iteration)
    monkeypatch.setattr("dahlia.tracking.store._local_folder", lambda *_: None)
    folder = registry.servable(iteration)
    assert folder == registry.root / ".dahlia" / "models" / iteration.run_id / "data" / "onnx"
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in source.iterdir())
    shutil.rmtree(source)
    assert registry.servable(iteration) == folder


def test_comparison(registry: Registry) -> None:
    rows = {row.name: row for row in registry.compare(1, 2)}
    assert (rows["training.max_iterations"].first, rows["training.max_iterations"].second) == ("10", "20")
    assert rows["precision"].difference == pytest.approx(0.05)
    assert rows["red/ap"].kind == "tag"
    assert rows["red/ap"].difference == pytest.approx(0.05)
    assert "project.name" not in rows
    assert comparison_table(list(rows.values()), 1, 2).row_count == len(rows)


def test_table_of_iterations(registry: Registry) -> None:
    table = iterations_table(registry.iterations(), ["precision", "unknown"])
    assert table.row_count == 2
    headers = [column.header for column in table.columns]
    assert "precision" in headers
    assert "unknown" not in headers


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda registry: registry.get(3), "known: 1, 2"),
        (lambda registry: registry.publish(3, "production"), "known: 1, 2"),
        (lambda registry: registry.publish(1, ""), "publish name"),
        (lambda registry: registry.compare(1, 9), "received 9"),
        (lambda registry: registry.unpublish("production"), "nothing is published"),
    ],
)
def test_errors(registry: Registry, act: Callable[[Registry], object], message: str) -> None:
    with pytest.raises(TrackingError, match=message):
        act(registry)


def test_an_unknown_name_suggests_the_nearest(registry: Registry) -> None:
    registry.publish(1, "production")
    with pytest.raises(TrackingError, match="did you mean production"):
        registry.unpublish("produktion")


def test_an_iteration_without_its_files_cannot_be_published(registry: Registry) -> None:
    shutil.rmtree(registry.servable(registry.get(1)))
    with pytest.raises(TrackingError, match="choose another iteration"):
        registry.publish(1, "production")
    assert registry.published_versions() == {}


def test_before_the_first_recording(root: Path, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="dvc repro"):
        Registry(tmp_path / "nowhere", "roses", "sqlite:///mlflow.db").iterations()
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(TrackingError, match="dvc repro"):
        Registry(root, "roses", "sqlite:///mlflow.db").published()


def test_a_damaged_store(root: Path) -> None:
    (root / "mlflow.db").write_bytes(b"not a database" * 100)
    with pytest.raises(TrackingError, match=r"track\.uri"):
        Registry(root, "roses", "sqlite:///mlflow.db").iterations()
