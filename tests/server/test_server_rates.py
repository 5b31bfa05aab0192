from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from dahlia.errors import GatewayError
from dahlia.http.admission import Rates
from dahlia.server.app import create_app
from dahlia.server.context import open_server
from dahlia.server.keys.keys import Scope, create_key
from dahlia.settings.server import load_settings

BASE = "/customvision/v3.4-preview/training"
NOBODY = "00000000-0000-4000-8000-000000000000"
PREDICT = f"http://testserver/customvision/v3.1/prediction/{NOBODY}/classify/iterations/live/image"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(rates: Rates, calls: int, per_second: float, key: str = "a", kind: str = "calls") -> int:
    count = 0
    for _ in range(calls):
        try:
            rates.take(key, kind, per_second)
            count += 1
        except GatewayError:
            pass
    return count


@pytest.mark.parametrize(
    ("per_second", "first", "after_half", "after_long"), [(10, 10, 5, 10), (2, 2, 1, 2), (1, 1, 0, 1)]
)
def test_a_seconds_worth_at_once_then_as_time_goes_by(
    per_second: float, first: int, after_half: int, after_long: int
) -> None:
    clock = Clock()
    rates = Rates(clock)
    assert admitted(rates, 50, per_second) == first
    clock.now += 0.5
    assert admitted(rates, 50, per_second) == after_half
    clock.now += 3600
    assert admitted(rates, 50, per_second) == after_long


def test_keys_and_kinds_are_counted_apart() -> None:
    rates = Rates(Clock())
    assert admitted(rates, 5, 2) == 2
    assert admitted(rates, 5, 2, key="b") == 2
    assert admitted(rates, 5, 2, kind="train_project") == 2


def test_zero_is_no_limit() -> None:
    assert admitted(Rates(Clock()), 1000, 0) == 1000


def test_the_refusal_says_when_to_ask_again() -> None:
    rates = Rates(Clock())
    rates.take("a", "train_project", 1)
    with pytest.raises(GatewayError, match="retry after 1 second") as refusal:
        rates.take("a", "train_project", 1)
    assert (refusal.value.status, refusal.value.retry_after) == (429, 1)


@pytest.mark.parametrize(
    ("limit", "method", "path"),
    [
        ("DAHLIA_RATES_TRAINING_CALLS", "GET", "/domains"),
        ("DAHLIA_RATES_TRAIN_PROJECT", "POST", f"/projects/{NOBODY}/train"),
        ("DAHLIA_RATES_PREDICTIONS", "POST", PREDICT + "/nostore"),
        ("DAHLIA_RATES_PREDICTIONS_STORED", "POST", PREDICT),
    ],
)
def test_each_limit_holds_for_its_own_calls(tmp_path: Path, limit: str, method: str, path: str) -> None:
    environment = {"DAHLIA_SERVER_HOME": str(tmp_path / "home"), "DAHLIA_SERVER_ALLOWED_HOSTS": "testserver"}
    server = open_server(load_settings(None, environment | {limit: "1"}))
    with server.database.write() as session:
        keys = [create_key(session, "app", Scope.TRAINING, None, server.now())[1] for _ in range(2)]
    with TestClient(create_app(server), base_url=f"http://testserver{BASE}") as client:
        first, second = (client.request(method, path, headers={"Training-Key": keys[0]}) for _ in range(2))
        other = client.request(method, path, headers={"Training-Key": keys[1]})
    assert (first.status_code, other.status_code) == (other.status_code, first.status_code)
    assert first.status_code != 429
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    assert second.json()["error"]["code"] == "429"
    server.database.close()
