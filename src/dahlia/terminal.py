"""Tables on a terminal, or in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table; a pipe has no width of its own, and the default of 80 would cut what a program reads."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 120).print(table)
