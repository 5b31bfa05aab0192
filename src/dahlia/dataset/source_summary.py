"""What ingest understood of its source, for the stage that reports it: `data/dataset/source.json`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from dahlia.dataset.readers.reading import Note, Reading
from dahlia.dataset.records import project_path
from dahlia.errors import DatasetError
from dahlia.files import load_json, write_json


class SourceNote(BaseModel):
    """A `Note`, with its files as the inspection names them."""

    code: str
    found: str
    files: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class SourceSummary(BaseModel):
    """How a source was understood, and what became of its files.

    Attributes:
        format: in which it was read.
        recognised: what was recognised, in a line.
        accounted: what became of every file, in a line.
        splits: images in each split of the source; empty where it has none.
        notes: what there is to tell.
        passed_over: names of files that are no part of the dataset, by reason, relative to the source.
        unlabelled: photos of the dataset of which nobody has said anything, as the inspection names them.
    """

    format: str
    recognised: str
    accounted: str
    splits: dict[str, int] = {}
    notes: tuple[SourceNote, ...] = ()
    passed_over: dict[str, tuple[str, ...]] = {}
    unlabelled: tuple[str, ...] = ()


def summarise(reading: Reading, root: Path, notes: tuple[Note, ...] = ()) -> SourceSummary:
    """The summary of a source.

    Args:
        reading: of the source.
        root: the project folder.
        notes: what inspecting the files adds.
    """
    passed_over: dict[str, list[str]] = {}
    for name, reason in reading.litter.items():
        passed_over.setdefault(reason, []).append(_printable(name))
    return SourceSummary(
        format=reading.format,
        recognised=reading.recognised(),
        accounted=reading.accounted(),
        splits={str(split): count for split, count in reading.splits.items()},
        notes=tuple(
            SourceNote(
                code=note.code,
                found=note.found,
                files=tuple(project_path(reading.root / name, root) for name in note.files),
                tags=note.tags,
            )
            for note in (*reading.notes, *notes)
        ),
        passed_over={reason: tuple(names) for reason, names in sorted(passed_over.items())},
        unlabelled=tuple(project_path(reading.root / name, root) for name in reading.unlabelled),
    )


def save_summary(path: Path, summary: SourceSummary) -> None:
    """Write JSON."""
    write_json(path, summary.model_dump(mode="json"))


def load_summary(path: Path) -> SourceSummary | None:
    """Read what `save_summary` wrote; None where there is none: projects of earlier versions have none.

    Raises:
        DatasetError: the file does not fit.
    """
    if not path.exists():
        return None
    return load_json(path, SourceSummary, what="a summary of a source", stage="ingest", error=DatasetError)


def _printable(name: str) -> str:
    return name.encode(errors="replace").decode()
