from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.dataset.readers import table
from dahlia.dataset.records import Annotation
from dahlia.dataset.tag_rules import MAX_TAG_LENGTH
from dahlia.params import PROJECT_NAME
from dahlia.server.workspaces.snapshot import check_tag_name, pipeline_name, spelling

PROJECT_ID = "1A2B3C4D-0000-4000-8000-000000000000"
GOOD = (
    "rose",
    'red, "quoted"; x',
    "it's",
    "a;b\\c",
    "日本 🌸 é",
    "=1+1",
    "#1: ${x}",
    "null",
    "file",
    "..",
    "a/b",
    "/a",
    "a  b",
    "\u200bzero",
    "x" * MAX_TAG_LENGTH,
)


@pytest.mark.parametrize("name", GOOD)
def test_good_names_survive_the_table(tmp_path: Path, name: str) -> None:
    assert check_tag_name(name) is None
    assert spelling(name) == name
    annotation = Annotation(tmp_path / "a.png", (name, "other"))
    table.save([annotation], tmp_path / "annotations.csv")
    assert [read.tags for read in readers.read(tmp_path / "annotations.csv", "csv").annotations] == [
        (name, "other")
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "nothing but spaces"),
        (" \u00a0", "nothing but spaces"),
        (" rose", "Write 'rose'"),
        ("rose\u3000", "Write 'rose'"),
        (unicodedata.normalize("NFD", "é"), "NFC"),
        ("two\nlines", "a control character (U+000A)"),
        ("carriage\rreturn", "a control character (U+000D)"),
        ("tab\there", "a control character (U+0009)"),
        ("nothing\0", "a control character (U+0000)"),
        ("next\x85line", "a control character (U+0085)"),
        ("a\u2028b", "a line separator"),
        ("a\u2029b", "a paragraph separator"),
        ("\ud83d", "half of a surrogate pair"),
        ("x" * (MAX_TAG_LENGTH + 1), f"at most {MAX_TAG_LENGTH}"),
        ("a//b", "slash"),
        ("a/", "slash"),
        ("./a", "slash"),
        (".", "more than a dot"),
    ],
)
def test_names_that_are_refused(name: str, said: str) -> None:
    assert said in (check_tag_name(name) or "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("garden", "garden-1a2b3c4d"),
        ("Grandma's garden", "Grandma-s garden-1a2b3c4d"),
        ('日本 / "x"', "日本-x-1a2b3c4d"),
        ("", "project-1a2b3c4d"),
        ("../../etc", "etc-1a2b3c4d"),
        ("- .", "project-1a2b3c4d"),
        ("null", "null-1a2b3c4d"),
        ("x" * 200, "x" * 55 + "-1a2b3c4d"),
        ("a\nb", "a-b-1a2b3c4d"),
    ],
)
def test_pipeline_name(name: str, expected: str) -> None:
    assert pipeline_name(name, PROJECT_ID) == expected
    assert re.fullmatch(PROJECT_NAME, expected)
