"""`dahlia predict`: options in, a table or JSON out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dahlia.terminal import print_table, printable

if TYPE_CHECKING:
    from rich.table import Table

    from dahlia.predict.models import Predicted

FAILED = 1  # exit status where a photo has no answer
_TOP = 3  # tags in the table
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
    "--top", type=click.IntRange(min=1), metavar="K", help="At most K tags (default: 3; with --json all)."
)
@click.option(
    "--threshold",
    default=0.0,
    type=click.FloatRange(0, 1),
    help="Only tags with at least this probability, 0 to 1.",
)
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each photo, on standard output.")
def predict(
    photos: tuple[Path, ...],
    name: str | None,
    iteration: int | None,
    bundle: Path | None,
    top: int | None,
    threshold: float,
    as_json: bool,
) -> None:
    """Predict the tags of photos.

    PHOTO is an image, or a folder of images and subfolders. By
    default the model is the only published one, or else the last iteration. Photos that cannot be predicted
    are reported, and the exit status is then 1.
    """
    if sum(choice is not None for choice in (name, iteration, bundle)) > 1:
        raise click.UsageError("expected one of --as, --iteration and --bundle, received several.")
    from dahlia.predict.models import find_photos, open_model, predict_photos

    found = find_photos(photos)
    with open_model(Path(), name, iteration, bundle) as model:
        answers = predict_photos(found, model.predict)
        most = top or (None if as_json else _TOP)
        with closing(answers), _followed(answers, len(found), hidden=as_json) as followed:
            write = _write_json if as_json else _write_table
            failed = write((_cut(one, most, threshold) for one in followed), model.name)
    if failed:
        click.echo(f"{failed} of {len(found)} photos have no answer.", err=True)
        raise click.exceptions.Exit(FAILED)


def _cut(one: Predicted, most: int | None, threshold: float) -> Predicted:
    kept = [pair for pair in one.answer.scored if pair[1] >= threshold][:most]
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
    facts: dict[str, Any] = {
        "predictions": [{"tagName": tag, "probability": value} for tag, value in one.answer.scored]
    }
    none = one.answer.none_of_these
    return facts if none is None else facts | {"none_of_these": round(none, _DIGITS)}


def _write_table(answers: Iterable[Predicted], model: str) -> int:
    answered = list(answers)
    print_table(_table([one for one in answered if one.problem is None], model))
    problems = [printable(f"{one.photo}: {one.problem}") for one in answered if one.problem is not None]
    for problem in problems:
        click.secho(problem, fg="red", err=True)
    return len(problems)


def _table(answered: Sequence[Predicted], model: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    title = escape(printable(model))
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Photo", overflow="fold")
    table.add_column("Tag", overflow="fold")
    table.add_column("Probability", justify="right")
    table.add_column("Others", overflow="fold")
    for one in answered:
        texts = [(escape(printable(tag)), f"{value:.1%}") for tag, value in one.answer.scored]
        none = one.answer.none_of_these or 0.0
        if none > max((value for _, value in one.answer.scored), default=0.0):
            texts = [("none of these", f"{none:.1%}"), *texts]
        first, *others = texts or [("-", "")]
        table.add_row(escape(printable(str(one.photo))), *first, ", ".join(map(" ".join, others)))
    return table
