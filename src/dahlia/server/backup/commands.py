"""The commands `dahlia backup` and `dahlia restore`, and what they tell about a backup."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dahlia.errors import ConfigError
from dahlia.server.command_tools import config_option, opened

if TYPE_CHECKING:
    from dahlia.server.backup.archive import About

_LISTED = 20


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
    from dahlia.server.backup.archive import INCOMPLETE
    from dahlia.server.backup.automatic import attach

    if attached:
        attach()
    found = _verified(file, config) if verify else _backed_up(file, config, when_due=attached)
    if found is None:
        return
    click.echo(summary(*found))
    if lacking := missing(found[1]):
        click.echo(lacking, err=True)
        context.exit(INCOMPLETE)


def _verified(file: Path | None, config: Path | None) -> tuple[Path, About]:
    from dahlia.server.backup.automatic import backups_in
    from dahlia.server.backup.reading import verify_backup
    from dahlia.settings.server import load_settings

    if file is None:
        folder = load_settings(config, os.environ).backup_folder
        file = next((path for _, path in backups_in(folder)), None)
        if file is None:
            raise ConfigError(f"Expected a backup in {folder}, found none. Name a file, or make one.")
    return file, verify_backup(file)


def _backed_up(file: Path | None, config: Path | None, *, when_due: bool) -> tuple[Path, About] | None:
    from dahlia.server.backup.writing import make_backup, write_backup

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
    from dahlia.server.backup.archive import INCOMPLETE
    from dahlia.server.backup.reading import restore_backup

    with opened(config, paired=False) as server:
        about = restore_backup(server, file)
    click.echo(
        f"{about.rows['projects']} projects and {about.rows['images']} images are back; keys work as before."
    )
    if lacking := missing(about):
        click.echo(lacking, err=True)
        context.exit(INCOMPLETE)


def summary(path: Path, about: About) -> str:
    """One line: what a backup holds."""
    return (
        f"{path}: {about.rows['projects']} projects, {about.rows['images']} images, {about.files} files; "
        "read back and found whole"
    )


def missing(about: About) -> str:
    """The files that a backup lacks, line by line; empty where it lacks none."""
    if not about.missing:
        return ""
    count = len(about.missing)
    lines = [f"  {key}: {reason}" for key, reason in sorted(about.missing.items())[:_LISTED]]
    if count > _LISTED:
        lines.append(f"  and {count - _LISTED} more, which its about.json lists")
    return "\n".join(
        [
            f"{count} {'file is' if count == 1 else 'files are'} missing from the backup; all else is in it:",
            *lines,
            "A photo is back when it is uploaded again; other files may be in an earlier backup.",
        ]
    )
