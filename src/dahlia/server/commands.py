"""The commands of the server; each imports what it needs when it is called."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import click

from dahlia.server.command_tools import config_option, opened
from dahlia.terminal import print_table


@click.command()
@config_option
@click.option("--tls-cert", metavar="FILE", help="Answer https with this certificate (PEM).")
@click.option("--tls-key", metavar="FILE", help="Its private key (PEM).")
def serve(config: Path | None, tls_cert: str | None, tls_key: str | None) -> None:
    """Run the Custom Vision server.

    It serves the API: projects, training, predictions, exports.
    """
    from dahlia.server.permissions import private
    from dahlia.server.running import serve as run
    from dahlia.server.settings import load_settings

    given = {"DAHLIA_SERVER_TLS_CERT": tls_cert, "DAHLIA_SERVER_TLS_KEY": tls_key}
    environment = os.environ | {name: value for name, value in given.items() if value is not None}
    with private():
        run(load_settings(config, environment), config)


@click.command()
@config_option
@click.option(
    "--lane",
    type=click.Choice(["short", "long", "all"]),
    default="all",
    show_default=True,
    help="Which jobs: exports and short trainings, long trainings, or all, short ones first.",
)
@click.option("--attached", is_flag=True, hidden=True, help="End when the standard input closes.")
def worker(config: Path | None, lane: str, attached: bool) -> None:
    """Run trainings and exports for a server.

    Here, or on another machine that reaches its database and storage.
    """
    from dahlia.server.jobs.records import Lane
    from dahlia.server.jobs.worker import work

    with opened(config) as server:
        work(server, attached=attached, lane=Lane(lane))


@click.command()
@config_option
@click.option("--toml", is_flag=True, help="As a file of settings.")
def config(config: Path | None, toml: bool) -> None:
    """Show the server's settings, and where each was set."""
    from dahlia.server.configuration import explain, settings_table, settings_toml
    from dahlia.server.settings import load_settings

    if toml:
        click.echo(settings_toml(load_settings(config, os.environ)), nl=False)
    else:
        print_table(settings_table(explain(config, os.environ)))


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys."""


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["admin", "training", "prediction", "read"]),
    required=True,
    help="admin allows everything; training everything but keys, audit log and queue; prediction only "
    "predictions; read only reading.",
)
@click.option("--project", type=click.UUID, help="Restrict the key to the project with this id.")
@click.option(
    "--days", type=click.FloatRange(1 / 1440, 36500), help="Let the key expire after this many days."
)
@config_option
def create(name: str, scope: str, project: Any, days: float | None, config: Path | None) -> None:
    """Create a key. It is shown only once."""
    from datetime import timedelta

    from dahlia.server.database.changes import project_of
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.keys import create_key
    from dahlia.server.keys.scopes import Scope

    with opened(config) as server, server.database.write() as session:
        identity = project_of(session, str(project)).id if project else None
        lifetime = timedelta(days=days) if days is not None else None
        row, text = create_key(session, name, Scope(scope), identity, server.now(), lifetime)
        record(session, server, None, "create_key", identity, key=row.id, scope=scope)
    click.echo(text)


@keys.command("list")
@config_option
def list_them(config: Path | None) -> None:
    """List the keys by their ids and last characters."""
    from dahlia.server.keys.keys import list_keys
    from dahlia.server.keys.tables import keys_table

    with opened(config) as server, server.database.read() as session:
        print_table(keys_table(list_keys(session)))


@keys.command("rotate")
@click.argument("key_id")
@config_option
def rotate(key_id: str, config: Path | None) -> None:
    """Replace a key by a new one; the old one ends at once."""
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.keys import rotate_key

    with opened(config) as server, server.database.write() as session:
        row, text = rotate_key(session, key_id, server.now())
        record(session, server, None, "rotate_key", row.project_id, key=row.id)
    click.echo(text)


@keys.command("revoke")
@click.argument("key_id")
@config_option
def revoke(key_id: str, config: Path | None) -> None:
    """Revoke a key."""
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.keys import revoke_key

    with opened(config) as server, server.database.write() as session:
        row = revoke_key(session, key_id, server.now())
        record(session, server, None, "revoke_key", row.project_id, key=row.id)
    click.echo(f"Key {row.name!r} (...{row.hint}) is revoked.")


@keys.command("new-secret")
@config_option
def new_secret(config: Path | None) -> None:
    """Sign links with a new secret, after a leak or a loss. Older links stop working.

    If the settings name a secret, that one is used; otherwise a random one is made. Then restart the
    servers of the database.
    """
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.secrets import renew_secret

    with opened(config) as server:
        place = renew_secret(server.database, server.settings)
        with server.database.write() as session:
            record(session, server, None, "new_secret", None)
    click.echo(f"Links are signed with the secret of {place}. Restart the servers; older links have ended.")


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@click.option("--project", type=click.UUID, help="Of one project.")
@config_option
def audit(limit: int, project: Any, config: Path | None) -> None:
    """Show the audit log, newest first."""
    from dahlia.server.keys.audit import Lines, latest
    from dahlia.server.keys.tables import audit_table

    with opened(config) as server, server.database.read() as session:
        print_table(audit_table(latest(session, limit, Lines(project=str(project) if project else None))))


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--to", "address", default="http://127.0.0.1:3000", show_default=True, help="The server.")
@click.option("--key", envvar="DAHLIA_TRAINING_KEY", required=True, help="A training key of it.")
@click.option("--project", type=click.UUID, help="Existing project to add to (default: create one).")
def push(directory: Path, address: str, key: str, project: Any) -> None:
    """Upload the photos and tags of a local project to a server."""
    from dahlia.server.pushing import Remote
    from dahlia.server.pushing import push as send

    identity = str(project) if project else None
    pushed = send(directory, Remote(address, key), identity, lambda one: click.echo(f"Project {one}"))
    for path, status in pushed.refused.items():
        click.echo(f"{path}: {status}", err=True)
    left_out = f"; {pushed.left_out} of your own test set stay here" if pushed.left_out else ""
    click.echo(
        f"{pushed.sent} photos sent, {pushed.known} there already, {len(pushed.refused)} refused{left_out}."
    )


@click.command()
@click.argument("project")
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@config_option
def checkout(project: str, directory: Path | None, config: Path | None) -> None:
    """Copy a project of the server to a local folder.

    PROJECT is a name or an id; the folder has its photos and its Git history, and `dvc repro` runs in it.
    """
    from dahlia.server.checking_out import check_out

    target = directory or Path(project)
    with opened(config, shares=True) as server:
        out = check_out(server, project, target)
    click.echo(
        f"{target}: {out.photos} photos of {out.project}, {out.iteration}. `cd {shlex.quote(str(target))} && "
        "dvc repro` gives its figures."
    )


COMMANDS: tuple[click.Command, ...] = (
    serve,
    worker,
    config,
    keys,
    audit,
    checkout,
    push,
)
