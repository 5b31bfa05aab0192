"""A row per rule of detection: photos whose boxes have nothing wrong with them, and what breaks the rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from dahlia.dataset.inspection import merge_copies
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.records import Annotation, Region
from dahlia.dataset.rules import regions
from dahlia.dataset.source_summary import SourceNote, SourceSummary
from dahlia.dataset.validation import Validation, refuse, validate
from dahlia.errors import ValidationError
from validation_photos import encoded, make_params, photo, write

Annotations = list[Annotation]
Change = Callable[[Path], Annotations]
PHOTO = encoded(photo(1000))
SIDE = ("side.jpg",)
BOX = (0.1, 0.1, 0.3, 0.4)
LIMITS = {"advised_boxes_per_tag": 6, "min_region_edge": 0.5}  # the second is of classification


class Case(NamedTuple):
    code: str
    extra: Change
    files: tuple[str, ...] = SIDE
    tags: tuple[str, ...] | None = None
    found: str = ""
    changed: Mapping[str, Any] = MappingProxyType({})
    set_aside: tuple[str, ...] = ()


def box(number: int, tag: str = "ash") -> Region:
    """One of many places and sizes."""
    return Region(tag, 0.05 + 0.04 * (number % 9), 0.5 - 0.04 * (number % 7), 0.2 + 0.03 * (number % 4), 0.3)


def meadow(root: Path, count: int = 6) -> Annotations:
    """Photos with an ash and an elm, each with its box."""
    return [
        at(root, f"tree{n}.jpg", (box(n), box(n + 4, "elm")), data=encoded(photo(n))) for n in range(count)
    ]


def at(
    root: Path, name: str, regions: tuple[Region, ...], *tags: str, data: bytes = PHOTO, **said: Any
) -> Annotation:
    named = tuple(dict.fromkeys([*tags, *(region.tag for region in regions)]))
    return Annotation(write(root / name, data), named, regions, **said)


def side(*numbers: tuple[float, ...], tags: tuple[str, ...] = (), **said: Any) -> Change:
    """One more photo with boxes of “ash”."""
    return lambda root: [at(root, "side.jpg", tuple(Region("ash", *box) for box in numbers), *tags, **said)]


def more(tag: str, *counts: int, subset: Any = "train") -> Change:
    """Photos with so many boxes of a tag."""

    def photos(root: Path) -> Annotations:
        return [
            at(
                root,
                f"{tag}{n}.jpg",
                tuple(box(5 * n + m, tag) for m in range(count)),
                data=encoded(photo(500 + n)),
                subset=subset,
            )
            for n, count in enumerate(counts)
        ]

    return photos


def instead(make: Callable[[Path], Annotations]) -> Change:
    """In place of the meadow."""

    def photos(root: Path) -> Annotations:
        for path in root.glob("tree*.jpg"):
            path.unlink()
        return make(root)

    return photos


def same_box(*numbers: float) -> Change:
    return instead(
        lambda root: [
            at(
                root,
                f"{n}.jpg",
                (Region("ash", *(number + 0.002 * (n % 3) for number in numbers)),),
                data=encoded(photo(n)),
            )
            for n in range(6)
        ]
    )


def mostly_whole(root: Path) -> Annotations:
    whole = Region("ash", 0, 0.02, 1, 0.95)
    return [
        at(root, f"{n}.jpg", (box(n), whole) if n > 2 else (box(n),), data=encoded(photo(n)))
        for n in range(7)
    ]


def without_boxes(root: Path) -> Annotations:
    return [at(root, f"{n}.jpg", (), data=encoded(photo(n))) for n in range(6)]


def grid(count: int) -> list[tuple[float, ...]]:
    return [(0.05 * (n % 18), 0.05 * (n // 18), 0.04, 0.04) for n in range(count)]


NAN = float("nan")
CASES = [
    Case("region-out-of-bounds", side((0.8, 0.1, 0.3, 0.2)), found="0.8, 0.1, 0.3, 0.2", set_aside=SIDE),
    Case("region-out-of-bounds", side((-0.1, 0.1, 0.3, 0.2)), tags=("ash",), set_aside=SIDE),
    Case("region-out-of-bounds", side((NAN, 0.1, 0.3, 0.2)), found="nan", set_aside=SIDE),
    Case("region-out-of-bounds", side((0.1, NAN, 0.3, 0.2)), found="nan", set_aside=SIDE),
    Case("region-out-of-bounds", side((0.8, 0, 1, 1), (-0.2, 0, 1, 1)), found="and 1 more", set_aside=SIDE),
    Case(
        "region-out-of-bounds",
        side((0.1, 0.1, 0.2, 0.2), (4.2, 0.1, 0.3, 0.2), source="instances.json"),
        found="4.2, 0.1, 0.3, 0.2 (box 2 of the photo in instances.json)",
        set_aside=SIDE,
    ),
    Case("region-zero-size", side((0.1, 0.1, 0.0, 0.2)), set_aside=SIDE),
    Case("region-zero-size", side((0.1, 0.1, 0.2, -0.2)), set_aside=SIDE),
    Case("region-zero-size", side((0.1, 0.1, NAN, 0.2)), set_aside=SIDE),
    Case("too-many-boxes", side(*grid(301)), found="301 boxes", set_aside=SIDE),
    Case("more-boxes-than-found", side(*grid(65)), found="65 boxes"),
    Case("tag-without-box", side(tags=("oak",)), tags=("oak",), set_aside=SIDE),
    Case("tag-without-box", side(BOX, tags=("elm",)), found="“elm” without a box", set_aside=SIDE),
    Case(
        "negative-box",
        lambda root: [at(root, "side.jpg", (Region("Nothing", *BOX),))],
        tags=("Nothing",),
        found="1 box",
        set_aside=SIDE,
    ),
    Case("negative-as-background", side(tags=("Nothing",)), found="“Nothing” on 1 photo"),
    Case("negative-and-regular", side(BOX, tags=("Nothing",)), set_aside=SIDE),
    Case("small-box", side((0.1, 0.1, 0.019, 0.5)), tags=("ash",), found="“ash” has 7.9 x 208.0"),
    Case("small-box", side((0.1, 0.1, 0.012, 0.5), (0.3, 0.3, 0.01, 0.01)), found="4.2 x 4.2 and 1 more"),
    Case("covered-box", side(BOX, (0.1, 0.1, 0.305, 0.4)), tags=("ash",), found="overlap of 98%"),
    Case("covered-box", side(BOX, (0.1, 0.1, 0.301, 0.4), (0.1, 0.1, 0.3, 0.41)), found="and 2 more"),
    Case("no-boxes", instead(without_boxes), (), found="none in 6 photos"),
    Case(
        "no-photos-left",
        instead(lambda root: [at(root, "side.jpg", (Region("ash", 0.5, 0.5, 0.9, 0.1),))]),
        (),
        found="put aside",
    ),
    Case("no-boxes", instead(lambda root: []), (), found="no photos for training"),
    Case("too-few-photos", instead(side(*grid(20))), (), found="1 photo for training, 4 missing"),
    Case("too-few-images", more("oak", 9), (), ("oak",), "1 photo for training, 1 missing"),
    Case("too-few-boxes", more("oak", 2, 2), (), ("oak",), "“oak” has 4 boxes for training, 1 missing"),
    Case("few-boxes", more("oak", 3, 2), (), ("oak",), "“oak” has 5 boxes for training, 1 missing"),
    Case("few-images", more("oak", 4, 2), (), ("oak",), "“oak” has 2 photos for training, 4 missing"),
    Case("uneven-boxes", more("ash", 5, 5, 5), (), ("ash", "elm"), "“ash” has 21 boxes, “elm” 6: 3.5 times"),
    Case(
        "photo-wide-boxes",
        instead(mostly_whole),
        ("3.jpg", "4.jpg", "5.jpg", "6.jpg"),
        found="4 of 7 photos",
    ),
    Case("boxes-alike", same_box(0.3, 0.3, 0.4, 0.4), (), found="all 6 near"),
    Case(
        "train-and-test",
        lambda root: [at(root, "side.jpg", (box(1),)), at(root, "also.jpg", (box(1),), subset="test")],
        ("also.jpg", "side.jpg"),
        set_aside=SIDE,
    ),
    Case(
        "unknown-test-tag",
        more("oak", 3, subset="test"),
        ("oak0.jpg",),
        ("oak",),
        "on 1 test images and on no training",
        set_aside=("oak0.jpg",),
    ),
]
CODES_OF_BOXES = {case.code for case in CASES} | {"unlabelled-photo"}


def validated(
    root: Path, annotations: Annotations, source: SourceSummary | None = None, **changed: Any
) -> Validation:
    params = make_params(**{"domain": "detection_general_compact", **LIMITS, **changed})
    there = [item for item in annotations if item.path.exists()]
    rows = list(inspect_all(there, root, max_bytes=params.validate_.max_bytes, workers=1))
    return validate(rows, merge_copies(rows), params, source)


def codes(validation: Validation) -> set[str]:
    return {finding.code for finding in validation.findings}


def summary(*unlabelled: str, notes: tuple[SourceNote, ...] = ()) -> SourceSummary:
    return SourceSummary(format="coco", recognised="", accounted="", notes=notes, unlabelled=unlabelled)


def test_sound_boxes_have_no_findings(tmp_path: Path) -> None:
    validation = validated(tmp_path, [*meadow(tmp_path), at(tmp_path, "side.jpg", ())])
    assert validation.findings == ()
    assert validation.tags == {"ash": (6, 0), "elm": (6, 0)}
    assert validation.images == 7
    refuse(validation, "validation.html")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_rule_of_boxes(tmp_path: Path, case: Case) -> None:
    validation = validated(tmp_path, meadow(tmp_path) + case.extra(tmp_path), **case.changed)
    (finding,) = [finding for finding in validation.findings if finding.code == case.code]
    assert tuple(sorted(finding.files)) == case.files
    assert case.tags is None or finding.tags == case.tags
    assert case.found in finding.found
    assert finding.set_aside == case.set_aside
    if finding.severity == "error":
        with pytest.raises(ValidationError, match=case.code):
            refuse(validation, "reports/validation.html")
    else:
        assert {row.path for row in validation.excluded} == set(case.set_aside)


@pytest.mark.parametrize(
    ("absent", "extra"),
    [
        ("too-many-boxes", side(*grid(300))),
        ("more-boxes-than-found", side(*grid(64))),
        ("untagged", side()),
        ("region-unused", side((0.1, 0.1, 0.0, 0.2))),
        ("small-box", side((0.1, 0.1, 0.02, 0.02))),
        ("covered-box", side(BOX, (0.1, 0.1, 0.34, 0.4))),
        ("covered-box", side(BOX, BOX)),  # the same box twice counts once
        ("covered-box", lambda root: [at(root, "side.jpg", (Region("ash", *BOX), Region("elm", *BOX)))]),
        ("too-few-tags", instead(more("ash", *[1] * 6))),
        ("imbalance", more("ash", *[1] * 20)),
        ("too-few-images", more("oak", 3, 3)),
        ("few-images", more("oak", 3, 2)),
        ("photo-wide-boxes", side((0, 0, 1, 1))),
        ("boxes-alike", same_box(0, 0, 1, 1)),
        ("boxes-alike", instead(lambda root: [at(root, "one.jpg", (Region("ash", *BOX),) * 6)])),
        ("region-out-of-bounds", side((0.5, 0.000001, 0.5000004, 1))),
        ("tag-without-box", side(tags=("Nothing",))),
        ("similar-tag-names", side(tags=("Nothing",))),
    ],
)
def test_what_is_no_finding_about_boxes(tmp_path: Path, absent: str, extra: Change) -> None:
    assert absent not in codes(validated(tmp_path, meadow(tmp_path) + extra(tmp_path)))


def test_a_tag_that_has_no_box_anywhere_is_not_learned(tmp_path: Path) -> None:
    annotations = [*meadow(tmp_path), *side(tags=("oak",))(tmp_path)]
    validation = validated(tmp_path, annotations)
    refuse(validation, "validation.html")
    assert sorted(validation.tags) == ["ash", "elm"]
    assert validation.images == 6


def test_a_photo_that_nobody_has_annotated_is_no_background(tmp_path: Path) -> None:
    annotations = [*meadow(tmp_path), *side()(tmp_path)]
    validation = validated(tmp_path, annotations, summary("side.jpg"))
    (finding,) = validation.findings
    assert (finding.code, finding.severity, finding.set_aside) == ("unlabelled-photo", "warning", SIDE)
    assert [row.path for row in validation.excluded] == ["side.jpg"]
    assert validation.images == 6
    refuse(validation, "validation.html")


def test_a_copy_that_somebody_has_annotated_counts(tmp_path: Path) -> None:
    annotations = [*meadow(tmp_path), *side()(tmp_path), at(tmp_path, "also.jpg", (Region("ash", *BOX),))]
    validation = validated(tmp_path, annotations, summary("side.jpg"))
    assert "unlabelled-photo" not in codes(validation)
    assert validation.images == 7


def test_where_tags_are_learned_nobody_has_to_annotate(tmp_path: Path) -> None:
    annotations = [*meadow(tmp_path), *side()(tmp_path)]
    validation = validated(tmp_path, annotations, summary("side.jpg"), domain="general_compact")
    assert "untagged" in codes(validation)
    assert not validation.excluded


def test_a_box_without_a_tag_spoils_its_photo(tmp_path: Path) -> None:
    note = SourceNote(code="annotation-without-tag", found="1 annotation", files=SIDE)
    annotations = [*meadow(tmp_path), *side(BOX)(tmp_path)]
    validation = validated(tmp_path, annotations, summary(notes=(note,)))
    assert [(row.path, row.code) for row in validation.excluded] == [("side.jpg", "annotation-without-tag")]
    assert validated(tmp_path, annotations, summary(notes=(note,)), domain="general_compact").excluded == ()


def test_skipping_leaves_out_flawed_photos_and_unsure_ones(tmp_path: Path) -> None:
    extra = [
        at(tmp_path, "flawed.jpg", (Region("ash", 0.8, 0, 0.5, 1),), data=encoded(photo(70))),
        at(tmp_path, "unsure.jpg", (), "elm", data=encoded(photo(71))),
    ]
    validation = validated(tmp_path, meadow(tmp_path) + extra, on_error="skip")
    refuse(validation, "validation.html")
    assert [row.path for row in validation.excluded] == ["flawed.jpg", "unsure.jpg"]
    stopping = validated(tmp_path, meadow(tmp_path) + extra)
    assert [row.path for row in stopping.excluded] == ["unsure.jpg"]
    assert stopping.images == 6


@pytest.mark.parametrize("block", [1, 2, 3, 256])
def test_boxes_are_compared_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(regions, "BLOCK", block)
    boxes = (BOX, (0.6, 0.1, 0.2, 0.2), (0.1, 0.1, 0.305, 0.4), (0.1, 0.1, 0.302, 0.4))
    crowded = side(*boxes)(tmp_path)
    (found,) = [
        one for one in validated(tmp_path, meadow(tmp_path) + crowded).findings if one.code == "covered-box"
    ]
    assert found.found == "two boxes “ash” with an overlap of 99% and 2 more"
    assert found.tags == ("ash",)


def test_boxes_of_a_photo_with_too_many_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    overlaps = regions.overlaps
    monkeypatch.setattr(regions, "overlaps", lambda a, b: compared.append(len(b)) or overlaps(a, b))
    validated(tmp_path, meadow(tmp_path) + side(*grid(301))(tmp_path))
    assert max(compared) == 2
