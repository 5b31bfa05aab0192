"""What readers of annotations have to tell of many photos: one note for each kind of it."""

from __future__ import annotations

from collections import defaultdict

from dahlia.dataset.readers.reading import Note

# For one, and for several.
_TEXTS = {
    "region-outline": (
        "1 outline, taken as the box around it",
        "{:,} outlines, taken as the boxes around them",
    ),
    "crowd-box": (
        "1 box around a group, which only tags its photo",
        "{:,} boxes around groups, which only tag",
    ),
    "annotation-without-tag": ("1 annotation that names no tag", "{:,} annotations that name no tag"),
    "several-annotators": (
        "1 photo with annotations that differ",
        "{:,} photos with annotations that differ",
    ),
    "unread-annotations": ("1 annotation of another kind", "{:,} annotations of other kinds"),
}


class Tally:
    """Counts what a reader comes across, by the code of its finding."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = defaultdict(int)
        self._files: dict[str, set[str]] = defaultdict(set)
        self._kinds: dict[str, set[str]] = defaultdict(set)

    def add(self, code: str, file: str, kind: str = "") -> None:
        """Count one.

        Args:
            code: a key of `dahlia.dataset.findings.RULES`.
            file: what it is about, relative to the source.
            kind: of what, where the note names the kinds.
        """
        self._counts[code] += 1
        self._files[code].add(file)
        self._kinds[code].add(kind)

    @property
    def notes(self) -> tuple[Note, ...]:
        """A note for each code that was counted."""
        return tuple(
            Note(code, self._text(code, *texts), tuple(sorted(self._files[code])))
            for code, texts in _TEXTS.items()
            if code in self._counts
        )

    def _text(self, code: str, one: str, several: str) -> str:
        count = self._counts[code]
        kinds = ", ".join(sorted(kind for kind in self._kinds[code] if kind))
        return (one if count == 1 else several.format(count)) + (f": {kinds}" if kinds else "")
