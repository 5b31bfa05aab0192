"""What tags mean, by kind: whether they exclude each other, which are learned; and how many are needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dahlia.kinds import Kind

LEAST_TAGS = 2
EXPECTED_TAGS = f"at least {LEAST_TAGS} tags with training images, of which one may be the negative tag"


@dataclass(frozen=True)
class TagRules:
    """What holds of the tags in projects of a kind.

    Attributes:
        exclusive: one tag of an image is right. So an image without one teaches nothing, and the negative
            tag is a tag like any other; elsewhere an image under the negative tag is one with no tag.
        boxed: regions are what is learned; elsewhere they only carry tags.
    """

    exclusive: bool
    boxed: bool = False

    def learned(self, tags: Iterable[str], negative_tag: str | None) -> tuple[str, ...]:
        """The tags of an image that a model learns."""
        return tuple(tag for tag in tags if self.exclusive or tag != negative_tag)


TAG_RULES: dict[Kind, TagRules] = {
    "multiclass": TagRules(exclusive=True),
    "multilabel": TagRules(exclusive=False),
}


def too_few_tags(tags: Collection[str]) -> str | None:
    """What was received instead of `EXPECTED_TAGS`; None where the tags suffice.

    A classifier tells tags apart, in a multilabel project too: where all images have the one tag, nothing
    shows how an image without it looks. Images under the negative tag do.

    Args:
        tags: the tags of the training images, the negative one among them.
    """
    if len(tags) >= LEAST_TAGS:
        return None
    named = ", ".join(f"“{tag}”" for tag in sorted(tags))
    return f"{len(tags)}: {named}" if tags else "none"
