"""Boxes that are likely missing, or drawn with a wrong tag or in a wrong place.

A held-out model contradicts what was drawn only where it is *confident*: its score reaches the mean score of
the boxes of that tag that it has right, and at least `LEAST_SURE`. That mean is the self-confidence of
confident learning (Northcutt, Jiang and Chuang 2021; for boxes Tkachenko, Thyagarajan and Mueller 2023).

- *Missing*: a confident box that overlaps no drawn one, and does not lie within one of its tag.
- *Wrong tag*: a confident box on a drawn one of another tag, of whose own tag the model is less sure there.
- *Misplaced*: a confident box that overlaps a drawn one of its tag by some, but by less than 0.6, and by
  clearly less than this model's boxes of the tag usually do: a model that places all boxes loosely says
  nothing about one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.boxes import overlaps
from dahlia.evaluation.detection.faults import place_of
from dahlia.evaluation.detection.figures import BoxLabelIssue, Problem
from dahlia.evaluation.detection.matching import NONE, BoxTable

LEAST_SURE = 0.5
SEPARATE = 0.3  # boxes that overlap less are not of one object
ON = 0.5
WELL_PLACED = 0.6
_INSIDE = 0.7  # of a box's area
_DEVIATIONS = 2.0
_MAD = 1.4826  # makes the median absolute deviation that of a normal distribution

Numbers = npt.NDArray[np.intp]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Issue:
    problem: Problem
    found: int
    true: int
    overlap: float
    score: float


def find_label_issues(
    table: BoxTable, partners: Numbers, ids: tuple[str, ...], paths: Mapping[str, str]
) -> tuple[BoxLabelIssue, ...]:
    """All of N held-out photos, most likely wrong first.

    Args:
        table: the boxes.
        partners: (D,) of `matched` at `SEPARATE`.
        ids: of the photos.
        paths: image id to path.
    """
    sure = table.score >= _self_confidence(table, partners)[table.tag]
    found = [*_wrong_tags(table, sure), *_missing(table, sure), *_misplaced(table, partners, sure)]
    order = sorted(found, key=lambda each: (each.score, ids[table.photo[each.found]], each.found))
    return tuple(_told(table, issue, ids, paths) for issue in order)


def _self_confidence(table: BoxTable, partners: Numbers) -> Values:
    """(K,) the score from which a box of each tag is confident; never reached without right ones."""
    limits = np.full(len(table.tags), np.inf)
    for column in range(len(table.tags)):
        right = table.score[table.of_tag(column) & (partners != NONE) & (table.score >= LEAST_SURE)]
        if len(right):
            limits[column] = right.mean()
    return limits


def _missing(table: BoxTable, sure: npt.NDArray[np.bool_]) -> Iterator[_Issue]:
    on = np.zeros(len(table.score), bool)
    on[table.pair_found[table.pair_overlap >= SEPARATE]] = True
    on[table.pair_found[_within(table) & table.same_tag]] = True
    named: dict[int, list[int]] = {}
    for found in np.flatnonzero(sure & ~on).tolist():  # falling scores: of several tags the surest one
        others = named.setdefault(int(table.photo[found]), [])
        if others and (overlaps(table.place[[found]], table.place[others]) >= ON).any():
            continue
        others.append(found)
        yield _Issue("missing", found, NONE, 0.0, 1 - float(table.score[found]))


def _within(table: BoxTable) -> npt.NDArray[np.bool_]:
    """(P,) pairs whose found box lies mostly within the true one."""
    found = table.place[table.pair_found, 2:].prod(axis=1)
    true = table.true_place[table.pair_true, 2:].prod(axis=1)
    shared = table.pair_overlap * (found + true) / (1 + table.pair_overlap)
    return np.asarray(shared >= _INSIDE * found)


def _wrong_tags(table: BoxTable, sure: npt.NDArray[np.bool_]) -> Iterator[_Issue]:
    on, same = table.pair_overlap >= ON, table.same_tag
    own = np.zeros(len(table.true_tag))
    np.maximum.at(own, table.pair_true[on & same], table.score[table.pair_found[on & same]])
    told = np.zeros(len(table.true_tag), bool)
    for pair in np.flatnonzero(on & ~same & sure[table.pair_found]).tolist():
        found, true = int(table.pair_found[pair]), int(table.pair_true[pair])
        score, given = float(table.score[found]), float(own[true])
        if told[true] or given >= score or _explained(table, found, true):
            continue
        told[true] = True
        yield _Issue("wrong_tag", found, true, float(table.pair_overlap[pair]), 1 - (score - given))


def _explained(table: BoxTable, found: int, true: int) -> bool:
    """Whether a drawn box of the found one's own tag is there too: two objects, one before the other."""
    pairs = (table.pair_found == found) & table.same_tag & (table.pair_overlap >= SEPARATE)
    return bool((pairs & (table.pair_true != true)).any())


def _misplaced(table: BoxTable, partners: Numbers, sure: npt.NDArray[np.bool_]) -> Iterator[_Issue]:
    overlap = _overlaps_of(table, partners)
    likely = (partners != NONE) & (table.score >= LEAST_SURE)
    for column in range(len(table.tags)):
        rows = likely & table.of_tag(column)
        if not rows.any():
            continue
        usual = float(np.median(overlap[rows]))
        spread = _MAD * float(np.median(np.abs(overlap[rows] - usual)))
        limit = min(WELL_PLACED, usual - _DEVIATIONS * spread)
        for found in np.flatnonzero(rows & sure & (overlap < limit)).tolist():
            shared = float(overlap[found])
            score = 1 - float(table.score[found]) * (1 - shared / usual)
            yield _Issue("misplaced", found, int(partners[found]), shared, score)


def _overlaps_of(table: BoxTable, partners: Numbers) -> Values:
    """(D,) of each found box with its partner; 0 without one."""
    overlap = np.zeros(len(table.score))
    own = partners[table.pair_found] == table.pair_true
    overlap[table.pair_found[own]] = table.pair_overlap[own]
    return overlap


def _told(table: BoxTable, issue: _Issue, ids: tuple[str, ...], paths: Mapping[str, str]) -> BoxLabelIssue:
    image = ids[table.photo[issue.found]]
    drawn = issue.true != NONE
    return BoxLabelIssue(
        image=image,
        path=paths.get(image),
        problem=issue.problem,
        given=table.tags[table.true_tag[issue.true]] if drawn else None,
        place=place_of(table.true_place[issue.true]) if drawn else None,
        suggested=table.tags[table.tag[issue.found]],
        suggested_place=place_of(table.place[issue.found]),
        probability=float(table.score[issue.found]),
        overlap=issue.overlap if drawn else None,
        score=issue.score,
    )
