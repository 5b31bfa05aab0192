from __future__ import annotations

import pytest

from dahlia.dataset.findings import EXPECTED_OF_SOURCES, RULES
from dahlia.dataset.readers.reading import Tally


@pytest.mark.parametrize(
    ("code", "one", "two"),
    [
        ("region-outline", "1 outline, taken as", "2 outlines, taken as"),
        ("crowd-box", "1 box around a group", "2 boxes around groups"),
        ("annotation-without-tag", "1 annotation that names no tag", "2 annotations that name no tag"),
        ("several-annotators", "1 photo with annotations", "2 photos with annotations"),
        ("unread-annotations", "1 annotation of another kind: x", "2 annotations of other kinds: x, y"),
    ],
)
def test_each_code_has_its_note_and_its_rule(code: str, one: str, two: str) -> None:
    kinds = ("x", "y") if code == "unread-annotations" else ("", "")
    tally = Tally()
    assert tally.notes == ()
    tally.add(code, "b.png", kinds[0])
    (note,) = tally.notes
    assert note.found.startswith(one)
    tally.add(code, "a.png", kinds[1])
    (note,) = tally.notes
    assert note.found.startswith(two)
    assert (note.code, note.files) == (code, ("a.png", "b.png"))
    assert code in RULES
    assert code in EXPECTED_OF_SOURCES
