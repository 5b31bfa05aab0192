"""The commands of the server; each imports what it needs when it is called."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dahlia.errors import ConfigError
from dahlia.terminal import print_table

if TYPE_CHECKING:
    from dahlia.server.backup.archive import About
    from dahlia.server.context import Server

_config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The TOML file of settings; DAHLIA_CONFIG or ./dahlia.toml where it is left out.",
)


@click.command()
@_config
def serve(config: Path | None) -> None:
    """Serve the Custom Vision API: projects, training, predictions, exports."""
    from dahlia.server.permissions import private
    from dahlia.server.running import serve as run
    from dahlia.server.settings import load_settings

    with private():
        run(load_settings(config, os.environ), config)


@click.command()
@_config
@click.option("--attached", is_flag=True, hidden=True, help="End when the standard input closes.")
def worker(config: Path | None, attached: bool) -> None:
    """Train and export for a server, here or on another machine that reaches its database and storage."""
    from dahlia.server.jobs.worker import work

    with _opened(config) as server:
        work(server, attached=attached)


@click.command()
@_config
@click.option("--toml", is_flag=True, help="As a file of settings.")
def config(config: Path | None, toml: bool) -> None:
    """Show the server's settings in effect, and where each was said."""
    from dahlia.server.configuration import explain, settings_table, settings_toml
    from dahlia.server.settings import load_settings

    if toml:
        click.echo(settings_toml(load_settings(config, os.environ)), nl=False)
    else:
        print_table(settings_table(explain(config, os.environ)))


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke the server's keys."""


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["training", "prediction", "read"]),
    required=True,
    help="training opens all, prediction predictions, read what changes nothing.",
)
@click.option("--project", type=click.UUID, help="Restrict the key to the project with this id.")
@click.option(
    "--days", type=click.FloatRange(0, 36500, min_open=True), help="End the key after so many days."
)
@_config
def create(name: str, scope: str, project: Any, days: float | None, config: Path | None) -> None:
    """Make a key, which is shown this once."""
    from datetime import timedelta

    from dahlia.server.keys.audit import record
    from dahlia.server.keys.keys import create_key
    from dahlia.server.keys.scopes import Scope
    from dahlia.server.store.changes import project_of

    with _opened(config) as server, server.database.write() as session:
        identity = project_of(session, str(project)).id if project else None
        lifetime = timedelta(days=days) if days else None
        row, text = create_key(session, name, Scope(scope), identity, server.now(), lifetime)
        record(session, server, None, "create_key", identity, key=row.id, scope=scope)
    click.echo(text)


@keys.command("list")
@_config
def list_them(config: Path | None) -> None:
    """List the keys by their ids and last characters."""
    from dahlia.server.keys.keys import list_keys
    from dahlia.server.keys.tables import keys_table

    with _opened(config) as server, server.database.read() as session:
        print_table(keys_table(list_keys(session)))


@keys.command("rotate")
@click.argument("key_id")
@_config
def rotate(key_id: str, config: Path | None) -> None:
    """Put a new key in the place of one, which ends at once."""
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.keys import rotate_key

    with _opened(config) as server, server.database.write() as session:
        row, text = rotate_key(session, key_id, server.now())
        record(session, server, None, "rotate_key", row.project_id, key=row.id)
    click.echo(text)


@keys.command("revoke")
@click.argument("key_id")
@_config
def revoke(key_id: str, config: Path | None) -> None:
    """End a key at once."""
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.keys import revoke_key

    with _opened(config) as server, server.database.write() as session:
        row = revoke_key(session, key_id, server.now())
        record(session, server, None, "revoke_key", row.project_id, key=row.id)
    click.echo(f"The key {row.name!r} (...{row.hint}) is good for nothing any more.")


