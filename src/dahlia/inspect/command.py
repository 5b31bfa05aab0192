"""`dahlia inspect`: options in, what a source holds out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dahlia.kinds import TASKS, Task

if TYPE_CHECKING:
    from rich.table import Table

    from dahlia.dataset.inspection import Inspection
    from dahlia.inspect.look import Look

FOUND_ERRORS = 1  # exit status where training would stop
_MOST_NAMES = 20  # of files that are passed over, for each reason


@click.command("inspect")
@click.argument("source", type=click.Path(path_type=Path), metavar="SOURCE")
@click.option("--format", "format_", default="auto", help="Of the annotations (default: detected).")
@click.option(
    "--split-folders",
    type=click.Choice(["auto", "splits", "tags"]),
    default="auto",
    help="What folders are that may be splits; tags: every folder is a tag.",
)
@click.option(
    "--groups",
    type=click.Choice(["auto", "folders", "none"]),
    default="auto",
    help="What names groups of photos; folders: those inside the folders of tags.",
)
@click.option(
    "--task", type=click.Choice(list(TASKS)), help="What the photos are for (default: the project's)."
)
@click.option("--passed-over", is_flag=True, help="List the files that are passed over, too.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def inspect(
    source: Path,
    format_: str,
    split_folders: Any,
    groups: Any,
    task: Task | None,
    passed_over: bool,
    as_json: bool,
) -> None:
    """Show what would be read of photos, without training.

    SOURCE is a folder, an annotation file, or a ZIP or tar archive. The parameters of the project in the
    current folder count, or else the defaults. The exit status is 1 if training would stop.
    """
    from dahlia.inspect.look import look_at

    options = {"format": format_, "split_folders": split_folders, "groups": groups}
    look = look_at(source, Path.cwd(), **options, task=task, track=_tracked)
    if as_json:
        click.echo(look.model_dump_json(indent=2))
    else:
        _show(look, passed_over=passed_over)
    if any(kind.severity == "error" for kind in look.findings):
        raise SystemExit(FOUND_ERRORS)


def _tracked(rows: Iterable[Inspection], total: int) -> Iterable[Inspection]:
    from dahlia.terminal import progress_bar

    if not total:
        return []
    with progress_bar("photos") as progress:
        return list(progress.track(rows, total=total))


def _show(look: Look, *, passed_over: bool) -> None:
    from dahlia.terminal import print_table, printable

    for line in (look.source.recognised, look.source.accounted):
        click.echo(printable(line))
    click.echo()
    if look.tags:
        print_table(_tags(look))
        click.echo()
    if look.background:
        click.echo(f"Photos without objects: {look.background:,}\n")
    if look.findings:
        print_table(_findings(look))
        for kind in look.findings:
            click.echo(f"\n{printable(f'{kind.code}: {kind.example}')}\n  {kind.remedy}")
    else:
        click.echo("Nothing is wrong with the photos.")
    if passed_over:
        for reason, names in look.source.passed_over.items():
            more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
            click.echo(printable(f"{reason}: {', '.join(names[:_MOST_NAMES])}{more}"))


def _tags(look: Look) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from dahlia.terminal import printable

    table = Table("tag", box=None)
    if look.boxes:
        names = ["training photos", "training boxes", "test photos", "test boxes"]
    else:
        names = ["training", "test"]
    for name in [*names, "groups"] if look.groups else names:
        table.add_column(name, justify="right")
    for tag, images in look.tags.items():
        boxes = look.boxes.get(tag, (0, 0))
        counts = [each for pair in zip(images, boxes, strict=True) for each in pair] if look.boxes else images
        grouped = [look.groups.tags.get(tag, 0)] if look.groups else []
        table.add_row(escape(printable(tag)), *(f"{count:,}" for count in (*counts, *grouped)))
    return table


def _findings(look: Look) -> Table:
    from rich.table import Table

    table = Table("finding", "severity", "what", box=None)
    table.add_column("count", justify="right")
    for kind in look.findings:
        table.add_row(kind.code, kind.severity, kind.title, f"{kind.count:,}")
    return table
