"""To which servers MLflow's client sends the credentials of this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow.utils import credentials

from dahlia.errors import TrackingError
from dahlia.targets import TRACKING_URI
from dahlia.tracking.credentials import withhold_credentials, withhold_from_files
from dahlia.tracking.store import _download, _Place, connect, translated_errors

TOKEN, USER, PASSWORD = "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
NAMED = "MLFLOW_TRACKING_URI"


class Server:
    """A server that answers everything with an empty object, and what it was sent."""

    def __init__(self) -> None:
        sent = self.sent = list[str | None]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent.append(self.headers["Authorization"])
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.listener.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.listener.shutdown()
    server.listener.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user with a token, and nothing else."""
    for name in (USER, PASSWORD, NAMED, TRACKING_URI, "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(TOKEN, "thorn")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(credentials, "_get_credentials_path", credentials._get_credentials_path)


def write_file(home: Path) -> None:
    (home / ".mlflow").mkdir()
    (home / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = rose\nmlflow_tracking_password = thorn\n"
    )


def ask(uri: str, root: Path) -> None:
    connect(uri, root).search_experiments()


def test_a_store_of_the_project_gets_no_token(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(server.uri, tmp_path)
    ask(server.uri, tmp_path)
    assert server.sent
    assert set(server.sent) == {None}
    assert capsys.readouterr().err == (
        f"{TOKEN} will not be used: expected a store that {NAMED} or {TRACKING_URI} names in the "
        f"environment, received {server.uri}. If you trust it, set {NAMED}={server.uri}.\n"
    )


def test_a_store_of_the_project_gets_nothing_of_the_credentials_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(TOKEN)
    write_file(tmp_path)
    ask(server.uri, tmp_path)
    assert set(server.sent) == {None}
    assert capsys.readouterr().err.startswith("~/.mlflow/credentials will not be used")


@pytest.mark.parametrize("name", [NAMED, TRACKING_URI])
def test_a_store_that_the_environment_names_gets_them(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"{server.uri}/")
    ask(server.uri, tmp_path)
    assert set(server.sent) == {"Bearer thorn"}
    monkeypatch.delenv(TOKEN)
    server.sent.clear()
    write_file(tmp_path)
    ask(server.uri, tmp_path)
    assert {str(sent).partition(" ")[0] for sent in server.sent} == {"Basic"}


def test_files_of_a_run_elsewhere_are_fetched_without_credentials(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = _Place(f"{server.uri}/api/2.0/mlflow-artifacts/artifacts/1", "bundle", Path("run"))
    with pytest.raises(TrackingError), translated_errors("Fetching"):
        _download("sqlite:///mlflow.db", place, tmp_path / "bundle")
    assert set(server.sent) == {None}
    assert f"received {server.uri}/api" in capsys.readouterr().err


TRUSTED = "https://mlflow.example"
CASES = {
    "the same": (TRUSTED, True),
    "its port": ("https://mlflow.example:443", True),
    "a path": ("https://mlflow.example/store?x=1", True),
    "capitals": ("HTTPS://MLflow.Example", True),
    "a user": ("https://rose:thorn@mlflow.example", True),
    "another scheme": ("http://mlflow.example", False),
    "another port": ("https://mlflow.example:8443", False),
    "another host": ("https://mlflow.example.org", False),
    "a host below": ("https://a.mlflow.example", False),
    "the host as a user": ("https://mlflow.example@other.example", False),
    "the host after a backslash": ("https://other.example\\@mlflow.example", False),
    "the host after a line break": ("https://other.example\n@mlflow.example", False),
    "a space before": (" https://other.example", False),
    "no host": ("https:///mlflow.example", False),
    "a database": ("postgresql://mlflow.example/x", False),
    "another kind": ("databricks://profile", False),
    "a file in the project": ("sqlite:///mlflow.db", True),
    "a folder in the project": ("mlruns", True),
}


@pytest.mark.parametrize(("uri", "kept"), CASES.values(), ids=CASES)
def test_which_stores_get_them(monkeypatch: pytest.MonkeyPatch, uri: str, kept: bool) -> None:
    monkeypatch.setenv(NAMED, TRUSTED)
    withhold_credentials(uri)
    assert (TOKEN in os.environ) is kept


@pytest.mark.parametrize("query", ["", "?host=other.example"])
def test_a_database_gets_its_password_where_it_is_named_as_it_is(
    monkeypatch: pytest.MonkeyPatch, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = "postgresql://rose:thorn@db.example/x"
    monkeypatch.delenv(TOKEN)
    monkeypatch.setenv("PGPASSWORD", "thorn")
    monkeypatch.setenv(NAMED, uri)
    withhold_credentials(uri + query)
    assert ("PGPASSWORD" in os.environ) is not bool(query)
    assert "thorn" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("mlflow-artifacts:/1/files", True),
        ("mlflow-artifacts://mlflow.example/1/files", True),
        ("https://mlflow.example/1/files", True),
        ("mlflow-artifacts://other.example/1/files", False),
        ("https://other.example/1/files", False),
        ("s3://bucket/1/files", True),
        ("file:///srv/files", True),
        ("/srv/files", True),
    ],
)
def test_where_files_may_be(monkeypatch: pytest.MonkeyPatch, location: str, kept: bool) -> None:
    monkeypatch.setenv(NAMED, TRUSTED)
    withhold_from_files(location, TRUSTED)
    assert (TOKEN in os.environ) is kept
