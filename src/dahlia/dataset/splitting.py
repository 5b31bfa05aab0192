"""The assignment of images to folds."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dahlia.dataset.fold_numbers import FEWEST, LEVELS, automatic, recalled
from dahlia.dataset.manifest import TEST_FOLD
from dahlia.dataset.records import ImageRecord
from dahlia.errors import DatasetError

_UNTAGGED = ""  # stratified like a tag, but no fold needs it


@dataclass(frozen=True, eq=False)
class _Unit:
    """Images that stay together: one, or a group of near-duplicates."""

    ids: tuple[str, ...]
    tags: Mapping[str, int]
    draw: bytes

    @property
    def turn(self) -> tuple[int, bytes]:
        return -len(self.ids), self.draw


def assign_folds(
    records: Sequence[ImageRecord],
    groups: Sequence[int],
    folds: int,
    seed: int,
    previous: Mapping[str, int],
) -> dict[str, int]:
    """Divide the training images into folds.

    Whole groups are assigned, those of the rarest tag first, each to the fold that has the fewest images
    of that tag, then the fewest images: the iterative stratification of Sechidis, Tsoumakas and Vlahavas
    (2011). Without groups and with one tag an image, the images of a tag in two folds differ by at most
    one. Chance is a hash of seed and id, so the order of `records` has no effect. 10 and 20 folds are parts
    of 5 (see `dahlia.dataset.fold_numbers`), divided in the same way; some stay empty where images are few.

    Args:
        records: N images.
        groups: N group numbers; equal ones share a fold.
        folds: 2 or more.
        seed: decides where chance does.
        previous: the folds of an earlier split. An image keeps its fold as others come and go; of a
            group that has grown together from several folds, the smaller part moves. Between 5, 10 and 20
            folds it is merged or divided; ignored if it was made with another number of folds.

    Returns:
        The fold of each id, 0 to `folds - 1`; `TEST_FOLD` for the user's own test set.

    Raises:
        DatasetError: a tag has too few images, or images that are all near-duplicates, so that no
            division leaves it in the training part of every fold; or there are fewer groups than folds.
    """
    units = _units(records, groups, seed)
    whole = FEWEST if folds in LEVELS else folds
    _check(units, whole)
    earlier, level = recalled(previous, folds)
    assignment = _Assignment(whole)
    new = assignment.keep(units, {name: fold % whole for name, fold in earlier.items()})
    assignment.stratify(new)
    assignment.repair()
    if folds > whole:
        assignment = _parts(assignment.placed, folds, earlier, level)
    assigned = {record.id: TEST_FOLD for record in records if record.subset == "test"}
    return assigned | {name: fold for unit, fold in assignment.placed.items() for name in unit.ids}


def _parts(whole: Mapping[_Unit, int], folds: int, earlier: Mapping[str, int], level: int) -> _Assignment:
    """Divide folds into parts; `earlier` numbers of `level` folds say what part an image was in."""

    def allowed(unit: _Unit, home: int) -> list[int]:
        parts = range(home, folds, FEWEST)
        votes = Counter(
            earlier[name] for name in unit.ids if name in earlier and earlier[name] % FEWEST == home
        )
        kept = max(votes, key=lambda fold: (votes[fold], -fold)) if votes else None
        return [part for part in parts if kept is None or part % level == kept]

    assignment = _Assignment(folds, {unit: allowed(unit, home) for unit, home in whole.items()})
    assignment.stratify(assignment.settle(list(whole)))
    return assignment


def automatic_folds(records: Sequence[ImageRecord], groups: Sequence[int]) -> int:
    """What `split.folds: auto` means for these images; see `dahlia.dataset.fold_numbers.automatic`."""
    units = _units(records, groups, 0)
    of_tags = Counter(tag for unit in units for tag in unit.tags if tag != _UNTAGGED)
    return automatic(sum(len(unit.ids) for unit in units), min(of_tags.values(), default=0))


class _Assignment:
    """Which unit is in which fold, and how many images of each tag that makes.

    Args:
        folds: how many.
        allowed: the folds that a unit may come into; all where it has none.
    """

    def __init__(self, folds: int, allowed: Mapping[_Unit, Sequence[int]] | None = None) -> None:
        self.allowed = allowed or {}
        self.placed: dict[_Unit, int] = {}
        self.tags: list[Counter[str]] = [Counter() for _ in range(folds)]
        self.sizes = [0] * folds

    def keep(self, units: Sequence[_Unit], previous: Mapping[str, int]) -> list[_Unit]:
        """Place the units that have been placed before; return the others."""
        new = []
        for unit in units:
            votes = Counter(previous[name] for name in unit.ids if previous.get(name, TEST_FOLD) >= 0)
            if votes:
                self._place(unit, max(votes, key=lambda fold: (votes[fold], -fold)))
            else:
                new.append(unit)
        return new

    def settle(self, units: Sequence[_Unit]) -> list[_Unit]:
        """Place the units that may come into one fold alone; return the others."""
        for unit in units:
            if len(self.allowed[unit]) == 1:
                self._place(unit, self.allowed[unit][0])
        return [unit for unit in units if unit not in self.placed]

    def stratify(self, units: Sequence[_Unit]) -> None:
        queues: dict[str, list[_Unit]] = defaultdict(list)
        left: Counter[str] = Counter()
        for unit in sorted(units, key=lambda unit: unit.turn):
            left.update(unit.tags)
            for tag in unit.tags:
                queues[tag].append(unit)
        while queues:
            rarest = min(queues, key=lambda tag: (left[tag], tag))
            for unit in queues.pop(rarest):
                if unit not in self.placed:
                    self._place(unit, self._neediest(rarest, unit))
                    left.subtract(unit.tags)

    def repair(self) -> None:
        """See to it that no tag is in one fold alone, and no fold is empty."""
        for tag in sorted(set().union(*self.tags)):
            if self._lonely(tag):
                self._spread(tag)
        while 0 in self.sizes:
            self._fill(self.sizes.index(0))

    def _place(self, unit: _Unit, fold: int) -> None:
        self.placed[unit] = fold
        self.tags[fold].update(unit.tags)
        self.sizes[fold] += len(unit.ids)

    def _move(self, unit: _Unit, fold: int) -> None:
        home = self.placed[unit]
        self.tags[home].subtract(unit.tags)
        self.sizes[home] -= len(unit.ids)
        self._place(unit, fold)

    def _neediest(self, tag: str, unit: _Unit) -> int:
        count = len(self.sizes)
        shift = int.from_bytes(unit.draw[:8], "big")
        if unit in self.allowed:  # the last first: the highest number tells how many folds were made
            return min(self.allowed[unit], key=lambda fold: (self.tags[fold][tag], self.sizes[fold], -fold))
        return min(
            range(count), key=lambda fold: (self.tags[fold][tag], self.sizes[fold], (fold + shift) % count)
        )

    def _lonely(self, tag: str) -> bool:
        return tag != _UNTAGGED and sum(counts[tag] > 0 for counts in self.tags) == 1

    def _spread(self, tag: str) -> None:
        home = next(fold for fold, counts in enumerate(self.tags) if counts[tag] > 0)
        there = (unit for unit, fold in self.placed.items() if fold == home and tag in unit.tags)
        for unit in sorted(there, key=lambda unit: unit.turn, reverse=True):
            if self._try_elsewhere(unit):
                return
        raise DatasetError(
            f"Expected images of the tag “{tag}” that can be put in two folds, received some that share "
            "their other tags with too few images. Add images of it, or lower `split.folds`."
        )

    def _fill(self, empty: int) -> None:
        largest = self.sizes.index(max(self.sizes))
        there = [unit for unit, fold in self.placed.items() if fold == largest]
        for unit in sorted(there, key=lambda unit: unit.turn, reverse=True):
            self._move(unit, empty)
            if not any(map(self._lonely, unit.tags)):
                return
            self._move(unit, largest)
        raise DatasetError(
            f"Expected images for {len(self.sizes)} folds, received too few to fill them all. "
            "Add images, or lower `split.folds`."
        )

    def _try_elsewhere(self, unit: _Unit) -> bool:
        home = self.placed[unit]
        for fold in sorted(range(len(self.sizes)), key=lambda fold: (self.sizes[fold], fold)):
            self._move(unit, fold)
            if fold != home and not any(map(self._lonely, unit.tags)):
                return True
        self._move(unit, home)
        return False


def _units(records: Sequence[ImageRecord], groups: Sequence[int], seed: int) -> list[_Unit]:
    members: dict[int, list[ImageRecord]] = defaultdict(list)
    for record, group in zip(records, groups, strict=True):
        if record.subset == "train":
            members[group].append(record)
    return sorted((_unit(group, seed) for group in members.values()), key=lambda unit: unit.draw)


def _unit(members: Sequence[ImageRecord], seed: int) -> _Unit:
    ids = tuple(sorted(record.id for record in members))
    lots = (hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in ids)
    tags = Counter(tag for record in members for tag in record.tags or (_UNTAGGED,))
    return _Unit(ids, tags, min(lots))


def _check(units: Sequence[_Unit], folds: int) -> None:
    groups = Counter(tag for unit in units for tag in unit.tags if tag != _UNTAGGED)
    images: Counter[str] = Counter()
    for unit in units:
        images.update(unit.tags)
    for tag, count in sorted(groups.items()):
        if count == 1:
            received = "1" if images[tag] == 1 else f"{images[tag]} that are near-duplicates of each other"
            raise DatasetError(
                f"Expected at least 2 different images of the tag “{tag}” for training, received {received}. "
                "Add photos of it; if those you have do differ, lower `validate.near_duplicate_bits`."
            )
    if len(units) < folds:
        raise DatasetError(
            f"Expected at least {folds} different images for {folds} folds, received {len(units)}. "
            "Add images, or lower `split.folds`."
        )
