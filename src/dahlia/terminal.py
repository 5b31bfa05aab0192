"""What a terminal shows: tables and progress, also in a pipe, and the commands in sections."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table


def printable(text: str) -> str:
    """A text from outside, without what a terminal obeys and what is no letter."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


_LONGEST = 2000  # characters of a line in a message


def message(text: str) -> str:
    """A message with parts from outside: its lines, each printable and not too long."""
    lines = text.splitlines()
    return "\n".join(printable(line[:_LONGEST]) + ("..." if len(line) > _LONGEST else "") for line in lines)


def print_table(table: Table) -> None:
    """Print a table; a pipe has no width of its own, and the default of 80 would cut what a program reads."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 120).print(table)


def progress_bar(what: str) -> Progress:
    """A bar on stderr that goes when it is done; in a pipe there is none. Use it in a `with`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


SECTIONS = {
    "Server": ("serve", "keys", "push", "checkout", "worker", "config", "audit"),
    "Project folder": (
        "init", "inspect", "domains", "params", "report", "iterations", "compare", "publish", "unpublish",
        "predict", "export", "predictions", "trial", "stage",
    ),
    "Server maintenance": ("backup", "restore", "rescue", "adopt", "orphans"),
    "Examples": ("demo", "sample"),
}  # fmt: skip
_LINE = 80  # characters of a whole line, whatever the terminal: short help is written to fit


class SectionedCommands(click.Group):
    """A group whose help lists its commands by section, the most used first."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        width = max(map(len, self.commands))
        for title, names in SECTIONS.items():
            rows = [
                (name.ljust(width), self.commands[name].get_short_help_str(_LINE - width - 4))
                for name in names
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find a command.

        Raises:
            click.UsageError: it does not exist; the nearest name is in the text.
        """
        from dahlia.config import nearest

        if args and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"unknown command `{args[0]}`{nearest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)
