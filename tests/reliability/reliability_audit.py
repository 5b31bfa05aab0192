"""What rows, files and processes say of each other when everything stands still."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from dahlia.server.cleaning.cleaning import delete_discarded
from dahlia.server.cleaning.orphans import delete_orphans, find_orphans, listed_orphans
from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow, PredictionRow
from dahlia.server.jobs.job import State
from dahlia.server.jobs.training_data import BUNDLE, EVALUATION, PREDICTIONS, SERVABLE, artifact_key
from dahlia.server.storage.names import IMAGES, ITERATIONS, image_key, sha256_of_key, thumbnail_key

AT_ONCE = timedelta(days=-1)  # files and deletions of this moment too
_ENDS = {"Completed": State.DONE, "Failed": State.FAILED}


def audit_images(server: Server) -> int:
    """See that every row of an image has its files, with the right bytes, also when orphans are removed.

    Returns:
        How many files no row named: what uploads and trainings had stored when they were killed.
    """
    named = _named_files(server)
    _check(server, named)
    contents = {sha256 for sha256, _ in named}
    delete_discarded(server, AT_ONCE, AT_ONCE)
    found = find_orphans(server, AT_ONCE)
    assert delete_orphans(server, listed_orphans(server, AT_ONCE)) == found.orphans
    _check(server, named)
    assert {sha256_of_key(entry.key) for entry in server.storage.keys(IMAGES)} == contents
    return found.orphans


def audit_jobs(server: Server) -> Counter[str]:
    """See that nothing is under way any more, and that jobs and what waited for them say the same.

    Returns:
        How many jobs ended in which state.
    """
    with server.database.read() as session:
        jobs = session.scalars(select(JobRow)).all()
        iterations = {row.key: row for row in session.scalars(select(IterationRow))}
        exports = session.scalars(select(ExportRow.status)).all()
    assert not {job.state for job in jobs} & {State.WAITING, State.RUNNING}
    assert set(exports) <= {"Done", "Failed"}
    for job in jobs:
        if job.kind != "train" or job.iteration_key is None:
            continue
        iteration = iterations[job.iteration_key]
        wanted = State.CANCELLED if iteration.error == "Cancelled" else _ENDS[iteration.status]
        assert (job.state, bool(job.error)) == (wanted, wanted is not State.DONE), iteration.error
        assert iteration.files == (iteration.status == "Completed")
    trained = Counter(job.iteration_key for job in jobs if job.kind == "train")
    assert {trained[key] for key in iterations} == {1}
    return Counter(job.state for job in jobs)


def audit_iterations(server: Server) -> None:
    """See that every completed iteration has its files, and that no folder is left of one that is gone."""
    with server.database.read() as session:
        rows = session.execute(select(IterationRow.id, IterationRow.files)).all()
    for identity, has_files in rows:
        for name in (EVALUATION, PREDICTIONS, f"{SERVABLE}/model.onnx", f"{BUNDLE}/model.json"):
            assert not has_files or server.storage.size(artifact_key(identity, name)), name
    stored = {entry.key.split("/")[1] for entry in server.storage.keys(ITERATIONS)}
    assert stored <= {identity for identity, _ in rows}


def audit_sqlite(file: Path) -> None:
    """See that the file is whole, and that its rows refer to rows that are there."""
    connection = sqlite3.connect(file)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()


def _named_files(server: Server) -> set[tuple[str, str]]:
    with server.database.read() as session:
        return {
            (row.sha256, row.suffix)
            for table in (ImageRow, PredictionRow)
            for row in session.execute(select(table.sha256, table.suffix))
        }


def _check(server: Server, named: set[tuple[str, str]]) -> None:
    for sha256, suffix in named:
        data = server.storage.get(image_key(sha256, suffix))
        assert hashlib.sha256(data).hexdigest() == sha256
        assert server.storage.size(thumbnail_key(sha256))
