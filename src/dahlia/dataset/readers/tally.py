"""What readers of annotations have to tell of many photos: one note for each kind of it."""

from __future__ import annotations

from collections import defaultdict

from dahlia.dataset.readers.reading import Note

_TEXTS = {
    "outline-as-box": "{count:,} outlines, of which the upright box around them is taken",
    "crowd-box": "{count:,} boxes around groups, of which the tags are taken, not the boxes",
    "annotation-without-tag": "{count:,} annotations that name no tag, and are not used",
    "several-annotators": "{count:,} photos that were annotated in different ways; the first one counts",
    "unread-annotations": "{count:,} annotations of kinds that are not read: {kinds}",
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
            Note(code, text.format(count=count, kinds=self._named(code)), tuple(sorted(self._files[code])))
            for code, text in _TEXTS.items()
            if (count := self._counts.get(code, 0))
        )

    def _named(self, code: str) -> str:
        return ", ".join(sorted(kind for kind in self._kinds[code] if kind))
