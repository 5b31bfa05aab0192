"""Images that are set aside when errors are skipped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dahlia.dataset.findings import Finding, ranked
from dahlia.dataset.inspection import Inspection
from dahlia.dataset.manifest import read_table
from dahlia.dataset.records import ImageRecord
from dahlia.files import staged_file

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("code", pa.string(), nullable=False),
    ]
)
_STAYS_FOR_TESTING = "train-and-test"


@dataclass(frozen=True, slots=True)
class Excluded:
    """A file that is set aside.

    Attributes:
        path: as in the inspection.
        id: the manifest's row that is dropped with it; None where there is none, and for a training
            image that is also in the test set: its row is a test image, and stays.
        code: the gravest finding about it.
    """

    path: str
    id: str | None
    code: str


def set_aside(findings: Iterable[Finding], rows: Iterable[Inspection]) -> list[Excluded]:
    """The files that the errors among `findings` are about, sorted by path."""
    ids = {row.path: row.id for row in rows if row.problem is None}
    codes: dict[str, str] = {}
    for finding in ranked(findings):
        for path in finding.set_aside:
            if codes.setdefault(path, finding.code) == _STAYS_FOR_TESTING:
                codes[path] = finding.code
    return [
        Excluded(path, None if code == _STAYS_FOR_TESTING else ids.get(path), code)
        for path, code in sorted(codes.items())
    ]


def without(records: Iterable[ImageRecord], excluded: Iterable[Excluded]) -> list[ImageRecord]:
    """The records that are not set aside."""
    dropped = {row.id for row in excluded}
    return [record for record in records if record.id not in dropped]


def save_excluded(path: Path, excluded: Sequence[Excluded]) -> None:
    """Write Parquet."""
    table = pa.Table.from_pylist([asdict(row) for row in excluded], schema=SCHEMA)
    with staged_file(path) as staged:
        pq.write_table(table, staged, compression="zstd")


def load_excluded(path: Path) -> list[Excluded]:
    """Read what `save_excluded` wrote.

    Raises:
        DatasetError: the file is missing or has another schema.
    """
    return [Excluded(**row) for row in read_table(path, SCHEMA, "dvc repro validate").to_pylist()]
