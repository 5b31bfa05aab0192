"""What the rules look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dahlia.dataset.inspection import Inspection
from dahlia.dataset.records import ImageRecord, Subset
from dahlia.dataset.tag_rules import TAG_RULES, TagRules
from dahlia.params import Params


@dataclass(frozen=True)
class Survey:
    """A dataset under validation.

    Attributes:
        rows: every file that a source names.
        records: the manifest's rows; for rules about tags only those that can be used.
        params: the parameters.
        unlabelled: the files that the source holds and nobody has annotated, as in `rows`.
        misplaced: those whose boxes are all elsewhere than they are said to be, as in `rows`.
    """

    rows: Sequence[Inspection]
    records: Sequence[ImageRecord]
    params: Params
    unlabelled: frozenset[str] = frozenset()
    misplaced: frozenset[str] = frozenset()

    @property
    def whole(self) -> list[Inspection]:
        """The rows of images that could be decoded."""
        return [row for row in self.rows if row.problem is None]

    @property
    def tag_rules(self) -> TagRules:
        """What tags mean in this project."""
        return TAG_RULES[self.params.kind]

    @property
    def several_tags(self) -> bool:
        """Whether an image with several tags can be used."""
        return not self.tag_rules.exclusive or self.params.validate_.several_tags == "warning"

    def counts(self, subset: Subset, *, negative: bool = False) -> Counter[str]:
        """Images per tag.

        Args:
            subset: of which images.
            negative: whether the negative tag counts in multilabel too, where it says that no tag applies.
        """
        ignored = None if negative else self.params.project.negative_tag
        return Counter(
            tag
            for record in self.records
            if record.subset == subset
            for tag in self.tag_rules.learned(record.tags, ignored)
        )

    def boxes(self, subset: Subset) -> Counter[str]:
        """Boxes per tag, the negative one left out, in the images of a subset."""
        return Counter(
            region.tag
            for record in self.records
            if record.subset == subset
            for region in record.regions
            if region.tag != self.params.project.negative_tag
        )
