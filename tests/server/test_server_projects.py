from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from project_cases import (
    UNKNOWN,
    add_image,
    count,
    domain_id,
    make_project,
    make_tag,
    refused,
    set_limit,
    set_project,
    train,
)
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.contract.enums import DomainType
from dahlia.server.database.changes import project_of, remove
from dahlia.server.database.tables import AuditRow, ImageRow
from dahlia.server.keys.keys import Scope, create_key
from dahlia.server.projects.choices import MAX_DESCRIPTION, MAX_NAME

pytestmark = pytest.mark.both_databases


GENERAL, FOOD, COMPACT = domain_id("General"), domain_id("Food"), domain_id("General (compact)")


DETECTION = domain_id("General", DomainType.DETECTION)


DETECTION_S1 = domain_id("General (compact) [S1]", DomainType.DETECTION)


AUGMENTATION = {
    "rotation": True,
    "scaling": True,
    "translation": True,
    "horizontal flip": True,
    "equalize": True,
    "solarize": True,
    "padtosquare": True,
}


def patch(client: TestClient, project: dict[str, Any], **change: Any) -> Any:
    return client.patch(f"/projects/{project['id']}", json=change)


def revision(server: Server, project: dict[str, Any]) -> int:
    with server.database.read() as session:
        return project_of(session, project["id"]).revision


def test_a_new_project_is_what_the_original_makes_of_nothing(client: TestClient) -> None:
    project = make_project(client, "  Grandma's garden ")
    assert project.pop("created") == project.pop("lastModified")
    assert project == {
        "id": project["id"],
        "name": "Grandma's garden",
        "description": "",
        "settings": {
            "domainId": GENERAL,
            "classificationType": "Multilabel",
            "targetExportPlatforms": [],
            "useNegativeSet": True,
            "detectionParameters": None,
            "imageProcessingSettings": {"augmentationMethods": AUGMENTATION},
            "exportModelContainerUri": None,
            "notificationQueueUri": None,
        },
        "thumbnailUri": None,
        "drModeEnabled": False,
        "status": "Succeeded",
    }
    assert client.get(f"/projects/{project['id']}").json()["settings"] == project["settings"]


WISHES: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"domainId": FOOD.upper(), "description": "a\nb"}, {"domainId": FOOD}),
    ({"classificationType": "multiclass"}, {"classificationType": "Multiclass"}),
    ({"classificationType": "", "domainId": ""}, {"classificationType": "Multilabel"}),
    (
        {"domainId": COMPACT, "targetExportPlatforms": "onnx, CoreML,ONNX"},
        {"targetExportPlatforms": ["ONNX", "CoreML"]},
    ),
    ({"domainId": DETECTION, "classificationType": "Multiclass"}, {"classificationType": None}),
    ({"domainId": DETECTION}, {"classificationType": None, "domainId": DETECTION}),
]


def test_a_new_project_is_what_is_asked_for(client: TestClient) -> None:
    for query, expected in WISHES:
        project = make_project(client, **query)
        assert project["description"] == query.get("description", "")
        assert project["settings"] | expected == project["settings"], query


IMPOSSIBLE: list[tuple[dict[str, str], str]] = [
    ({}, "BadRequestRequiredParamIsNull"),
    ({"name": "   "}, "BadRequestProjectName"),
    ({"name": "x" * (MAX_NAME + 1)}, "BadRequestProjectName"),
    ({"name": "a\nb"}, "BadRequestProjectName"),
    ({"name": "a\x00b"}, "BadRequestProjectName"),
    ({"name": "a", "description": "x" * (MAX_DESCRIPTION + 1)}, "BadRequestProjectDescription"),
    ({"name": "a", "description": "a\x00b"}, "BadRequestProjectDescription"),
    ({"name": "a", "domainId": UNKNOWN}, "BadRequestProjectUnknownDomain"),
    ({"name": "a", "domainId": "general"}, "BadRequestProjectUnknownDomain"),
    ({"name": "a", "domainId": domain_id("Adult")}, "BadRequestProjectUnknownDomain"),
    ({"name": "a", "classificationType": "Both"}, "BadRequestProjectUnknownClassification"),
    (
        {"name": "a", "domainId": COMPACT, "targetExportPlatforms": "VAIDK"},
        "BadRequestProjectUnsupportedExportPlatform",
    ),
    ({"name": "a", "targetExportPlatforms": "ONNX"}, "BadRequestProjectUnsupportedExportPlatform"),
    (
        {"name": "a", "domainId": COMPACT, "targetExportPlatforms": "Amiga"},
        "BadRequestProjectUnsupportedExportPlatform",
    ),
]


