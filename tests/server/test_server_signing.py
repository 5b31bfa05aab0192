"""The secret that links are signed with: where it is, and what happens where it is missing or another."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from dahlia.cli import cli
from dahlia.errors import ConfigError
from dahlia.server.app import create_app
from dahlia.server.backup.reading import restore_backup
from dahlia.server.backup.writing import write_backup
from dahlia.server.context import Server, open_server
from dahlia.server.database.tables import SecretRow
from dahlia.server.keys.signing import renew_secret, secret_of, subkey
from dahlia.server.storage.links import Links
from dahlia.settings.display import explain, settings_toml
from dahlia.settings.server import load_settings

SECRET = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4

Open = Callable[..., Server]


@pytest.fixture
def opened(database_url: str, tmp_path: Path) -> Iterator[Open]:
    """Opens servers of one database: `opened("first")` has the home `first`."""
    servers = []

    def build(home: str, **settings: str) -> Server:
        places = {"DAHLIA_SERVER_HOME": str(tmp_path / home), "DAHLIA_DATABASE_URL": database_url}
        places["DAHLIA_STORAGE_URL"] = str(tmp_path / "files")
        servers.append(open_server(load_settings(None, places | settings)))
        return servers[-1]

    yield build
    for server in servers:
        server.database.close()


def rows(server: Server) -> dict[str, bytes]:
    with server.database.read() as session:
        return {row.name: row.value for row in session.scalars(select(SecretRow))}


def link(server: Server) -> str:
    return server.links.sign("/files/a", 2**33)


def test_a_first_start_makes_one_that_the_database_does_not_hold(opened: Open, tmp_path: Path) -> None:
    server = opened("first")
    server.signing.load()
    file = tmp_path / "first" / "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = file.read_bytes().strip()
    assert len(secret) == 64
    (mark,) = rows(server).values()
    assert mark == subkey(secret, "fingerprint")
    assert all(key not in (secret, bytes.fromhex(secret.decode())) for key in rows(server).values())
    assert link(opened("first")) == link(server)  # after a restart


def test_each_purpose_has_a_key_of_its_own(opened: Open) -> None:
    signing = opened("first").signing
    made = {signer.sign("/copies/a", 2**33) for signer in (signing.links, signing.copies)}
    assert len(made) == 2
    assert len({subkey(SECRET.encode(), purpose) for purpose in ("links", "copies", "fingerprint")}) == 3


def test_workers_need_none(opened: Open, tmp_path: Path) -> None:
    opened("first").signing.load()
    opened("worker's")
    assert not (tmp_path / "worker's" / "secret").exists()


def _copied(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "second").mkdir(exist_ok=True)
    (tmp_path / "second" / "secret").write_bytes((tmp_path / "first" / "secret").read_bytes())
    return {}


def _named(tmp_path: Path) -> dict[str, str]:
    return {"DAHLIA_SECURITY_SECRET_FILE": str(tmp_path / "first" / "secret")}


def _said(tmp_path: Path) -> dict[str, str]:
    return {"DAHLIA_SECURITY_SECRET": (tmp_path / "first" / "secret").read_text().strip()}


@pytest.mark.parametrize("share", [_copied, _named, _said])
def test_a_second_server_has_the_same_links_with_the_same_secret(
    opened: Open, tmp_path: Path, share: Callable[[Path], dict[str, str]]
) -> None:
    first = opened("first")
    signed = link(first)
    assert link(opened("second", **share(tmp_path))) == signed
    assert link(opened("first")) == signed


def _another_file(home: Path) -> dict[str, str]:
    home.mkdir()
    (home / "secret").write_text(OTHER)
    return {}


REFUSED: dict[str, tuple[Callable[[Path], dict[str, str]], str]] = {
    "a home without it": (lambda _: {}, "secret is not there"),
    "another file": (_another_file, "secret holds another one"),
    "another setting": (lambda _: {"DAHLIA_SECURITY_SECRET": OTHER}, "security.secret holds another one"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_a_second_server_with_another_is_refused_and_told_what_to_do(
    opened: Open, tmp_path: Path, make: Callable[[Path], dict[str, str]], message: str
) -> None:
    signed, before = link(opened("first")), rows(opened("first"))
    server = opened("second", **make(tmp_path / "second"))
    with pytest.raises(ConfigError, match=message) as refused:
        create_app(server)
    for way in ("Copy the file `secret`", "DAHLIA_SECURITY_SECRET", "`dahlia keys new-secret`"):
        assert way in str(refused.value)
    assert OTHER not in str(refused.value)
    assert rows(server) == before  # nobody else is locked out by it
    assert link(opened("first")) == signed


def test_of_servers_that_start_at_once_one_secret_stays(opened: Open, tmp_path: Path) -> None:
    opened("first")  # the schema
    servers = [opened("first") for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        made = set(pool.map(link, servers))
    assert len(made) == 1
    assert [path.name for path in (tmp_path / "first").glob(".secret*")] == []


@pytest.mark.parametrize("given", ["", "short", " \n"])
def test_a_file_without_a_secret_is_refused(opened: Open, tmp_path: Path, given: str) -> None:
    (tmp_path / "mine").write_text(given)
    server = opened("first", DAHLIA_SECURITY_SECRET_FILE=str(tmp_path / "mine"))
    with pytest.raises(ConfigError, match=r"at least 32 characters in .*openssl rand"):
        server.signing.load()


def test_a_file_that_is_named_must_be_there(opened: Open, tmp_path: Path) -> None:
    server = opened("first", DAHLIA_SECURITY_SECRET_FILE=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="none cannot be read: No such file"):
        server.signing.load()
    assert not (tmp_path / "none").exists()


def test_the_secret_of_earlier_versions_goes(opened: Open) -> None:
    server = opened("first")
    old = b"o" * 32
    with server.database.write() as session:
        session.add(SecretRow(name="links", value=old))
    before = Links(old).sign("/files/a", 2**33)
    server.signing.load()
    assert set(rows(server)) == {"fingerprint"}
    assert link(server) != before


def test_a_new_secret_ends_what_was_signed_before(opened: Open, tmp_path: Path) -> None:
    server = opened("first")
    before = link(server)
    assert renew_secret(server.database, server.settings) == str(tmp_path / "first" / "secret")
    assert link(opened("first")) != before
    assert stat.S_IMODE((tmp_path / "first" / "secret").stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="another one"):
        opened("second", DAHLIA_SECURITY_SECRET=SECRET).signing.load()


def test_a_lost_secret_is_replaced_and_one_that_is_set_is_taken(opened: Open, tmp_path: Path) -> None:
    opened("first").signing.load()
    lost = opened("second")
    renew_secret(lost.database, lost.settings)
    assert link(lost) == link(opened("second"))
    chosen = opened("third", DAHLIA_SECURITY_SECRET=SECRET)
    assert renew_secret(chosen.database, chosen.settings) == "security.secret"
    assert secret_of(chosen.database, chosen.settings) == SECRET.encode()
    assert not (tmp_path / "third" / "secret").exists()


def test_a_backup_holds_none_and_a_restored_server_makes_its_own(opened: Open, tmp_path: Path) -> None:
    server = opened("first")
    signed = link(server)
    write_backup(server, tmp_path / "backup.zip")
    secret = (tmp_path / "first" / "secret").read_bytes().strip()
    content = (tmp_path / "backup.zip").read_bytes()
    assert secret not in content
    assert rows(server)["fingerprint"].hex().encode() not in content
    restored = open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path / "restored")}))
    with restored.database.write() as session:
        session.add(SecretRow(name="fingerprint", value=b"of one who looked before"))
    restore_backup(restored, tmp_path / "backup.zip")
    assert rows(restored) == {}
    assert link(restored) != signed
    restored.database.close()


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAHLIA_SERVER_HOME", str(tmp_path / "home"))
    runs: list[Any] = [CliRunner().invoke(cli, ["keys", "new-secret"]) for _ in range(2)]
    assert [run.exit_code for run in runs] == [0, 0], runs[0].output
    assert f"the secret of {tmp_path / 'home' / 'secret'}. Restart the servers" in runs[0].output
    audited = CliRunner().invoke(cli, ["audit"]).output
    assert audited.count("new_secret") == 2
    assert (tmp_path / "home" / "secret").read_text().strip() not in audited + runs[1].output


@pytest.mark.parametrize(
    ("text", "message"), [("short", "32 characters or more"), ("***", "write the secret itself")]
)
def test_settings_that_are_no_secrets(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"DAHLIA_SECURITY_SECRET.*{message}") as refused:
        load_settings(None, {"DAHLIA_SECURITY_SECRET": text})
    assert "short" not in str(refused.value).replace("DAHLIA", "")


def test_the_secret_is_never_shown(tmp_path: Path) -> None:
    environment = {"DAHLIA_SECURITY_SECRET": SECRET, "DAHLIA_SERVER_HOME": str(tmp_path)}
    settings = load_settings(None, environment)
    (row,) = (row for row in explain(None, environment) if row.key == "security.secret")
    assert (row.value, row.source) == ("***", "DAHLIA_SECURITY_SECRET")
    shown = (repr(settings), settings.model_dump_json(), settings_toml(settings), str(settings))
    assert all(SECRET not in text for text in shown)
    file = tmp_path / "dahlia.toml"
    file.write_text(f'[security]\nsecret = "{SECRET}"\n')
    held = load_settings(file, {}).security.secret
    assert held is not None
    assert held.reveal() == SECRET
