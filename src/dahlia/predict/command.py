"""`dahlia predict`: options in, a table or JSON out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dahlia.terminal import print_table, printable

if TYPE_CHECKING:
    from rich.table import Table

    from dahlia.predict.models import Predicted, Said

FAILED = 1  # exit status where a photo has no answer
_TOP = 3  # tags in the table
_SURE = 0.5  # the lowest probability of boxes in the table
_DIGITS = 6  # of what is computed from float32 numbers
_LONG = 20  # photos for which a bar shows the progress


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PHOTO...")
@click.option("--as", "name", help="The publish name of the model.")
@click.option("--iteration", type=click.IntRange(min=1), metavar="N", help="The number of the iteration.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="A folder or zip with model.onnx, such as `dahlia export N --format onnx` writes.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="K",
    help="At most K tags (default: 3; with --json, and of boxes, all).",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Only tags with at least this probability, 0 to 1 (default: 0; for boxes in a table 0.5).",
)
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each photo, on standard output.")
def predict(
    photos: tuple[Path, ...],
    name: str | None,
    iteration: int | None,
    bundle: Path | None,
    top: int | None,
    threshold: float | None,
    as_json: bool,
) -> None:
    """Predict the tags of photos.

    If the model is a detector, it says where they are too. PHOTO is an image, or a folder of images and
    subfolders. By default the model is the only published one, or else the last iteration. Photos that cannot
    be predicted are reported, and the exit status is then 1.
    """
    if sum(choice is not None for choice in (name, iteration, bundle)) > 1:
        raise click.UsageError("expected one of --as, --iteration and --bundle, received several.")
    from dahlia.predict.models import find_photos, open_model, predict_photos

    found = find_photos(photos)
    with open_model(Path(), name, iteration, bundle) as model:
        answers = predict_photos(found, model.predict)
        most = top or (None if as_json or model.finds else _TOP)
        least = threshold if threshold is not None else (_SURE if model.finds and not as_json else 0.0)
        with closing(answers), _followed(answers, len(found), hidden=as_json) as followed:
            write = _write_json if as_json else partial(_write_table, _boxes if model.finds else _tags)
            failed = write((_cut(one, most, least) for one in followed), model.name)
    if failed:
        click.echo(f"{failed} of {len(found)} photos have no answer.", err=True)
        raise click.exceptions.Exit(FAILED)


def _cut(one: Predicted, most: int | None, threshold: float) -> Predicted:
    kept = [said for said in one.answer.scored if said.probability >= threshold][:most]
    return replace(one, answer=replace(one.answer, scored=kept))


@contextmanager
def _followed(answers: Iterable[Predicted], count: int, *, hidden: bool) -> Iterator[Iterable[Predicted]]:
    """The answers, with a bar on a terminal where there are many."""
    if (hidden and sys.stdout.isatty()) or not sys.stderr.isatty() or count < _LONG:
        yield answers
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield progress.track(answers, total=count, description="Photos")


def _write_json(answers: Iterable[Predicted], model: str) -> int:
    failed = 0
    for one in answers:
        failed += one.problem is not None
        click.echo(json.dumps({"photo": _name(one), "model": model} | _facts(one), ensure_ascii=False))
    return failed


def _name(one: Predicted) -> str:
    return os.fsencode(one.photo).decode("utf-8", "replace")


def _facts(one: Predicted) -> dict[str, Any]:
    if one.problem is not None:
        return {"error": one.problem}
    facts: dict[str, Any] = {"predictions": [_prediction(said) for said in one.answer.scored]}
    none = one.answer.none_of_these
    return facts if none is None else facts | {"none_of_these": round(none, _DIGITS)}


def _prediction(said: Said) -> dict[str, Any]:
    fields: dict[str, Any] = {"tagName": said.tag, "probability": said.probability}
    return fields if said.place is None else fields | {"boundingBox": said.place._asdict()}


def _write_table(
    fill: Callable[[Table, Sequence[Predicted]], None], answers: Iterable[Predicted], model: str
) -> int:
    answered = list(answers)
    table = _table(model)
    fill(table, [one for one in answered if one.problem is None])
    print_table(table)
    problems = [printable(f"{one.photo}: {one.problem}") for one in answered if one.problem is not None]
    for problem in problems:
        click.secho(problem, fg="red", err=True)
    return len(problems)


def _table(model: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    title = escape(printable(model))
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Photo", overflow="fold")
    table.add_column("Tag", overflow="fold")
    table.add_column("Probability", justify="right")
    return table


def _tags(table: Table, answered: Sequence[Predicted]) -> None:
    """A row for each photo: the most probable tag, and others."""
    from rich.markup import escape

    table.add_column("Others", overflow="fold")
    for one in answered:
        texts = [(escape(printable(said.tag)), f"{said.probability:.1%}") for said in one.answer.scored]
        first, *others = [*_none(one), *texts] or [("-", "")]
        table.add_row(escape(printable(str(one.photo))), *first, ", ".join(map(" ".join, others)))


def _boxes(table: Table, answered: Sequence[Predicted]) -> None:
    """A row for each box; its place is in percent of the photo's width and height."""
    from rich.markup import escape

    for name in ("Left", "Top", "Width", "Height"):
        table.add_column(name, justify="right")
    for one in answered:
        rows = [
            (
                escape(printable(said.tag)),
                f"{said.probability:.1%}",
                *(f"{edge:.1%}" for edge in said.place or ()),
            )
            for said in one.answer.scored
        ]
        photo = escape(printable(str(one.photo)))
        for row in [*_none(one), *rows] or [("-", "")]:
            table.add_row(photo, *row)
            photo = ""


def _none(one: Predicted) -> list[tuple[str, str]]:
    none = one.answer.none_of_these or 0.0
    likelier = none > max((said.probability for said in one.answer.scored), default=0.0)
    return [("none of these", f"{none:.1%}")] if likelier else []