def test_what_a_project_cannot_be(client: TestClient, server: Server) -> None:
    for query, code in IMPOSSIBLE:
        refused(client.post("/projects", params=query), code)
    assert client.get("/projects").json() == []
    assert count(server, AuditRow) == 0


def test_names_are_text(client: TestClient) -> None:
    project = make_project(client)
    for text in ("\ud800", "a\u2028b"):
        answer = client.patch(
            f"/projects/{project['id']}",
            content=json.dumps({"name": text}),
            headers={"content-type": "application/json"},
        )
        refused(answer, "BadRequestProjectName")


def test_addresses_of_the_owner_are_kept(client: TestClient) -> None:
    body = {"exportModelContainerUri": "https://a.example/b?sig=c", "notificationQueueUri": None}
    answer = client.post("/projects", params={"name": "a"}, json=body)
    assert answer.json()["settings"]["exportModelContainerUri"] == "https://a.example/b?sig=c"
    for wrong in ("file:///etc/passwd", "https://", "https://a b", "http://[", "https://a/" + "x" * 2048):
        body = {"notificationQueueUri": wrong}
        refused(client.post("/projects", params={"name": "a"}, json=body), "BadRequestInvalidUri")


def test_clients_send_an_empty_body_of_json(client: TestClient) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = client.post("/projects", params={"name": "a"}, content=b"", headers=headers)
    assert answer.status_code == 200


def test_several_projects_may_have_one_name(client: TestClient) -> None:
    first, second = make_project(client, "twice"), make_project(client, "twice")
    assert [project["id"] for project in client.get("/projects").json()] == [first["id"], second["id"]]


def test_there_are_as_many_projects_as_may_be(client: TestClient, server: Server) -> None:
    set_limit(server, projects=2)
    first = make_project(client)
    make_project(client)
    refused(client.post("/projects", params={"name": "a"}), "BadRequestExceedProjectLimit")
    assert client.delete(f"/projects/{first['id']}").status_code == 204
    make_project(client)


def test_a_key_of_one_project_sees_it_alone(client: TestClient, server: Server) -> None:
    mine, other = make_project(client), make_project(client)
    with server.database.write() as session:
        key = create_key(session, "mine", Scope.TRAINING, mine["id"], server.now())[1]
    client.headers["Training-Key"] = key
    assert [project["id"] for project in client.get("/projects").json()] == [mine["id"]]
    assert patch(client, mine, name="new").json()["name"] == "new"
    for answer in (patch(client, other, name="new"), client.post("/projects", params={"name": "a"})):
        refused(answer, "ForbiddenUserInsufficientCapability", 403)


def test_a_key_to_read_changes_nothing(client: TestClient, server: Server) -> None:
    project = make_project(client)
    with server.database.write() as session:
        key = create_key(session, "read", Scope.READ, None, server.now())[1]
    client.headers["Training-Key"] = key
    assert client.get(f"/projects/{project['id']}").status_code == 200
    for answer in (
        patch(client, project, name="b"),
        client.delete(f"/projects/{project['id']}"),
        client.post("/projects", params={"name": "a"}),
    ):
        refused(answer, "ForbiddenUserInsufficientCapability", 403)


ABSENT = [
    ("GET", UNKNOWN, "NotFoundProject", 404),
    ("PATCH", UNKNOWN, "NotFoundProject", 404),
    ("DELETE", UNKNOWN, "NotFoundProject", 404),
    ("GET", "garden", "BadRequestInvalidIds", 400),
]


