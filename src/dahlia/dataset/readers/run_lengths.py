"""Masks in COCO's run lengths: pixels column by column, as lengths of runs outside and inside by turns.

Source: https://github.com/cocodataset/cocoapi, common/maskApi.c, `rleFrString`.
"""

from __future__ import annotations

_MOST_RUNS = 10_000_000
_MOST_BITS = 60  # of a length, which is a number of pixels


def box_of_runs(counts: object, size: object) -> tuple[float, float, float, float] | None:
    """The box around a mask: left, top, width, height in pixels; None for an empty one, or no mask.

    Args:
        counts: a list of lengths, or their compressed text.
        size: height and width of the image, in pixels.
    """
    if not (isinstance(size, list) and len(size) == 2 and type(size[0]) is int and size[0] > 0):
        return None
    lengths = _lengths(counts)
    if lengths is None or any(length < 0 for length in lengths):
        return None
    return _box(lengths, size[0])


def _box(lengths: list[int], height: int) -> tuple[float, float, float, float] | None:
    columns: list[int] = []
    rows: list[int] = []
    start = 0
    for index, length in enumerate(lengths):
        end = start + length
        if index % 2 and length:
            first, last = divmod(start, height), divmod(end - 1, height)
            columns += (first[0], last[0])
            # A run over the end of a column has a pixel at the bottom and one at the top.
            rows += (first[1], last[1]) if first[0] == last[0] else (0, height - 1)
        start = end
    if not columns:
        return None
    left, top = min(columns), min(rows)
    return float(left), float(top), float(max(columns) + 1 - left), float(max(rows) + 1 - top)


def _lengths(counts: object) -> list[int] | None:
    if isinstance(counts, list):
        return counts if all(type(value) is int for value in counts) else None
    if isinstance(counts, str) and counts.isascii():
        return _decompressed(counts)
    return None


def _decompressed(text: str) -> list[int] | None:
    """Five bits a character, the sixth saying that more follow; from the fourth on, differences."""
    lengths: list[int] = []
    value = bits = 0
    for character in text[:_MOST_RUNS]:
        code = ord(character) - 48
        if not 0 <= code < 64 or bits > _MOST_BITS:
            return None
        value |= (code & 31) << bits
        bits += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << bits
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = bits = 0
    return lengths if not bits else None
