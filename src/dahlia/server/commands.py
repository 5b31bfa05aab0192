"""The commands of the server; each imports what it needs when it is called."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from dahlia.server.backup.commands import backup, restore
from dahlia.server.cleaning.commands import orphans
from dahlia.server.command_tools import config_option, opened
from dahlia.server.keys.commands import audit, keys
from dahlia.server.rescue.commands import adopt, rescue
from dahlia.terminal import print_table


@click.command()
@config_option
@click.option("--tls-cert", metavar="FILE", help="Answer https with this certificate (PEM).")
@click.option("--tls-key", metavar="FILE", help="Its private key (PEM).")
def serve(config: Path | None, tls_cert: str | None, tls_key: str | None) -> None:
    """Run the Custom Vision server.

    It serves the API: projects, training, predictions, exports.
    """
    from dahlia.server.disk import private
    from dahlia.server.running import serve as run
    from dahlia.settings.server import read_all

    given = {"DAHLIA_SERVER_TLS_CERT": tls_cert, "DAHLIA_SERVER_TLS_KEY": tls_key}
    environment = os.environ | {name: value for name, value in given.items() if value is not None}
    found = read_all(config, environment)
    _warn(found.warnings)
    with private():
        run(found.settings, config)


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
    from dahlia.server.jobs.job import Lane
    from dahlia.server.jobs.worker import work

    with opened(config) as server:
        work(server, attached=attached, lane=Lane(lane))


@click.command()
@config_option
@click.option("--toml", is_flag=True, help="As a file of settings.")
def config(config: Path | None, toml: bool) -> None:
    """Show all settings, and where each was set."""
    from dahlia.settings.display import explain, settings_table, settings_toml
    from dahlia.settings.server import read_all

    found = read_all(config, os.environ)
    _warn(found.warnings)
    if toml:
        click.echo(settings_toml(found.settings), nl=False)
    else:
        print_table(settings_table(explain(config, os.environ)))


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--to", "address", default="http://127.0.0.1:3000", show_default=True, help="The server.")
@click.option("--key", envvar="DAHLIA_TRAINING_KEY", required=True, help="A training key of it.")
@click.option("--project", type=click.UUID, help="Existing project to add to (default: create one).")
def push(directory: Path, address: str, key: str, project: Any) -> None:
    """Upload the photos and tags of a local project to a server."""
    from dahlia.server.project_folders import Remote
    from dahlia.server.project_folders import push as send

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
    from dahlia.server.project_folders import check_out

    target = directory or Path(project)
    with opened(config, shares=True) as server:
        out = check_out(server, project, target)
    click.echo(
        f"{target}: {out.photos} photos of {out.project}, {out.iteration}. `cd {shlex.quote(str(target))} && "
        "dvc repro` gives its figures."
    )


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)


COMMANDS: tuple[click.Command, ...] = (
    serve,
    worker,
    config,
    keys,
    audit,
    checkout,
    push,
    backup,
    restore,
    rescue,
    adopt,
    orphans,
)