def test_projects_that_are_not_there(client: TestClient) -> None:
    for method, identity, code, status in ABSENT:
        body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
        refused(client.request(method, f"/projects/{identity}", **body), code, status)


def test_what_is_left_out_of_a_change_stays(client: TestClient, server: Server) -> None:
    project = make_project(client, domainId=COMPACT, targetExportPlatforms="ONNX", description="old")
    later = server.now() + timedelta(hours=1)
    server.now = lambda: later
    changed = patch(client, project, name=" new ").json()
    assert changed["lastModified"] > project["lastModified"]
    assert changed | {"lastModified": ""} == project | {"name": "new", "lastModified": ""}
    changed = patch(client, project, description="").json()
    assert (changed["name"], changed["description"]) == ("new", "")
    methods = {"imageProcessingSettings": {"augmentationMethods": {"equalize": False}}}
    changed = patch(client, project, settings=methods).json()["settings"]
    expected = AUGMENTATION | {"equalize": False}
    assert changed.pop("imageProcessingSettings") == {"augmentationMethods": expected}
    assert changed.items() <= project["settings"].items()
    assert (
        patch(client, project, settings={"targetExportPlatforms": []}).json()["settings"][
            "targetExportPlatforms"
        ]
        == []
    )


def test_sending_a_project_back_as_it_was_is_no_reason_to_train(client: TestClient, server: Server) -> None:
    project = make_project(client)
    before = revision(server, project)
    body = {name: project[name] for name in ("name", "description", "settings", "status")}
    assert patch(client, project, **body).json()["settings"] == project["settings"]
    assert revision(server, project) == before
    changed = patch(client, project, settings={"domainId": COMPACT}).json()["settings"]
    assert (changed["domainId"], changed["classificationType"]) == (COMPACT, "Multilabel")
    assert revision(server, project) == before + 1


@pytest.mark.parametrize("domain", [COMPACT, DETECTION])
def test_the_negative_set_is_a_choice(client: TestClient, server: Server, domain: str) -> None:
    project = make_project(client, domainId=domain)
    before = revision(server, project)
    for sent, stored, changes in [
        (None, True, 0), (True, True, 0), (False, False, 1), (None, False, 1), ("true", True, 2),
    ]:  # fmt: skip
        settings = patch(client, project, settings={"useNegativeSet": sent}).json()["settings"]
        assert settings == project["settings"] | {"useNegativeSet": stored}, sent
        assert revision(server, project) == before + changes, sent
    assert patch(client, project, settings={"use_negative_set": False}).status_code == 200
    for version, name in (("v1.2", "UseNegativeSet"), ("v2.2", "useNegativeSet"), ("v3.0", "useNegativeSet")):
        place = f"http://testserver/customvision/{version}/training/projects/{project['id']}"
        answer = {key.lower(): value for key, value in client.get(place).json().items()}
        assert answer["settings"][name] is False
    assert patch(client, project, name="other").json()["settings"]["useNegativeSet"] is False
    told = client.get(f"http://testserver/dahlia/v1/projects/{project['id']}").json()
    assert told["settings"]["useNegativeSet"] is False


UNCHANGEABLE: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "BadRequestProjectName"),
    ({"description": "\x1b[31m"}, "BadRequestProjectDescription"),
    ({"settings": {"domainId": DETECTION}}, "BadRequestProjectUnsupportedDomainTypeChange"),
    ({"settings": {"domainId": UNKNOWN}}, "BadRequestProjectUnknownDomain"),
    ({"settings": {"domainId": domain_id("Adult")}}, "BadRequestProjectUnknownDomain"),
    ({"settings": {"targetExportPlatforms": ["VAIDK"]}}, "BadRequestProjectUnsupportedExportPlatform"),
    ({"settings": {"domainId": GENERAL}}, "BadRequestProjectUnsupportedExportPlatform"),
    (
        {"settings": {"imageProcessingSettings": {"augmentationMethods": {"mixup": True}}}},
        "BadRequestProjectImagePreprocessingSettings",
    ),
    ({"settings": {"classificationType": "Both"}}, "BadRequestInvalid"),
    ({"settings": {"useNegativeSet": "builtin"}}, "BadRequestInvalid"),
    ({"useNegativeSet": False}, "BadRequestInvalid"),
]


