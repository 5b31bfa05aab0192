"""How many tags a classifier needs: the one rule of validation and training."""

from __future__ import annotations

from collections.abc import Collection

LEAST_TAGS = 2
EXPECTED_TAGS = f"at least {LEAST_TAGS} tags with training images, of which one may be the negative tag"


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
