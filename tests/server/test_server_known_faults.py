"""Faults in the log: those that one line explains once a minute, and each line with its request."""

from __future__ import annotations

import logging
import re

import pytest
from prediction_cases import add_iteration, asked, new_garden, publish, talking
from sqlalchemy.exc import OperationalError

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.database.errors import DatabaseError
from dahlia.server.http.replies import KnownFaults, is_known
from dahlia.server.storage.backend import NotThere, StorageError

UUID = re.compile(r"Request [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def busy(text: str) -> ServiceError:
    return ServiceError("ErrorUnknown", text, status=503)


def caused(error: ServiceError, cause: Exception) -> ServiceError:
    error.__cause__ = cause
    return error


def test_the_same_is_logged_once_a_minute_with_a_count(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    faults = KnownFaults(logging.getLogger("faults"), clock=lambda: now[0])
    for moment, text in [
        (0, "full, 5 MB"),
        (1, "full, 4 MB"),
        (2, "gone"),
        (59, "full, 3 MB"),
        (60, "full, 2 MB"),
    ]:
        now[0] = moment
        faults.log(f"Request {moment}", busy(text))
    assert [record.getMessage() for record in caplog.records] == [
        "Request 0: 503, ErrorUnknown. full, 5 MB",
        "Request 2: 503, ErrorUnknown. gone",
        "Request 60: 503, ErrorUnknown. full, 2 MB (2 more like it since the last line.)",
    ]


def test_many_texts_take_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    faults = KnownFaults(logging.getLogger("faults"), clock=lambda: 0.0)
    for number in range(1000):
        faults.log("Request", busy("x" * (number + 1)))
    assert len(caplog.records) == 101


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (DatabaseError("its disk is full"), True),
        (caused(DatabaseError("it is busy"), OperationalError("BEGIN", {}, Exception("locked"))), True),
        (caused(busy("full"), StorageError("full")), True),
        (caused(busy("busy"), DecodingBusy("busy")), True),
        (busy("nearly full"), True),
        (caused(busy("none"), NotThere("none")), False),
        (caused(busy("odd"), ValueError("odd")), False),
        (caused(ServiceError("ErrorUnknown", "odd", status=500), StorageError("odd")), False),
        (ServiceError("NotFoundTag", "none"), False),
    ],
)
def test_which_are_known(error: ServiceError, known: bool) -> None:
    assert is_known(error) == known


FORM = b"--x\r\nContent-Disposition: form-data; name=imageData\r\n\r\nabc\r\n--x--\r\n"
ENCODED = b"\r\nContent-Transfer-Encoding: a\r\n\r\n"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", FORM),
        ("multipart/form-data", b"----"),
        ("multipart/form-data; boundary=x", b"before" + FORM),
        ("multipart/form-data; boundary=x", FORM + b"after--x--"),
        ("multipart/form-data; boundary=x", FORM.replace(b"Disposition", b"Dis position")),
        ("multipart/form-data; boundary=x", FORM.replace(b"\r\n\r\nabc", b"\r\nContent-Type: ?\r\n\r\nabc")),
        ("multipart/form-data; boundary=x", FORM.replace(b"\r\n\r\n", ENCODED)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_malformed_forms_are_logged_with_their_request_alone(
    content_type: str, body: bytes, server: Server, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    project = new_garden(server)
    publish(server, add_iteration(server, project), "live")
    with talking(server, key) as client:
        caplog.clear()
        for path in (
            f"/projects/{project.id}/images",
            f"/projects/{project.id}/quicktest/image",
            asked(project),
        ):
            answer = client.post(path, content=body, headers={"content-type": content_type})
            assert answer.status_code < 500, answer.text
    assert [one for one in caplog.records if "multipart" in one.name or one.levelno > logging.INFO] == []
    refusals = [one.getMessage() for one in caplog.records if one.name == "dahlia.server"]
    assert all(UUID.match(text) for text in refusals), refusals