def test_changes_that_cannot_be(client: TestClient) -> None:
    project = make_project(client, domainId=COMPACT, targetExportPlatforms="ONNX")
    for change, code in UNCHANGEABLE:
        refused(patch(client, project, **change), code)
    assert client.get(f"/projects/{project['id']}").json() == project


def test_a_detector_stays_a_detector(client: TestClient) -> None:
    project = make_project(client, domainId=DETECTION)
    change = {"domainId": DETECTION_S1, "classificationType": "Multiclass"}
    settings = patch(client, project, settings=change).json()["settings"]
    assert (settings["domainId"], settings["classificationType"]) == (DETECTION_S1, None)
    refused(
        patch(client, project, settings={"domainId": GENERAL}), "BadRequestProjectUnsupportedDomainTypeChange"
    )


def test_images_keep_several_tags_in_a_project_that_becomes_multiclass(
    client: TestClient, server: Server
) -> None:
    project = make_project(client)
    a, b = (make_tag(client, project, name)["id"] for name in "ab")
    add_image(server, project["id"], a, b)
    for kind in ("Multiclass", "Multilabel"):
        answer = patch(client, project, settings={"classificationType": kind})
        assert answer.json()["settings"]["classificationType"] == kind
        tags = client.get(f"/projects/{project['id']}/tags").json()
        assert [tag["imageCount"] for tag in tags] == [1, 1]


def test_a_project_shows_its_newest_image(client: TestClient, server: Server) -> None:
    project, empty = make_project(client), make_project(client)
    tag = make_tag(client, project, "a")["id"]
    add_image(server, project["id"], tag, sha256="a" * 64)
    newest = add_image(server, project["id"], sha256="b" * 64)
    shown = {each["id"]: each["thumbnailUri"] for each in client.get("/projects").json()}
    assert f"/files/thumbnails/bb/{'b' * 64}.jpg?expires=" in shown[project["id"]]
    assert shown[empty["id"]] is None
    with server.database.write() as session:
        remove(session, ImageRow, ImageRow.id == newest, epoch=1)
    uri = client.get(f"/projects/{project['id']}").json()["thumbnailUri"]
    assert f"/files/thumbnails/aa/{'a' * 64}.jpg?" in uri


def test_a_project_under_import_is_not_changed_but_may_go(client: TestClient, server: Server) -> None:
    project = make_project(client)
    add_image(server, project["id"])
    set_project(server, project["id"], status="Importing")
    shown = client.get(f"/projects/{project['id']}").json()
    assert (shown["status"], shown["thumbnailUri"]) == ("Importing", None)
    refused(patch(client, project, name="b"), "BadRequestWorkspaceCannotBeModified")
    answer = client.post(f"/projects/{project['id']}/tags", params={"name": "a"})
    refused(answer, "BadRequestWorkspaceCannotBeModified")
    assert client.delete(f"/projects/{project['id']}").status_code == 204


def test_every_change_is_in_the_audit_log(client: TestClient, server: Server) -> None:
    project = make_project(client)
    patch(client, project, name="b")
    client.delete(f"/projects/{project['id']}")
    with server.database.read() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.key)).all()
    assert [row.action for row in rows] == ["create_project", "update_project", "delete_project"]
    assert {row.project_id for row in rows} == {project["id"]}
    assert rows[1].details == {"changes": {"name": "b"}}
    assert None not in {row.actor for row in rows}


def test_epochs_are_asked_for_by_iterations_of_the_project(client: TestClient, server: Server) -> None:
    project, other = make_project(client), make_project(client)
    iteration = train(server, other["id"])
    refused(
        client.get(f"/projects/{project['id']}/tags", params={"iterationId": iteration}),
        "NotFoundIteration",
        404,
    )
