"""A row per rule: a dataset that has nothing wrong with it, and the one thing that breaks the rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageFilter
from test_validation_of_boxes import CODES_OF_BOXES

from dahlia.dataset.exclusion import Excluded, load_excluded, save_excluded, without
from dahlia.dataset.findings import EXPECTED_OF_SOURCES, RULES, Finding
from dahlia.dataset.inspection import merge_copies
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.records import Annotation, Region
from dahlia.dataset.source_summary import SourceNote, SourceSummary
from dahlia.dataset.validation import Validation, refuse, validate
from dahlia.errors import ValidationError
from validation_photos import encoded, make_params, photo, write

Annotations = list[Annotation]
MULTILABEL = {"classification": "multilabel"}
SIDE = ("side.jpg",)
PHOTO = encoded(photo(1000))


class Case(NamedTuple):
    code: str
    extra: Callable[[Path], Annotations]
    files: tuple[str, ...] = SIDE
    tags: tuple[str, ...] | None = None
    found: str = ""
    changed: Mapping[str, Any] = MappingProxyType({})
    set_aside: tuple[str, ...] = ()


def garden(root: Path) -> Annotations:
    """Six ashes and six elms, as sound as photos can be."""
    return [
        Annotation(write(root / f"{tag}{n}.jpg", encoded(photo(place * 100 + n))), (tag,))
        for place, tag in enumerate(("ash", "elm"))
        for n in range(6)
    ]


def file(data: bytes, *tags: str, name: str = "side.jpg", **said: Any) -> Callable[[Path], Annotations]:
    return lambda root: [Annotation(write(root / name, data), tags or ("ash",), **said)]


def files(*parts: Callable[[Path], Annotations]) -> Callable[[Path], Annotations]:
    return lambda root: [annotation for part in parts for annotation in part(root)]


def more(tag: str, count: int) -> Callable[[Path], Annotations]:
    return files(*(file(encoded(photo(500 + n)), tag, name=f"{tag}_{n}.jpg") for n in range(count)))


def region(*numbers: float) -> Callable[[Path], Annotations]:
    return file(PHOTO, regions=(Region("ash", *numbers),))


def recoloured(function: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> bytes:
    return encoded(
        Image.fromarray(np.clip(function(np.asarray(photo(1000), float)), 0, 255).astype(np.uint8))
    )


def gone(root: Path) -> Annotations:
    return [Annotation(root / "side.jpg", ("ash",), source="labels.csv:4")]


def only_ashes(root: Path) -> Annotations:
    for path in root.glob("elm*"):
        path.unlink()
    return []


def ashes_and_negatives(count: int) -> Callable[[Path], Annotations]:
    return lambda root: only_ashes(root) + more("Nothing", count)(root)


def grouped(*groups: str | None) -> Callable[[Path], Annotations]:
    """In place of the garden: six photos of each tag, and their groups."""

    def planted(root: Path) -> Annotations:
        for path in root.glob("*.jpg"):
            path.unlink()
        return [
            Annotation(write(root / f"{tag}_{n}.jpg", encoded(photo(place * 100 + n))), (tag,), group=group)
            for place, tag in enumerate(("ash", "elm"))
            for n, group in enumerate(groups[place * 6 : place * 6 + 6] if len(groups) > 6 else groups)
        ]

    return planted


CASES = [
    Case("missing-file", gone, found="labels.csv:4", set_aside=SIDE),
    Case("zero-byte", file(b""), found="an empty file", set_aside=SIDE),
    Case("not-an-image", file(b"GARDEN PLAN " * 9), found="108 bytes", set_aside=SIDE),
    Case("unsupported-format", file(encoded(photo(1000), "PPM")), found="Netpbm", set_aside=SIDE),
    Case("truncated", file(PHOTO[: len(PHOTO) // 2]), set_aside=SIDE),
    Case("unreadable", file(PHOTO[:700] + b"\xff\xc4\0\4\0\0" + PHOTO[700:]), set_aside=SIDE),
    Case("decompression-bomb", file(encoded(Image.new("1", (20000, 20000)), "PNG")), set_aside=SIDE),
    Case("too-many-bytes", file(PHOTO + b"\0" * 300_000), found="bytes", set_aside=SIDE),
    Case("edge-too-long", file(encoded(photo(1000, 1001, 500))), found="1001 x 500", set_aside=SIDE),
    Case("aspect-ratio", file(encoded(photo(1000, 810, 200))), found="4.0:1 (810 x 200", set_aside=SIDE),
    Case("cut-off-end", file(PHOTO[:-2]), found=f"{len(PHOTO) - 2:,} bytes of a JPEG"),
    Case("edge-too-short", file(encoded(photo(1000, 160, 127))), found="160 x 127 pixels"),
    Case("wrong-extension", file(PHOTO, name="side.png"), ("side.png",), found=".png"),
    Case("image-with-two-tags", file(PHOTO, "ash", "elm"), tags=("ash", "elm"), set_aside=SIDE),
    Case(
        "tags-shared",
        file(PHOTO, "ash", "elm"),
        tags=("ash", "elm"),
        changed={"several_tags": "warning"},
    ),
    Case("negative-and-regular", file(PHOTO, "elm", "Nothing"), found="“Nothing”", set_aside=SIDE),
    Case(
        "negative-and-regular",
        files(file(PHOTO, "elm"), file(PHOTO, "Nothing", name="tree.jpg")),
        ("side.jpg", "tree.jpg"),
        changed={"several_tags": "warning"},
        set_aside=("side.jpg", "tree.jpg"),
    ),
    Case(
        "negative-and-regular",
        files(file(PHOTO, "elm"), file(PHOTO, "Nothing", name="tree.jpg")),
        ("side.jpg", "tree.jpg"),
        changed=MULTILABEL,
        set_aside=("side.jpg", "tree.jpg"),
    ),
    Case(
        "same-bytes-two-tags",
        files(file(PHOTO, "ash"), file(PHOTO, "elm", name="tree.jpg")),
        ("side.jpg", "tree.jpg"),
        ("ash", "elm"),
        set_aside=("side.jpg", "tree.jpg"),
    ),
    Case(
        "tags-merged",
        files(file(PHOTO, "ash"), file(PHOTO, "elm", name="tree.jpg")),
        ("side.jpg", "tree.jpg"),
        ("ash", "elm"),
        changed=MULTILABEL,
    ),
    Case(
        "tags-merged",
        files(file(PHOTO, "ash"), file(PHOTO, "elm", name="tree.jpg")),
        ("side.jpg", "tree.jpg"),
        ("ash", "elm"),
        changed={"several_tags": "warning"},
    ),
    Case("same-bytes", files(file(PHOTO), file(PHOTO, name="tree.jpg")), ("side.jpg", "tree.jpg")),
    Case(
        "train-and-test",
        files(file(PHOTO), file(PHOTO, name="tree.jpg", subset="test")),
        ("side.jpg", "tree.jpg"),
        set_aside=SIDE,
    ),
    Case(
        "near-duplicate",
        files(file(PHOTO), file(encoded(photo(1000), quality=60), name="tree.jpg")),
        ("side.jpg", "tree.jpg"),
    ),
    Case(
        "near-duplicate-tags",
        files(file(PHOTO), file(encoded(photo(1000), quality=60), "elm", name="tree.jpg")),
        ("side.jpg", "tree.jpg"),
        found="“ash” and “elm”",
    ),
    Case(
        "near-duplicate-test",
        files(file(PHOTO), file(encoded(photo(1000), quality=60), name="tree.jpg", subset="test")),
        ("side.jpg", "tree.jpg"),
    ),
    Case("region-unused", region(0.8, 0.1, 0.3, 0.2), found="0.8, 0.1, 0.3, 0.2"),
    Case("region-unused", region(0.1, 0.1, 0.0, 0.2), tags=("ash",)),
    Case("region-unused", region(0.1, 0.1, 0.009, 0.2)),
    Case(
        "region-unused",
        file(PHOTO, regions=(Region("ash", 0.8, 0, 0.3, 1), Region("ash", 0, 0, 0, 1))),
        found="and 1 more",
    ),
    Case(
        "blurred",
        file(encoded(photo(1000).point(lambda value: value * 0.6).filter(ImageFilter.GaussianBlur(3)))),
    ),
    Case("dark", file(recoloured(lambda pixels: pixels * 0.1))),
    Case("bright", file(recoloured(lambda pixels: 250 + pixels * 0.02))),
    Case("odd-size", file(encoded(photo(1000, 900, 900))), found="900 x 900"),
    Case("untagged", lambda root: [Annotation(write(root / "side.jpg", PHOTO))]),
    Case("unknown-test-tag", file(PHOTO, "oak", subset="test"), tags=("oak",), set_aside=SIDE),
    Case("similar-tag-names", more("Ash", 6), (), ("Ash", "ash")),
    Case("similar-tag-names", more("ash ", 6), (), ("ash", "ash ")),
    Case("similar-tag-names", more("a\u200bsh", 6), (), ("ash", "a\u200bsh")),
    Case("similar-tag-names", more("\u202eash", 6), (), ("ash", "\u202eash")),
    Case("too-few-tags", only_ashes, (), ("ash",)),
    Case("too-few-tags", only_ashes, (), ("ash",), "1: “ash”", changed=MULTILABEL),
    Case(
        "too-few-images",
        ashes_and_negatives(4),
        (),
        ("Nothing",),
        "“Nothing” has 4 images for training, 1 missing",
        changed=MULTILABEL,
    ),
    Case("too-few-images", more("oak", 3), (), ("oak",), "3 images for training, 2 missing"),
    Case("few-images", more("oak", 5), (), ("oak",), "5 images for training, 1 missing"),
    Case("useless-groups", grouped(*"aaaaaa"), (), found="all 12 images in one group"),
    Case("useless-groups", grouped(*"abcdefghijkl"), (), found="12 groups of one image each"),
    Case("useless-groups", grouped(*"aaaaaabbbbbb"), (), found="the images of each of 2 tags all in one"),
    Case("few-groups", grouped(*"aabcdeaaaaaa"), (), ("elm",), "all images of “elm” in one group"),
    Case("few-groups", grouped(*"abcabc"), (), ("ash", "elm"), "“ash” in 3, “elm” in 3"),
    Case("few-groups", grouped(*"aaa", None, None, None), (), ("ash", "elm"), "“ash” in 4, “elm” in 4"),
    Case("groups-partly", grouped(*"aab", None, None, None), (), found="6 of 12 training images in 2 groups"),
    Case(
        "groups-in-both",
        files(grouped(*"abcdef"), file(PHOTO, subset="test", group="b", name="test.jpg")),
        (),
        found="1 group with images in both: b",
    ),
    Case("similar-group-names", grouped("Plot 1", "plot 1", *"abcd"), (), found="“Plot 1”, “plot 1”"),
    Case(
        "same-bytes-two-groups",
        files(file(PHOTO, group="x"), file(PHOTO, group="y", name="tree.jpg")),
        ("side.jpg", "tree.jpg"),
        found="in “x” and “y”",
    ),
    Case("imbalance", more("ash", 13), (), ("ash", "elm"), "“ash” has 19 images, “elm” 6: 3.2 times"),
]


def validated(root: Path, annotations: Annotations, **changed: Any) -> Validation:
    params = make_params(**changed)
    there = [item for item in annotations if item.path.exists() or item.source != "folder"]
    rows = list(inspect_all(there, root, max_bytes=params.validate_.max_bytes, workers=1))
    return validate(rows, merge_copies(rows), params)


def codes(validation: Validation) -> set[str]:
    return {finding.code for finding in validation.findings}


def test_a_sound_dataset_has_no_findings(tmp_path: Path) -> None:
    validation = validated(tmp_path, garden(tmp_path))
    assert validation.findings == ()
    assert validation.tags == {"ash": (6, 0), "elm": (6, 0)}
    refuse(validation, "validation.html")


@pytest.mark.filterwarnings("ignore:Image size:PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_rule(tmp_path: Path, case: Case) -> None:
    annotations = garden(tmp_path) + case.extra(tmp_path)
    validation = validated(tmp_path, annotations, **case.changed)
    (finding,) = [finding for finding in validation.findings if finding.code == case.code]
    assert finding.files == case.files
    assert case.tags is None or finding.tags == case.tags
    assert case.found in finding.found
    assert not finding.found.startswith("Expected")
    assert finding.set_aside == case.set_aside
    assert finding.expected
    if finding.severity == "error":
        with pytest.raises(ValidationError, match=case.code):
            refuse(validation, "reports/validation.html")


def test_every_rule_has_a_case() -> None:
    assert {case.code for case in CASES} | set(EXPECTED_OF_SOURCES) | CODES_OF_BOXES == set(RULES)


@pytest.mark.parametrize("code", EXPECTED_OF_SOURCES)
def test_what_readers_tell_becomes_a_finding(tmp_path: Path, code: str) -> None:
    note = SourceNote(code=code, found="3 of them", files=("a.jpg",), tags=("ash",))
    source = SourceSummary(format="coco", recognised="COCO", accounted="3 files", notes=(note,))
    findings = validate([], [], make_params(domain="detection_general_compact"), source).findings
    (finding,) = [finding for finding in findings if finding.code == code]
    assert (finding.code, finding.found, finding.files, finding.tags) == (
        code,
        "3 of them",
        ("a.jpg",),
        ("ash",),
    )
    assert finding.expected


@pytest.mark.parametrize(
    ("absent", "extra", "changed"),
    [
        ("untagged", file(PHOTO, "Nothing"), MULTILABEL),
        ("image-with-two-tags", file(PHOTO, "ash", "elm"), MULTILABEL),
        ("image-with-two-tags", file(PHOTO, "ash", "Nothing"), {}),
        ("too-few-images", file(PHOTO, "Nothing"), MULTILABEL),
        ("too-few-tags", ashes_and_negatives(6), MULTILABEL),
        ("imbalance", file(PHOTO, "Nothing"), MULTILABEL),
        ("negative-and-regular", file(PHOTO, "Nothing"), {}),
        ("same-bytes-two-tags", files(file(PHOTO), file(PHOTO, name="tree.jpg")), {}),
        ("region-out-of-bounds", region(0.5, 0.000001, 0.5000004, 1), {}),
        ("wrong-extension", file(PHOTO, name="side.JPEG"), {}),
        ("few-images", files(more("oak", 6)), {}),
        ("imbalance", more("ash", 12), {}),
        ("groups-partly", grouped(*"abcdef"), {}),
        ("few-groups", grouped(*"aabcde"), {}),
        ("few-groups", grouped(*"aaaaaa"), {}),
        ("useless-groups", grouped(*"abcdef"), {}),
        ("useless-groups", grouped("a", None, None, None, None, None), {}),
        ("same-bytes-two-groups", files(file(PHOTO, group="x"), file(PHOTO, name="tree.jpg")), {}),
    ],
)
def test_what_is_no_finding(
    tmp_path: Path, absent: str, extra: Callable[[Path], Annotations], changed: dict[str, Any]
) -> None:
    assert absent not in codes(validated(tmp_path, garden(tmp_path) + extra(tmp_path), **changed))


def test_images_with_errors_count_for_no_tag(tmp_path: Path) -> None:
    broken = files(*(file(PHOTO[:500], "oak", name=f"oak{n}.jpg") for n in range(5)), more("oak", 4))
    validation = validated(tmp_path, garden(tmp_path) + broken(tmp_path))
    assert validation.tags["oak"] == (4, 0)
    assert "too-few-images" in codes(validation)


def test_skipping_sets_images_aside_and_goes_on(tmp_path: Path) -> None:
    extra = files(
        file(PHOTO[:500], name="cut.jpg"),
        file(PHOTO, "ash", name="one.jpg"),
        file(PHOTO, "elm", name="two.jpg"),
        file(encoded(photo(7)), name="learnt.jpg"),
        file(encoded(photo(7)), name="tested.jpg", subset="test"),
    )
    annotations = garden(tmp_path) + extra(tmp_path)
    validation = validated(tmp_path, annotations, on_error="skip")
    refuse(validation, "validation.html")
    assert [(row.path, row.id is None, row.code) for row in validation.excluded] == [
        ("cut.jpg", True, "truncated"),
        ("learnt.jpg", True, "train-and-test"),
        ("one.jpg", False, "same-bytes-two-tags"),
        ("two.jpg", False, "same-bytes-two-tags"),
    ]
    assert validation.tags == {"ash": (6, 1), "elm": (6, 0)}


def test_skipping_does_not_mend_tags(tmp_path: Path) -> None:
    validation = validated(tmp_path, garden(tmp_path) + more("oak", 3)(tmp_path), on_error="skip")
    with pytest.raises(ValidationError, match="“oak” has 3 images") as caught:
        refuse(validation, "validation.html")
    assert "on_error" not in str(caught.value)


def test_stopping_sets_nothing_aside(tmp_path: Path) -> None:
    assert validated(tmp_path, garden(tmp_path) + file(b"")(tmp_path)).excluded == ()


@pytest.mark.parametrize(("count", "last"), [(1, "All findings"), (19, "and 1 more"), (500, "and 482 more")])
def test_the_refusal_is_short(count: int, last: str) -> None:
    stops = tuple(Finding("truncated", "a whole file", f"{n} bytes", (f"{n}.jpg",)) for n in range(count))
    validation = Validation(stops, count, 0, {}, (), stops)
    with pytest.raises(ValidationError) as caught:
        refuse(validation, "reports/validation.html")
    lines = str(caught.value).splitlines()
    assert len(lines) <= 22
    assert lines[0] == f"The dataset has {count} error{'s' if count > 1 else ''}."
    assert lines[-1].startswith(last)
    assert "reports/validation.html" in lines[-1]


def test_excluded_round_trip(tmp_path: Path) -> None:
    rows = [Excluded("a.jpg", None, "truncated"), Excluded("b.jpg", "f" * 64, "aspect-ratio")]
    save_excluded(tmp_path / "excluded.parquet", rows)
    assert load_excluded(tmp_path / "excluded.parquet") == rows


def test_without(tmp_path: Path) -> None:
    rows = list(inspect_all(garden(tmp_path), tmp_path, max_bytes=300_000, workers=1))
    records = merge_copies(rows)
    left = without(records, [Excluded(records[0].path, records[0].id, "blurred"), Excluded("x", None, "y")])
    assert left == records[1:]


def test_empty_dataset() -> None:
    assert codes(validate([], [], make_params())) == {"too-few-tags"}


def test_blur_is_told_from_a_soft_photo(tmp_path: Path) -> None:
    soft = encoded(photo(1000).filter(ImageFilter.GaussianBlur(1)))
    assert "blurred" not in codes(validated(tmp_path, garden(tmp_path) + file(soft)(tmp_path)))
