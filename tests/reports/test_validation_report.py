from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from report_pages import Page

from dahlia.dataset.exclusion import Excluded
from dahlia.dataset.findings import RULES, Finding, ranked
from dahlia.dataset.groups import NamedGroups
from dahlia.dataset.records import ImageRecord, Region
from dahlia.dataset.validation import Validation
from dahlia.reports.validation import EDGE, PICTURES, render, summary, write_reports
from validation_photos import encoded, photo, write

LIMIT = 100_000


def outcome(*findings: Finding, **changed: object) -> Validation:
    values: dict[str, object] = {
        "findings": findings,
        "files": 12,
        "images": 10,
        "tags": {"ash": (6, 2), "elm": (4, 0)},
        "excluded": (),
        "stops": tuple(finding for finding in findings if finding.severity == "error"),
    }
    return Validation(**{**values, **changed})  # type: ignore[arg-type]


def page(root: Path, *findings: Finding, **changed: object) -> str:
    return render(outcome(*findings, **changed), "Garden", root, LIMIT)


def pictures(html: str) -> list[bytes]:
    return [base64.b64decode(data) for data in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)]


def test_json_holds_every_finding_and_is_deterministic(tmp_path: Path) -> None:
    finding = Finding("truncated", "a whole image file", "half of one", ("é.jpg",), set_aside=("é.jpg",))
    few = Finding("few-images", "at least 50 images", "“elm” has 4", tags=("elm",))
    validation = outcome(finding, few)
    written = []
    for name in ("one", "two"):
        write_reports(tmp_path / name, validation, project="Garden", root=tmp_path, max_bytes=LIMIT)
        written.append((tmp_path / name / "validation.json").read_text(encoding="utf-8"))
    assert written[0] == written[1]
    report = json.loads(written[0])
    assert report == summary(validation)
    assert report["counts"] == {"error": 1, "warning": 0, "advice": 1}
    assert report["findings"][0] == {
        "code": "truncated",
        "severity": "error",
        "files": ["é.jpg"],
        "tags": [],
        "expected": "a whole image file",
        "found": "half of one",
        "mend": RULES["truncated"].remedy,
    }


def test_groups_are_counted_where_there_are_some(tmp_path: Path) -> None:
    groups = NamedGroups(groups=3, named=9, unnamed=1, tags={"ash": 2, "elm": 1})
    words = Page(render(outcome(groups=groups), "Garden", tmp_path, LIMIT)).words
    assert "9 training images are in 3 groups that you named" in words
    assert "TrainingTestGroups ash 622 elm 401" in words
    assert summary(outcome(groups=groups))["groups"]["tags"] == {"ash": 2, "elm": 1}
    assert "Groups" not in Page(page(tmp_path)).words
    assert summary(outcome())["groups"] is None


def test_names_are_text_and_not_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    finding = Finding("blurred", evil, evil, (f"{evil}.jpg",), (evil,))
    html = render(outcome(finding, tags={evil: (1, 1)}), evil, tmp_path, LIMIT)
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 7


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", encoded(photo(1)))
    html = page(tmp_path, Finding("blurred", "a sharp image", "a soft one", ("a.jpg",)))
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert [source.split(",")[0] for source in sources] == ["data:image/jpeg;base64"]
    assert "url(" not in html
    assert "@import" not in html


def test_pictures_are_small_and_few(tmp_path: Path) -> None:
    names = [write(tmp_path / f"{n:02}.jpg", encoded(photo(n))).name for n in range(PICTURES + 6)]
    html = page(tmp_path, *(Finding("blurred", "a sharp image", "a soft one", (name,)) for name in names))
    shown = pictures(html)
    assert len(shown) == PICTURES
    assert max(Image.open(io.BytesIO(shown[0])).size) == EDGE
    assert "and 6 more in validation.json" in html


def test_of_a_large_group_only_some_files_are_shown(tmp_path: Path) -> None:
    names = tuple(write(tmp_path / f"{n:02}.jpg", encoded(photo(n))).name for n in range(40))
    html = page(tmp_path, Finding("near-duplicate", "images that differ", "40 images that look alike", names))
    assert len(pictures(html)) == PICTURES
    assert "16 more files" in html


@pytest.mark.parametrize(
    "data", [None, b"", b"no image", encoded(photo(1))[:900], encoded(photo(1)) + b"\0" * LIMIT]
)
def test_a_file_that_cannot_be_shown_has_a_placeholder(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        write(tmp_path / "a.jpg", data)
    html = page(tmp_path, Finding("unreadable", "a whole image file", "damage", ("a.jpg",)))
    assert "no preview" in html
    assert pictures(html) == []


@pytest.mark.parametrize(
    ("validation", "verdict"),
    [
        (outcome(), "Nothing is wrong"),
        (outcome(Finding("dark", "light", "dark", ("a.jpg",))), "1 warning to look at"),
        (
            outcome(Finding("truncated", "all", "half", ("a.jpg",))),
            "Training cannot start yet. 1 error",
        ),
        (
            outcome(
                Finding("truncated", "all", "half"), stops=(), excluded=(Excluded("a", None, "truncated"),)
            ),
            "Ready to train. 1 file is set aside.",
        ),
        (outcome(files=0, images=0, tags={}), "Images to use 0 "),
    ],
)
def test_verdict(tmp_path: Path, validation: Validation, verdict: str) -> None:
    assert verdict in Page(render(validation, "Garden", tmp_path, LIMIT)).words


def test_photos_and_boxes_are_counted_apart(tmp_path: Path) -> None:
    counted = outcome(boxes={"ash": (17, 3), "elm": (5, 0)}, background=2)
    words = Page(render(counted, "Garden", tmp_path, LIMIT)).words
    assert "Training photosTraining boxesTest photosTest boxes ash 61723 elm 4500" in words
    assert "Photos to use 10" in words
    assert "2 photos show no object" in words


def test_a_finding_of_many_files_follows_the_others() -> None:
    bulk = [Finding("near-duplicate", "different photos", "alike", (f"{n}.jpg",)) for n in range(30)]
    later = next(
        code
        for code, rule in reversed(RULES.items())
        if rule.severity == RULES["near-duplicate"].severity and code != "near-duplicate"
    )
    order = [each.code for each in ranked([*bulk, Finding(later, "expected", "found")])]
    assert order == [later, *["near-duplicate"] * 30]


def test_photos_show_their_boxes(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", encoded(photo(1)))
    write(tmp_path / "b.jpg", encoded(photo(2)))
    regions = (Region("elm", 0.25, 0.25, 0.5, 0.5), Region("<oak>", 0.0, 0.0, 0.5, 0.25))
    records = [
        ImageRecord("0" * 64, "a.jpg", 64, 64, ("<oak>", "elm"), regions, "train", "csv", "0" * 16),
        ImageRecord("1" * 64, "b.jpg", 64, 64, (), (), "train", "csv", "0" * 16),
    ]
    findings = [Finding("covered-box", "boxes", "two", (name,)) for name in ("a.jpg", "b.jpg")]
    html = render(outcome(*findings), "Garden", tmp_path, LIMIT, records)
    page = Page(html)
    paths = [attributes.get("d") for tag, attributes in page.attributes if tag == "path"]
    assert "M100.0 100.0H300.0V300.0H100.0Z" in paths
    assert "<oak>" in page.words
    assert page.seen.count("image") == 1
    assert page.seen.count("img") == 1
    assert "image" not in Page(render(outcome(*findings), "Garden", tmp_path, LIMIT)).seen
