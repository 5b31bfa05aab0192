"""The top of the command line: commands in sections, and the nearest name for one that does not exist."""

from __future__ import annotations

from typing import Any

import click

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
