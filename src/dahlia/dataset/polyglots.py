"""Files that are a photo and something else as well.

Cameras put films, second photos and notes of their own behind a photo, so bytes after its end are no sign of
anything. An archive or a web page there is no camera's: who keeps or passes on such a file passes it on too.
"""

from __future__ import annotations

import re

from dahlia.errors import ImageError

# How pixels begin, and how the file ends.
_MARKS = {
    b"\xff\xd8": (b"\xff\xda", b"\xff\xd9"),
    b"\x89P": (b"IDAT", b"IEND\xaeB`\x82"),
    b"GI": (b",", b"\0;"),
}
_MARKUP = re.compile(rb"<(?:!doctype|html|head|body|script|svg|\?php)\b", re.IGNORECASE)
_LONG_MARKUP = re.compile(rb"<(?:!doctype|html|head|body|script|\?php)\b", re.IGNORECASE)  # not among pixels
_NEAR = 1024  # bytes after the end in which markup begins
# A ZIP archive, which Office's and Java's files are too, is found by its last record (APPNOTE.TXT, 4.3.16).
_ZIP_END = b"PK\x05\x06\0\0\0\0"
_ZIP_END_WITHIN = 22 + 65535


def refuse_polyglot(data: bytes) -> None:
    """Let photos pass that are nothing else.

    Raises:
        ImageError: the file is an archive as well, or has markup after its end.
    """
    other = _other(data)
    if other:
        raise ImageError(
            expected="an image and nothing else",
            received=f"one with {other} behind it",
            next="Save it again with an image editor.",
            code="unreadable",
        )


def _other(data: bytes) -> str:
    if data.rfind(_ZIP_END, max(0, len(data) - _ZIP_END_WITHIN)) >= 0:
        return "a ZIP archive"
    if data[:2] not in _MARKS or data.endswith(_MARKS[data[:2]][1]):
        return ""
    begin, mark = _MARKS[data[:2]]
    end = data.rfind(mark)
    found = _MARKUP.search(data, end, end + _NEAR) if end >= 0 else None
    if end < data.rfind(begin):  # cut off, or something else is in the place of its end
        found = found or _LONG_MARKUP.search(data, max(data.find(begin), 0))
    return "a web page" if found else ""
