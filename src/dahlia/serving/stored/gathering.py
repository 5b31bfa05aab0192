"""`dahlia predictions`: what it shows of the predictions that are kept, and how it copies them out."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dahlia.dataset.formats import SUFFIXES, sniff
from dahlia.dataset.readers.litter import is_litter
from dahlia.dataset.readers.targets import new_folder
from dahlia.errors import ConfigError, DatasetError
from dahlia.layout import PARAMS, STORED
from dahlia.serving.stored.reading import Stored, latest_predictions, read_predictions

if TYPE_CHECKING:
    from rich.table import Table

LIST = "predictions.jsonl"
BOXES = "regions.csv"

_SIDES = ("left", "top", "width", "height")
_LIKELY = 0.5

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|%\ud800-\udfff]|^[. ]|[. ]$')
_TAKEN = re.compile(r"test|(?i:con|prn|aux|nul|(com|lpt)\d)(\..*)?", re.DOTALL)
_LONGEST = 120  # bytes


def choose_predictions(
    folder: Path | None, since: datetime | None = None, limit: int | None = None
) -> Iterator[Stored]:
    """The predictions that are kept: the `limit` newest, newest first, or all, the oldest first.

    Args:
        folder: where they are kept; None for that of the project in which one stands.
        since: the first moment; without a time zone, local time.
        limit: how many; None for all.

    Raises:
        ConfigError: this is no project folder, and none is named.
        DatasetError: nothing is kept.
    """
    if folder is None and not PARAMS.exists():
        raise ConfigError(
            f"{PARAMS} was expected and is not there. Run this in a project folder, or name the folder of "
            "the predictions with `--from`."
        )
    place = folder or STORED
    chosen = (
        read_predictions(place, since) if limit is None else iter(latest_predictions(place, limit, since))
    )
    first = next(chosen, None)
    if first is None:
        kept = "since then; leave out `--since`" if since and next(read_predictions(place), None) else "yet"
        raise DatasetError(
            f"Expected predictions in {place}, found none {kept}. The service keeps the images sent to "
            "`/customvision/...` paths that do not end in /nostore; start it with `bentoml serve`."
        )
    return itertools.chain([first], chosen)


def predictions_table(predictions: Sequence[Stored]) -> Table:
    """A row per prediction: when, for which publish name, the most probable tag, and for whom."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("Time", "Name", "Top tag", "Probability", "Application"):
        table.add_column(
            title, no_wrap=title in ("Time", "Probability"), overflow="fold", justify=_justify(title)
        )
    for stored in predictions:
        top = _top(stored.facts)
        table.add_row(
            stored.kept.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            Text(_printable(stored.facts.get("publishName"))),
            Text(_printable(top.get("tagName"))),
            f"{top['probability']:.1%}" if top else "",
            Text(_printable(stored.facts.get("application"))),
        )
    return table


def write_predictions(predictions: Iterable[Stored], target: Path) -> tuple[int, int]:
    """Copy images to `target/<top tag>/<id>.<suffix>`, and their facts to `target/predictions.jsonl`.

    A tag that cannot be a folder's name, or would be read as something else, is percent-encoded there; the
    list has it as it is. What detectors looked at is copied to `target` itself, whether they found anything
    or not, and the table `regions.csv` beside it has the boxes that are more probable than not.

    Returns:
        How many were written, and how many were left out because their images are gone or damaged.

    Raises:
        DatasetError: `target` already holds something.
        DahliaError: the disk is full or the folder cannot be written.
    """
    written = missing = 0
    with (
        new_folder(target) as staged,
        (staged / LIST).open("w", encoding="utf-8") as lines,
        (staged / BOXES).open("w", encoding="utf-8", newline="") as rows,
    ):
        table, boxed = csv.writer(rows, lineterminator="\n"), False
        table.writerow(("file", "tag", *_SIDES))
        for stored in predictions:
            try:
                image = stored.image()
                suffix = SUFFIXES[sniff(image)][0]
            except DatasetError:
                missing += 1
                continue
            boxes, top = _boxes(stored.facts), _top(stored.facts)
            # Classifiers say every tag of every photo: an empty list is a detector's that found nothing.
            detected = bool(boxes) or stored.facts.get("predictions") == []
            folder = staged if detected else staged / folder_name(str(top.get("tagName", "")))
            place = folder / f"{_file_name(stored)}{suffix}"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(image)
            file = place.relative_to(staged).as_posix()
            lines.write(json.dumps({"file": file} | stored.facts) + "\n")
            if detected:
                table.writerows((file, *row) for row in _rows(boxes))
            boxed = boxed or detected
            written += 1
        if not boxed:
            (staged / BOXES).unlink()
    return written, missing


def folder_name(tag: str) -> str:
    """A tag as the name of one folder on any system, which reading a folder per tag takes for a tag."""
    name = _UNSAFE.sub(lambda found: _percent(found[0]), unicodedata.normalize("NFC", tag)) or "%"
    if is_litter(name):
        name = name.replace(".", "%2E")
    if is_litter(name) or _TAKEN.fullmatch(name):
        name = _percent(name[0]) + name[1:]
    data = name.encode()
    if len(data) <= _LONGEST:
        return name
    digest = hashlib.sha256(data).hexdigest()[:16]
    return f"{data[:_LONGEST].decode(errors='ignore')}%{digest}"


def _file_name(stored: Stored) -> str:
    return folder_name(str(stored.facts.get("id")))


def _percent(text: str) -> str:
    quoted = quote(text, safe="", errors="surrogatepass")
    return quoted if quoted != text else "".join(f"%{byte:02X}" for byte in text.encode())


def _boxes(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in facts.get("predictions") or [] if one.get("boundingBox")]


def _rows(boxes: Iterable[dict[str, Any]]) -> list[list[object]]:
    """A row for each box that is more probable than not; where none is, one that says so."""
    likely = [one for one in boxes if one.get("probability", 0.0) > _LIKELY]
    return [[one.get("tagName"), *(one["boundingBox"].get(side) for side in _SIDES)] for one in likely] or [
        [""] * (1 + len(_SIDES))
    ]


def _top(facts: dict[str, Any]) -> dict[str, Any]:
    return max(facts.get("predictions") or [{}], key=lambda one: one.get("probability", 0.0))


def _printable(text: object) -> str:
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(text or ""))


def _justify(title: str) -> Any:
    return "right" if title == "Probability" else "left"
