"""Several processes behind one port: what is published reaches each, and each may die."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from running_services import (
    Service,
    connect,
    connections_of,
    metrics,
    one_to_each_worker,
    post_file,
    predict,
    total,
    until,
    workers,
)
from serving_helpers import PROJECT_ID, picture, url

pytestmark = pytest.mark.slow

NAME = "production"
PATH = url(NAME, end="image/nostore")
CLIENTS = 8


@contextmanager
def asked_without_end(service: Service) -> Iterator[dict[int, str]]:
    """Ask every process for `production`; gives what each last answered. Any refusal fails the test."""
    last: dict[int, str] = {}
    done = threading.Event()

    def keep_asking(worker: int, connection: http.client.HTTPConnection) -> None:
        while not done.is_set():
            status, answer = predict(connection, PATH)
            assert status == 200, answer
            last[worker] = answer["iteration"]
            time.sleep(0.002)

    with one_to_each_worker(service) as connections, ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(keep_asking, *one) for one in connections.items()]
        try:
            until(lambda: len(last) == 2)
            yield last
        finally:
            done.set()
        for one in asking:
            one.result()


def publish(service: Service, number: int) -> None:
    """Publish where nobody is asking yet, and wait until every process knows."""
    service.registry.publish(number, NAME)
    with one_to_each_worker(service) as connections:
        for connection in connections.values():
            until(lambda connection=connection: _answers(connection, service.registry.get(number).id))


def _answers(connection: http.client.HTTPConnection, iteration: str) -> bool:
    status, answer = predict(connection, PATH)
    return status == 200 and answer["iteration"] == iteration


def test_a_publish_reaches_every_process_within_5_s_and_no_request_fails(service: Service) -> None:
    publish(service, 1)
    with asked_without_end(service) as last:
        for number in (2, 1):
            wanted = service.registry.publish(number, NAME).id
            moved = time.monotonic()
            until(lambda wanted=wanted: set(last.values()) == {wanted})
            assert time.monotonic() - moved < 5


def test_a_model_that_cannot_be_loaded_leaves_the_older_one(service: Service) -> None:
    publish(service, 1)
    registry = service.registry
    (registry.servable(registry.get(3)) / "model.onnx").write_bytes(b"no model")
    says = "cannot be served as 'production'; the older one keeps serving"
    with asked_without_end(service) as last:
        registry.publish(3, NAME)
        until(lambda: service.log.count(says) >= 2)
        last.clear()
        until(lambda: len(last) == 2)
        assert set(last.values()) == {registry.get(1).id}
    publish(service, 2)


def test_metrics_add_the_processes_up(service: Service) -> None:
    publish(service, 1)
    before = metrics(service.base)
    paths = {
        (PROJECT_ID, NAME): PATH,
        (PROJECT_ID, "Iteration 1"): url(),
        (service.other, "herbs"): url("herbs", service.other),
    }
    with one_to_each_worker(service) as connections:
        for asked, connection in enumerate(connections.values(), start=5):
            for path in (*paths.values(), url("nobody"), url("nobody"), url(task="detect")):
                assert {predict(connection, path)[0] for _ in range(asked)} <= {200, 404, 400}
    post_file(f"{service.base}/predict", picture(), name="herbs")
    after = metrics(service.base)

    def more(metric: str, **labels: str) -> float:
        return total(after, metric, **labels) - total(before, metric, **labels)

    for (project, name), path in paths.items():
        typed = 1 if name == "herbs" else 0
        assert more("dahlia_prediction_seconds_count", project=project, name=name) == 5 + 6 + typed
        kept = 0 if path.endswith("/nostore") else 5 + 6
        assert more("dahlia_predictions_stored_total", project=project, name=name) == kept
    assert more("dahlia_predictions_not_stored_total") == 0
    assert more("dahlia_refusals_total", code="NotFoundIteration") == 2 * (5 + 6)
    assert more("dahlia_refusals_total", code="BadRequestOperationNotSupported") == 5 + 6
    assert total(after, "dahlia_predictions_under_way") == 0
    assert total(after, "dahlia_models_loaded") >= 4


def test_no_client_adds_a_time_series(service: Service) -> None:
    def strangers() -> list[str]:
        names = [str(uuid.uuid4()) for _ in range(10)]
        return [
            path
            for name in names
            for path in (
                f"/{name}",
                f"/static_content/{name}",
                f"/metrics/{name}",
                url(name),
                url(project=name),
                f"/customvision/v3.0/Prediction/{PROJECT_ID}/image?iterationId={name}",
            )
        ]

    def ask_all() -> Counter[int]:
        connection = connect(service.base)
        answers = Counter(predict(connection, path)[0] for path in strangers())
        connection.close()
        return answers

    ask_all()
    before = set(metrics(service.base))
    assert set(ask_all()) <= {400, 404}
    pids = set(workers(service.pid))
    new = [one for one in set(metrics(service.base)) - before if not _of_a_process(one[1], pids)]
    assert new == []


def _of_a_process(labels: frozenset[tuple[str, str]], pids: set[int]) -> bool:
    return any(name == "pid" and int(value) in pids for name, value in labels)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9")
def test_a_killed_process_costs_its_own_requests_alone(service: Service) -> None:
    publish(service, 1)
    before = total(metrics(service.base), "dahlia_prediction_seconds_count", name=NAME)
    done = threading.Event()
    answers = [threading.Event() for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(_client, service.base, done.is_set, event) for event in answers]
        try:
            assert all(event.wait(30) for event in answers)
            held = {worker: len(connections_of(worker)) for worker in workers(service.pid)}
            victim = max(held, key=lambda worker: held[worker])
            os.kill(victim, signal.SIGKILL)
            time.sleep(0.2)
            for event in answers:
                event.clear()
            assert all(event.wait(30) for event in answers)
        finally:
            done.set()
        outcomes = [one.result() for one in asking]
    until(lambda: len(set(workers(service.pid)) - {victim}) == 2)
    until(lambda: not _gauges(service, victim))
    failures = [failed for _, failed in outcomes]
    assert max(failures) <= 1, "the request after a lost one was answered"
    assert sum(failures) <= held[victim]
    answered = sum(count for count, _ in outcomes)
    counted = total(metrics(service.base), "dahlia_prediction_seconds_count", name=NAME) - before
    assert answered <= counted <= answered + sum(failures)
    with one_to_each_worker(service) as connections:
        assert victim not in connections
        assert {predict(connection, PATH)[0] for connection in connections.values()} == {200}


def _client(base: str, done: Callable[[], bool], answered: threading.Event) -> tuple[int, int]:
    """Ask until it is done; how many requests were answered, and how many were lost."""
    count = lost = 0
    connection = connect(base)
    while not done():
        try:
            status, _ = predict(connection, PATH)
        except (OSError, http.client.HTTPException):
            lost += 1
            connection.close()
            continue
        assert status == 200
        count += 1
        answered.set()
    connection.close()
    return count, lost


def _gauges(service: Service, worker: int) -> list[str]:
    folder = service.home / "prometheus_multiproc_dir"
    return [path.name for path in folder.glob(f"gauge_live*_{worker}.db")]
