"""What the columns of boxes in a table mean beyond their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dahlia.dataset.readers.boxes import finite
from dahlia.dataset.readers.table_columns import Columns, key_of

_OVER = 0.5  # by which a box in fractions may be drawn over the edge
# Whether they are pixels or fractions, and of a corner or the centre, their names do not say.
_LIKE_BOXES = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("cx", "cy", "w", "h"),
    ("cx", "cy", "width", "height"),
    ("xcenter", "ycenter", "width", "height"),
    ("xcentre", "ycentre", "width", "height"),
    ("centerx", "centery", "width", "height"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("x0", "y0", "x1", "y1"),
    ("bbox",),
    ("bboxes",),
    ("boundingbox",),
    ("boundingboxes",),
)


def unread_boxes(header: Sequence[str], columns: Columns) -> str:
    """The columns that look like boxes where none are read, in words; empty where there are none."""
    names = [key_of(name) for name in header]
    if columns.box or columns.corners or not columns.has_header:
        return ""
    found = next((like for like in _LIKE_BOXES if set(like) <= set(names)), ())
    return ", ".join(f"`{header[names.index(name)].strip()}`" for name in found)


def are_fractions(rows: Iterable[tuple[int, Sequence[str]]], corners: Sequence[int], delimiter: str) -> bool:
    """Whether corners are fractions rather than pixels: all near 0 to 1, and not all whole.

    Args:
        rows: of the table, each with its line; a header is passed over.
        corners: the columns.
        delimiter: of the table.
    """
    cells = (row[place] for _, row in rows for place in corners if place < len(row))
    numbers = [number for cell in cells if (number := finite(decimal(cell, delimiter))) is not None]
    return all(-_OVER <= number <= 1 + _OVER for number in numbers) and any(number % 1 for number in numbers)


def decimal(cell: str, delimiter: str) -> str:
    """A number as it is written with a point: where `;` parts the cells, spreadsheets write a comma."""
    return cell.strip().replace(",", ".") if delimiter == ";" else cell.strip()
