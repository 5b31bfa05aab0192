"""What a fold takes or leaves as a whole: near-duplicates, and the groups that users name.

A classifier is judged twice, on photos like these and on photos of new scenes, so its folds ignore names. A
detector is judged once: where scenes are named, on photos of other scenes than it has learned from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

from dahlia.dataset.records import ImageRecord


def whole_groups(
    records: Sequence[ImageRecord], alike: Sequence[int], folds: int
) -> tuple[list[int], tuple[str, ...]]:
    """Join images that are near-duplicates or in one named group, so far as folds can be made of that.

    Every tag must be in two groups at least, and there must be as many as folds. Where names leave less,
    those in the way are ignored: the groups that hold all images of a tag, then the largest.

    Args:
        records: N images.
        alike: N numbers; near-duplicates have the same.
        folds: how many there will be at least.

    Returns:
        N group numbers, and the names that were ignored, sorted.
    """
    sizes: dict[str, int] = defaultdict(int)
    for record in records:
        if record.subset == "train" and record.group:
            sizes[record.group] += 1
    ignored: set[str] = set()
    while True:
        labels = _joined(records, alike, sizes.keys() - ignored)
        training = {label for label, record in zip(labels, records, strict=True) if record.subset == "train"}
        lonely = _of_lonely_tags(records, labels) - ignored
        if not lonely and len(training) < folds:
            lonely = set(sorted(sizes.keys() - ignored, key=lambda name: (-sizes[name], name))[:1])
        if not lonely:
            return labels, tuple(sorted(ignored))
        ignored |= lonely


def _joined(records: Sequence[ImageRecord], alike: Sequence[int], names: Set[str]) -> list[int]:
    parents: dict[object, object] = {}

    def top(key: object) -> object:
        while (above := parents.setdefault(key, key)) != key:
            parents[key] = key = parents[above]
        return key

    for record, label in zip(records, alike, strict=True):
        if record.group in names:
            parents[top(record.group)] = top(label)
    tops = [top(label) for label in alike]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(tops))}
    return [numbers[key] for key in tops]


def _of_lonely_tags(records: Iterable[ImageRecord], labels: Sequence[int]) -> set[str]:
    """The names of groups that hold all images of a tag."""
    of_tags: dict[str, set[int]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    for record, label in zip(records, labels, strict=True):
        if record.subset == "train":
            for tag in record.tags:
                of_tags[tag].add(label)
                names[tag].update(filter(None, (record.group,)))
    return {name for tag, parts in of_tags.items() if len(parts) == 1 for name in names[tag]}
