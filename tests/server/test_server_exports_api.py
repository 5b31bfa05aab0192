from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from iteration_cases import UNKNOWN, Case, complete, domain_id, new_project
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia import imports
from dahlia.server.context import Server
from dahlia.server.database.work_tables import ExportRow, JobRow


@pytest.fixture
def case(server: Server) -> Case:
    return new_project(server, domain=domain_id("General (compact)"))


@pytest.fixture
def path(client: TestClient, server: Server, case: Case) -> str:
    """Of the exports of a trained iteration."""
    return trained(client, server, case) + "/export"


def trained(client: TestClient, server: Server, case: Case) -> str:
    identity = client.post(f"{case.path}/train").json()["id"]
    complete(server, identity)
    return case.iteration(identity)


def refused(answer: Any, code: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def end(server: Server, **values: object) -> None:
    """What a worker does to every export that is under way."""
    with server.database.write() as session:
        for row in session.scalars(select(ExportRow).where(ExportRow.status == "Exporting")):
            for name, value in values.items():
                setattr(row, name, value)
        for job in session.scalars(select(JobRow)):
            job.state = "done"


def test_an_export_is_queued_and_gets_its_link(client: TestClient, server: Server, path: str) -> None:
    assert client.get(path).json() == []
    answer = client.post(path, params={"platform": "tensorflow"})
    expected = {
        "platform": "TensorFlow", "status": "Exporting", "downloadUri": None, "flavor": None,
        "newerVersionAvailable": False,
    }  # fmt: skip
    assert (answer.status_code, answer.json()) == (200, expected), answer.text
    assert client.get(path).json() == [expected]
    with server.database.read() as session:
        row = session.scalars(select(ExportRow)).one()
        job = session.scalars(select(JobRow).where(JobRow.kind == "export")).one()
    assert (job.payload, job.iteration_key, job.state) == (
        {"export": row.id, "form": "TensorFlow/"},
        row.iteration_key,
        "waiting",
    )
    key = f"exports/{row.id}/model.TensorFlow.zip"
    server.storage.put(key, b"zip")
    end(server, status="Done", file_key=key)
    (done,) = client.get(path).json()
    assert done["status"] == "Done"
    assert done["downloadUri"].startswith(f"http://testserver/files/{key}?expires=")


def test_flavors_come_back_as_they_were_sent(client: TestClient, path: str) -> None:
    asked = [
        ("TensorFlow", None), ("TensorFlow", "TensorFlowNormal"), ("TensorFlow", "TensorFlowLite"),
        ("ONNX", None), ("onnx", "ONNX10"), ("ONNX", "OnnxFloat16"), ("COREML", None),
        ("dockerfile", "Linux"), ("DockerFile", "ARM"), ("OpenVino", None), ("OPENVINO", "NoPostProcess"),
    ]  # fmt: skip
    for platform, flavor in asked:
        query = {"platform": platform, **({"flavor": flavor} if flavor else {})}
        answer = client.post(path, params=query).json()
        assert answer["platform"].lower() == platform.lower()
        assert answer["flavor"] == flavor
    assert [one["flavor"] for one in client.get(path).json()] == [flavor for _, flavor in asked]


def test_what_is_not_offered(client: TestClient, path: str) -> None:
    for query, code, text in [
        ({"platform": "VAIDK"}, "BadRequestNotSupported", "CoreML"),
        ({"platform": "vaidk", "flavor": "x"}, "BadRequestNotSupported", "CoreML"),
        ({"platform": "ONNX", "flavor": "ONNX9"}, "BadRequestExportValidationFailed", "ONNX10"),
        ({"platform": "ONNX", "flavor": "\0" * 500}, "BadRequestExportValidationFailed", "omit it"),
        ({"platform": "DockerFile", "flavor": "Windows"}, "BadRequestExportValidationFailed", "Linux"),
        ({"platform": "Fridge"}, "BadRequestInvalid", "platform"),
        ({"platform": ""}, "BadRequestInvalid", "platform"),
        ({}, "BadRequestRequiredParamIsNull", "platform"),
    ]:
        answer = client.post(path, params=query)
        refused(answer, code)
        assert text in answer.json()["message"]
        assert len(answer.json()["message"]) < 600
    assert client.get(path).json() == []


def test_a_pair_is_exported_once(client: TestClient, server: Server, path: str) -> None:
    query = {"platform": "ONNX"}
    client.post(path, params=query)
    refused(client.post(path, params=query), "BadRequestExportAlreadyInProgress")
    assert client.post(path, params=query | {"flavor": "OnnxFloat16"}).status_code == 200
    end(server, status="Failed", error="the disk is full")
    assert [one["status"] for one in client.get(path).json()] == ["Failed", "Failed"]
    assert client.post(path, params=query).json()["status"] == "Exporting"
    assert [one["status"] for one in client.get(path).json()] == ["Exporting", "Failed"]
    end(server, status="Done", file_key="exports/x/y.zip")
    refused(client.post(path, params=query), "BadRequestExportAlreadyInProgress")


def test_what_the_workers_here_cannot_write_is_refused(
    client: TestClient, server: Server, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(imports.EXTRAS, "coreml", ("absent",))
    answer = client.post(path, params={"platform": "CoreML"})
    refused(answer, "BadRequestNotSupported")
    assert "pip install 'dahlia[coreml]'" in answer.json()["message"]
    assert client.post(path, params={"platform": "ONNX"}).status_code == 200
    jobs = server.settings.jobs.model_copy(update={"workers": 0})
    monkeypatch.setattr(server, "settings", server.settings.model_copy(update={"jobs": jobs}))
    assert client.post(path, params={"platform": "CoreML"}).status_code == 200  # for a worker elsewhere


def test_of_calls_at_once_one_exports(client: TestClient, path: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post(path, params={"platform": "ONNX"}), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert len(client.get(path).json()) == 1


def test_iterations_that_cannot_be_exported(client: TestClient, server: Server, case: Case) -> None:
    query = {"platform": "ONNX"}
    served = trained(client, server, new_project(server))
    refused(client.post(served + "/export", params=query), "BadRequestExportValidationFailed")
    assert client.get(served + "/export").json() == []
    waiting = case.iteration(client.post(f"{case.path}/train").json()["id"])
    refused(client.post(waiting + "/export", params=query), "BadRequestExportWhileTraining")
    client.post(waiting + "/cancel")
    refused(client.post(waiting + "/export", params=query), "BadRequestIterationIsNotTrained")
    unknown = case.iteration(UNKNOWN) + "/export"
    refused(client.get(unknown), "NotFoundIteration", 404)
    refused(client.post(unknown, params=query), "NotFoundIteration", 404)


def test_deleting_an_iteration_calls_its_exports_off(client: TestClient, server: Server, path: str) -> None:
    for flavor in ("ONNX10", "ONNX12"):
        client.post(path, params={"platform": "ONNX", "flavor": flavor})
    with server.database.write() as session:
        job = session.scalars(select(JobRow).order_by(JobRow.key.desc()).limit(1)).one()
        job.state = "running"
        running = job.id
    assert client.delete(path.removesuffix("/export")).status_code == 204
    with server.database.read() as session:
        left = session.scalars(select(JobRow)).one()
        assert (left.id, left.cancel, left.iteration_key) == (running, True, None)
        assert session.scalars(select(ExportRow)).all() == []
