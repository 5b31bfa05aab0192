from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from serving_helpers import PROJECT_ID, FakeSource, build_client, picture, url

from dahlia.serving.stored.reading import read_predictions
from dahlia.serving.stored.store import Kept, PredictionStore


class FullStore(PredictionStore):
    """A disk that takes nothing more."""

    def offer(self, kept: Kept) -> bool:
        return False


def ask(client: Any, path: str) -> Any:
    return client.post(path, content=picture(), headers={"Content-Type": "application/octet-stream"})


@pytest.mark.parametrize(
    ("kind", "nostore", "said"),
    [
        (PredictionStore, "", "true"),
        (FullStore, "", "false"),
        (PredictionStore, "/nostore", None),
        (None, "", None),
    ],
)
def test_the_answer_says_whether_it_is_stored(
    source: FakeSource, tmp_path: Path, kind: Any, nostore: str, said: str | None
) -> None:
    store = kind(tmp_path / "kept") if kind else None
    with build_client(source, store) as client:
        answer = ask(client, url() + nostore)
    assert answer.status_code == 200
    assert answer.headers.get("dahlia-stored") == said
    kept = list(read_predictions(tmp_path / "kept")) if said == "true" else []
    assert [one.facts["id"] for one in kept] == ([answer.json()["id"]] if said == "true" else [])
    if store:
        store.close()


def test_what_is_counted(source: FakeSource, tmp_path: Path) -> None:
    store = PredictionStore(tmp_path / "kept")
    with build_client(source, store) as client:
        for _ in range(3):
            ask(client, url())
        ask(client, url("v1") + "/nostore")
        ask(client, url("nobody"))
        ask(client, url(project="00000000-9999-0000-0000-000000000000"))
        client.post("/somewhere/else")
        counted = generate_latest(client.registry).decode()
    store.close()
    labels = f'{{name="Iteration 1",project="{PROJECT_ID}"}}'
    assert f"dahlia_prediction_seconds_count{labels} 3.0" in counted
    assert f"dahlia_predictions_stored_total{labels} 3.0" in counted
    assert f'dahlia_prediction_seconds_count{{name="v1",project="{PROJECT_ID}"}} 1.0' in counted
    assert 'dahlia_refusals_total{code="NotFoundIteration"} 1.0' in counted
    assert 'dahlia_refusals_total{code="NotFoundProject"} 1.0' in counted
    assert "nobody" not in counted
    assert "00000000-9999" not in counted
    assert "somewhere" not in counted
    assert "dahlia_predictions_under_way 0.0" in counted


@pytest.mark.parametrize("damaged", ["model.json", "model.onnx"])
def test_a_damaged_model_is_an_error_that_can_be_read(source: FakeSource, damaged: str) -> None:
    (source.folder / "1" / damaged).write_bytes(b"{")
    with build_client(source) as client:
        for _ in range(2):
            answer = ask(client, url())
            assert answer.status_code == 500
            assert answer.json()["code"] == "ErrorPredictionModelNotFound"
            assert "cannot be loaded" in answer.json()["message"]
            assert str(source.folder) not in answer.text
