"""What tags mean, by kind: whether they exclude each other, which are learned, how many are needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dahlia.kinds import Kind


@dataclass(frozen=True)
class TagRules:
    """What holds of the tags in projects of a kind.

    Attributes:
        exclusive: one tag of an image is right. So an image without one teaches nothing, and the negative
            tag is a tag like any other; elsewhere an image under the negative tag is one with no tag.
        least: tags that training needs.
    """

    exclusive: bool
    least: int

    def learned(self, tags: Iterable[str], negative_tag: str | None) -> tuple[str, ...]:
        """The tags of an image that a model learns."""
        return tuple(tag for tag in tags if self.exclusive or tag != negative_tag)


TAG_RULES: dict[Kind, TagRules] = {
    "multiclass": TagRules(exclusive=True, least=2),
    "multilabel": TagRules(exclusive=False, least=1),
}
