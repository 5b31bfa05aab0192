"""How long jobs take, as the last ones did."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.export.formats import meant_flavor
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.job import JobKind, Lane, State

FORM = "form"  # in the payload of an export: its platform and flavour

_LOOKED_AT = 200  # of the jobs that are done, the newest
_COUNTED = 10  # of those that are alike


@dataclass(frozen=True)
class Durations:
    """Seconds that jobs take.

    Attributes:
        exports: median of each form.
        any_export: median of all; None before the first.
        factors: median of what trainings of a lane took, as a factor of what was thought.
    """

    exports: dict[str, float]
    any_export: float | None
    factors: dict[str, float]

    @classmethod
    def read(cls, session: Session) -> Durations:
        """From the jobs that are done."""
        exports, factors = defaultdict(list), defaultdict(list)
        columns = (JobRow.kind, JobRow.lane, JobRow.expected, JobRow.payload, JobRow.started, JobRow.ended)
        done = select(*columns).where(JobRow.state == State.DONE).order_by(JobRow.key.desc())
        for row in session.execute(done.limit(_LOOKED_AT)):
            if row.started is None or row.ended is None:
                continue
            seconds = max((row.ended - row.started).total_seconds(), 0.0)
            if row.kind == JobKind.EXPORT and FORM in row.payload:
                exports[row.payload[FORM]].append(seconds)
            elif row.kind == JobKind.TRAIN and row.expected:
                factors[row.lane or Lane.SHORT].append(seconds / row.expected)
        every = [seconds for values in exports.values() for seconds in values]
        return cls(_medians(exports), statistics.median(every) if every else None, _medians(factors))

    def of(self, job: JobRow) -> float | None:
        """Seconds that a job will take from its begin to its end; None where nothing is known."""
        if job.kind == JobKind.TRAIN and job.expected:
            return job.expected * self._factor(job)
        return (
            self.exports.get(job.payload.get(FORM, ""), self.any_export)
            if job.kind == JobKind.EXPORT
            else None
        )

    def left(self, job: JobRow, now: datetime) -> float | None:
        """Seconds until a running job is done.

        Args:
            job: that runs.
            now: by the server's clock.

        Returns:
            What its worker thinks, as far from the truth as it was with others; else what others took. None
            where nothing is known, as of a job that takes longer than the others did, or is being cancelled.
        """
        if job.cancel:
            return None
        if (said := job.progress.get("seconds_left")) is not None:
            return max(float(said), 0.0) * self._factor(job)
        whole = self.of(job)
        if whole is None or job.started is None:
            return None
        left = whole - (now - job.started).total_seconds()
        return left if left >= 0 else None

    def _factor(self, job: JobRow) -> float:
        return self.factors.get(job.lane or Lane.SHORT, 1.0)


def form(platform: str, flavor: str | None) -> dict[str, Any]:
    """What the payload of an export says of its form, however it was asked for."""
    return {FORM: f"{platform}/{meant_flavor(platform, flavor) or ''}"}


def _medians(found: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values[:_COUNTED]) for name, values in found.items()}
