from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from project_cases import train
from server_rows import add_project
from sqlalchemy import delete, select

from dahlia.errors import ConfigError, ServiceError
from dahlia.server.context import Server
from dahlia.server.database import schema
from dahlia.server.database.changes import changed
from dahlia.server.database.errors import DatabaseError
from dahlia.server.database.sessions import Database
from dahlia.server.database.tables import DiscardRow, ProjectRow, SecretRow, TagRow
from dahlia.server.database.work_tables import IterationRow

pytestmark = pytest.mark.both_databases


def test_migrations_make_what_the_tables_say(server: Server) -> None:
    with server.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.METADATA) == []


def test_rows_of_before_there_was_a_negative_set(server: Server) -> None:
    from alembic import command

    project = add_project(server, use_negative_set=False)
    train(server, project.id, use_negative_set=True)
    gone = train(server, project.id)
    config = schema._config()
    for action, revision in ((command.downgrade, "0005"), (command.upgrade, "head")):
        with server.database.engine.connect().execution_options(writes=True) as connection:
            config.attributes["connection"] = connection
            action(config, revision)
    with server.database.write() as session:
        assert session.scalars(select(ProjectRow.use_negative_set)).all() == [True]
        assert session.scalars(select(IterationRow.use_negative_set)).all() == [False, False]
        session.execute(delete(IterationRow).where(IterationRow.id == gone))
        assert session.scalars(select(DiscardRow.kind)).all() == ["iteration"], "the triggers are still there"


def test_a_schema_that_is_up_to_date_stays(server: Server) -> None:
    add_project(server)
    schema.upgrade(server.database)
    with server.database.read() as session:
        assert session.scalar(select(ProjectRow.name)) == "garden"


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(1960, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC).astimezone(),
    ],
)
def test_moments_come_back_to_the_microsecond(server: Server, moment: datetime) -> None:
    row = add_project(server)
    with server.database.write() as session:
        session.get_one(ProjectRow, row.key).created = moment
    with server.database.read() as session:
        found = session.get_one(ProjectRow, row.key).created
        assert found == moment
        assert found.utcoffset() == timedelta(0)


def test_a_block_that_raises_changes_nothing(server: Server) -> None:
    with pytest.raises(RuntimeError), server.database.write() as session:  # noqa: PT012
        session.add(SecretRow(name="lost", value=b"x"))
        session.flush()
        raise RuntimeError
    with server.database.read() as session:
        assert session.get(SecretRow, "lost") is None


def test_deleting_a_project_takes_what_is_its_own(server: Server) -> None:
    row = add_project(server)
    with server.database.write() as session:
        session.add(
            TagRow(
                id="33333333-3333-4333-8333-333333333333",
                project_key=row.key,
                name="daisy",
                description="",
                type="Regular",
                created=server.now(),
                added=1,
                removed=None,
            )
        )
    with server.database.write() as session:
        session.delete(session.get_one(ProjectRow, row.key))
    with server.database.read() as session:
        assert session.scalars(select(TagRow)).all() == []


def test_changes_of_one_project_wait_for_each_other(server: Server) -> None:
    row = add_project(server)
    failures: list[BaseException] = []

    def change() -> None:
        try:
            for _ in range(20):
                with server.database.write() as session:
                    changed(session, row.id, server.now())
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=change) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with server.database.read() as session:
        assert session.get_one(ProjectRow, row.key).revision == 120


def test_a_database_that_refuses_writes_is_still_read(server: Server) -> None:
    add_project(server)
    server.database.refuse_writes("its file is damaged")
    with pytest.raises(DatabaseError, match="its file is damaged"), server.database.write():
        pass
    with server.database.read() as session:
        assert session.scalar(select(ProjectRow.name)) == "garden"


def test_connections_that_are_all_in_use_are_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def hold_all(held: ExitStack) -> None:
        for _ in range(1000):
            held.enter_context(server.database.read())

    monkeypatch.setattr(server.database.engine.pool, "_timeout", 0.01)
    with ExitStack() as held, pytest.raises(DatabaseError, match="all its connections are in use") as refused:
        hold_all(held)
    assert refused.value.status == 503


def test_a_project_that_is_not_there_cannot_be_changed(server: Server) -> None:
    with (
        pytest.raises(ServiceError, match="there is no project") as refusal,
        server.database.write() as session,
    ):
        changed(session, "33333333-3333-4333-8333-333333333333", server.now())
    assert (refusal.value.code, refusal.value.status) == ("NotFoundProject", 404)


@pytest.mark.parametrize("url", ["", "mysql://host/db", "not a url", "oracle://u:secret@h/d"])
def test_other_databases_are_refused_without_showing_passwords(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///") as refusal:
        Database(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://nobody:secret@127.0.0.1:1/none", "connection"),
        ("sqlite:////proc/none/dahlia.db", "cannot be made"),
        ("sqlite:////dev", "received a folder"),
    ],
)
def test_a_database_out_of_reach_is_an_error_of_the_store(url: str, reason: str) -> None:
    with pytest.raises((DatabaseError, ConfigError), match=reason) as refusal:
        schema.upgrade(Database(url))
    assert "secret" not in str(refusal.value)
