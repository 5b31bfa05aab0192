"""Tables and progress on a terminal, or in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table


def printable(text: str) -> str:
    """A text from outside, without what a terminal obeys and what is no letter."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


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
