"""What all formats of the family say of their image and of how it is read."""

from __future__ import annotations

from dahlia.export.conventions import OUTPUTS
from dahlia.modeling.card import ModelCard


def photo_lines(card: ModelCard) -> tuple[str, ...]:
    """Python that reads `labels.txt` into `tags` and `photo.jpg` into `photo`, (size, size, 3)."""
    size = card.input.size
    lines = (
        'tags = open("labels.txt", encoding="utf-8").read().split("\\n")',
        'photo = cv2.imread("photo.jpg")',
        f"photo = cv2.resize(photo, ({size}, {size}), interpolation=cv2.INTER_AREA)",
    )
    return lines if card.channels == "BGR" else (*lines, "photo = photo[..., ::-1]")


def image_notes(card: ModelCard) -> tuple[str, ...]:
    """The facts on input and output, one a line."""
    size, order = card.input.size, " ".join(card.channels)
    return (
        f"Input: float32 (N, {size}, {size}, 3), 0 to 255, colours as {order}; scaling is inside.",
        f"Output: float32 (N, {len(card.tags)}), {OUTPUTS[card.kind].meaning}, in the order of `labels.txt`.",
    )