@keys.command("new-secret")
@_config
def new_secret(config: Path | None) -> None:
    """Sign links with a new secret, as after a leak or a loss; links given out before then end.

    A secret that the settings name is taken as it is; otherwise a random one is made. Restart the servers of
    the database after it.
    """
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.secrets import renew_secret

    with _opened(config) as server:
        place = renew_secret(server.database, server.settings)
        with server.database.write() as session:
            record(session, server, None, "new_secret", None)
    click.echo(f"Links are signed with the secret of {place}. Restart the servers; older links have ended.")


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@click.option("--project", type=click.UUID, help="Of one project.")
@_config
def audit(limit: int, project: Any, config: Path | None) -> None:
    """Show who did what when, the newest first."""
    from dahlia.server.keys.audit import latest
    from dahlia.server.keys.tables import audit_table

    with _opened(config) as server, server.database.read() as session:
        print_table(audit_table(latest(session, limit, str(project) if project else None)))


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--verify", is_flag=True, help="Write nothing; read FILE, or the last backup, to its end.")
@click.option("--attached", is_flag=True, hidden=True, help="Only where one is due, and with the server.")
@_config
@click.pass_context
def backup(
    context: click.Context, file: Path | None, verify: bool, attached: bool, config: Path | None
) -> None:
    """Write everything that the server keeps into FILE, while it runs, and read it back.

    Without FILE the backup goes into backup.folder, and old ones there are deleted as backup.keep says. The
    exit status is 3 where the backup lacks files that are missing from the storage, and has all else.
    """
    from dahlia.server.backup import saying
    from dahlia.server.backup.attached import attach

    if attached:
        attach()
    found = _verified(file, config) if verify else _backed_up(file, config, when_due=attached)
    if found is None:
        return
    click.echo(saying.summary(*found))
    if lacking := saying.missing(found[1]):
        click.echo(lacking, err=True)
        context.exit(saying.INCOMPLETE)


def _verified(file: Path | None, config: Path | None) -> tuple[Path, About]:
    from dahlia.server.backup.folder import backups_in
    from dahlia.server.backup.verifying import verify_backup
    from dahlia.server.settings import load_settings

    if file is None:
        folder = load_settings(config, os.environ).backup_folder
        file = next((path for _, path in backups_in(folder)), None)
        if file is None:
            raise ConfigError(f"Expected a backup in {folder}, found none. Name a file, or make one.")
    return file, verify_backup(file)


def _backed_up(file: Path | None, config: Path | None, *, when_due: bool) -> tuple[Path, About] | None:
    from dahlia.server.backup.making import make_backup
    from dahlia.server.backup.writing import write_backup

    with _opened(config) as server:
        if file:
            return file, write_backup(server, file)
        made = make_backup(server, when_due=when_due)
    return (made.path, made.about) if made else None


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_config
@click.pass_context
def restore(context: click.Context, file: Path, config: Path | None) -> None:
    """Bring back what `dahlia backup` wrote, into a server that holds nothing yet."""
    from dahlia.server.backup import saying
    from dahlia.server.backup.restoring import restore_backup

    with _opened(config, paired=False) as server:
        about = restore_backup(server, file)
    click.echo(
        f"{about.rows['projects']} projects and {about.rows['images']} images are back; keys work as before."
    )
    if lacking := saying.missing(about):
        click.echo(lacking, err=True)
        context.exit(saying.INCOMPLETE)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--to", "address", default="http://127.0.0.1:3000", show_default=True, help="The server.")
@click.option("--key", envvar="DAHLIA_TRAINING_KEY", required=True, help="A training key of it.")
@click.option(
    "--project", type=click.UUID, help="A project there that takes the photos; a new one is made else."
)
def push(directory: Path, address: str, key: str, project: Any) -> None:
    """Send the photos and tags of the project in DIRECTORY to a server."""
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
@_config
def checkout(project: str, directory: Path | None, config: Path | None) -> None:
    """Lay out PROJECT (a name or an id) of the server in DIRECTORY, with its photos and its Git history."""
    from dahlia.server.checking_out import check_out

    target = directory or Path(project)
    with _opened(config, shares=True) as server:
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
    backup,
    restore,
    checkout,
    push,
)


@contextmanager
def _opened(config: Path | None, *, shares: bool = False, paired: bool = True) -> Iterator[Server]:
    """A server; what is written meanwhile is for its user alone, unless it `shares`."""
    from dahlia.server.opening import open_server
    from dahlia.server.permissions import private
    from dahlia.server.settings import load_settings
    from dahlia.server.store.errors import DamageError

    with private():
        server = open_server(load_settings(config, os.environ), paired=paired)
    try:
        with nullcontext() if shares else private():
            yield server
    except DamageError as error:
        raise ConfigError(
            f"The server's database is damaged: {error.fault}. {server.database.way_back()}"
        ) from error
    finally:
        server.database.close()
