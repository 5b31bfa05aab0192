"""Commands for bad days and before them: backups, a lost database, files that no row names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dahlia.errors import ConfigError
from dahlia.server.command_tools import config_option, opened
from dahlia.server.rescue.command import rescue

if TYPE_CHECKING:
    from dahlia.server.backup.archive import About

_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--verify", is_flag=True, help="Write nothing; read FILE, or the last backup, to its end.")
@click.option("--attached", is_flag=True, hidden=True, help="Only where one is due, and with the server.")
@config_option
@click.pass_context
def backup(
    context: click.Context, file: Path | None, verify: bool, attached: bool, config: Path | None
) -> None:
    """Back up the server while it runs.

    Everything that it stores is written to FILE, which is then read back.

    Without FILE the backup goes to backup.folder, and old ones there are deleted, see backup.keep. The
    exit status is 3 if files are missing from the storage, and so from the backup.
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

    with opened(config) as server:
        if file:
            return file, write_backup(server, file)
        made = make_backup(server, when_due=when_due)
    return (made.path, made.about) if made else None


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@config_option
@click.pass_context
def restore(context: click.Context, file: Path, config: Path | None) -> None:
    """Restore a backup into an empty server."""
    from dahlia.server.backup import saying
    from dahlia.server.backup.restoring import restore_backup

    with opened(config, paired=False) as server:
        about = restore_backup(server, file)
    click.echo(
        f"{about.rows['projects']} projects and {about.rows['images']} images are back; keys work as before."
    )
    if lacking := saying.missing(about):
        click.echo(lacking, err=True)
        context.exit(saying.INCOMPLETE)


@click.command()
@_yes
@config_option
def adopt(yes: bool, config: Path | None) -> None:
    """Pair a database with a storage.

    The configured ones then belong together, whatever they belonged to before.
    """
    from dahlia.server.pairing.description import describe
    from dahlia.server.pairing.pairing import adopt as make_pair

    with opened(config, paired=False) as server:
        click.echo(describe(server))
        if not yes:
            click.confirm(
                "Make them one server? A database that used this storage is refused then", abort=True
            )
        made = make_pair(server.database, server.storage, server.now())
    click.echo(f"They are one server now ({made}). Files that the database does not know stay as they are.")


@click.group()
def orphans() -> None:
    """List, restore and delete files that belong to nothing."""


@orphans.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@config_option
def list_them(limit: int, config: Path | None) -> None:
    """Look for files that belong to no image and no iteration, and list them, oldest first."""
    from dahlia.server.cleaning.listing import orphan_lines
    from dahlia.server.cleaning.orphans import find_orphans

    with opened(config) as server:
        found = find_orphans(server)
        for line in orphan_lines(server, limit):
            click.echo(line)
    young = f" {found.young} younger than a day were not looked at." if found.young else ""
    click.echo(
        f"{found.orphans} of {found.files} files ({found.size >> 20} MB) belong to nothing known.{young}"
    )


@orphans.command("restore")
@click.argument("files", nargs=-1, metavar="[KEY]...")
@click.option("--project", required=True, help="The id or the name of the project that gets the images.")
@config_option
def restore_files(files: tuple[str, ...], project: str, config: Path | None) -> None:
    """Make orphaned images, all or those named by KEY, untagged images of a project."""
    from dahlia.server.cleaning.restoring import restore_orphans

    with opened(config) as server:
        restored = restore_orphans(
            server, project, files, lambda done: click.echo(f"{done} files looked at", err=True)
        )
    for key, status in restored.refused.items():
        click.echo(f"{key}: {status}", err=True)
    click.echo(f"{restored.images} images are in {project}; {len(restored.refused)} files were refused.")


@orphans.command("purge")
@click.option(
    "--days", type=click.FloatRange(min=0), default=30, show_default=True, help="Found so long ago."
)
@_yes
@config_option
def purge(days: float, yes: bool, config: Path | None) -> None:
    """Delete orphans for good."""
    from datetime import timedelta

    from dahlia.server.cleaning.orphans import delete_orphans, listed_orphans

    with opened(config) as server:
        rows = listed_orphans(server, timedelta(days=days))
        size = sum(row.size for row in rows) >> 20
        if rows and not yes:
            click.confirm(
                f"Delete {len(rows)} files ({size} MB), such as {rows[0].file}, for good?", abort=True
            )
        deleted = delete_orphans(server, rows)
    click.echo(f"{deleted} files are deleted.")


COMMANDS: tuple[click.Command, ...] = (backup, restore, rescue, adopt, orphans)
