"""What the server's commands share: the option for its settings, and the server that they work on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dahlia.errors import ConfigError

if TYPE_CHECKING:
    from dahlia.server.context import Server

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of settings (default: DAHLIA_CONFIG, or ./dahlia.toml).",
)


@contextmanager
def opened(config: Path | None, *, shares: bool = False, paired: bool = True) -> Iterator[Server]:
    """A server; what is written meanwhile is for its user alone, unless it `shares`."""
    from dahlia.server.context import open_server
    from dahlia.server.database.errors import DamageError
    from dahlia.server.disk import private
    from dahlia.settings.server import load_settings

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
