from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dahlia.server.contract.enums import TagType
from dahlia.server.rescue.finding import View
from dahlia.server.rescue.records import ImageEntry, RegionEntry, TagPart
from dahlia.server.rescue.timeline import Timeline

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOX = RegionEntry("r1", "a", 0.1, 0.2, 0.3, 0.4)


def tag(identity: str, name: str | None = None) -> TagPart:
    return TagPart(id=identity, name=name or identity, description="", type=TagType.REGULAR, created=NOW)


def image(
    sha256: str, *tags: str, identity: str | None = None, regions: tuple[RegionEntry, ...] = ()
) -> ImageEntry:
    return ImageEntry(identity, sha256, NOW, {}, tags, regions)


def whole(*images: ImageEntry, tags: str = "ab") -> View:
    return View(tuple(map(tag, tags)), images, whole=True)


def part(*images: ImageEntry, tags: str = "ab") -> View:
    return View(tuple(map(tag, tags)), images, whole=False)


@pytest.mark.parametrize(
    ("views", "images"),
    [
        pytest.param([whole(image("x", "a"))], {"x": (1, None, {"a": (1, None)})}, id="once"),
        pytest.param(
            [whole(image("x", "a")), whole(image("x", "b"))],
            {"x": (1, None, {"a": (1, 2), "b": (2, None)})},
            id="another tag",
        ),
        pytest.param(
            [whole(image("x", "a"), image("y", "b")), whole(image("y", "b"))],
            {"x": (1, 2, {"a": (1, 2)}), "y": (1, None, {"b": (1, None)})},
            id="deleted",
        ),
        pytest.param(
            [part(image("x", "a"), image("y", "b")), part(image("y", "b"))],
            {"x": (1, None, {"a": (1, None)}), "y": (1, None, {"b": (1, None)})},
            id="not judged on is not deleted",
        ),
        pytest.param(
            [part(image("x", "a", "b")), part(image("x", "a"), tags="a")],
            {"x": (1, None, {"a": (1, None), "b": (1, None)})},
            id="a tag that was not trained stays",
        ),
        pytest.param(
            [part(image("x", "a", "b")), part(image("x", "a"))],
            {"x": (1, None, {"a": (1, None), "b": (1, 2)})},
            id="a tag that was trained is gone",
        ),
        pytest.param(
            [whole(image("x", "a", "b")), whole(image("x", "b"), tags="b")],
            {"x": (1, None, {"a": (1, 2), "b": (1, None)})},
            id="a tag that was deleted",
        ),
        pytest.param(
            [whole(image("lost", "a"), image("x", "a"))], {"x": (1, None, {"a": (1, None)})}, id="lost"
        ),
        pytest.param([whole(image("x", "stranger"))], {"x": (1, None, {})}, id="a tag that nobody names"),
    ],
)
def test_what_iterations_saw_is_what_was_there(
    views: list[View], images: dict[str, tuple[int, int | None, dict[str, tuple[int, int | None]]]]
) -> None:
    timeline = Timeline({"x", "y"}, single=False)
    for epoch, view in enumerate(views, 1):
        timeline.add(epoch, view)
    assert {
        one.sha256: (
            one.added,
            one.removed,
            {label.tag.part.id: (label.added, label.removed) for label in one.labels},
        )
        for one in timeline.images
    } == images


def test_images_are_named_as_files_name_them() -> None:
    timeline = Timeline({"x"}, single=False)
    timeline.add(1, part(image("x", "a")))
    made_up = timeline.images[0].id
    for epoch, identity in enumerate(("one", "one", "two", "one"), 2):
        timeline.add(epoch, whole(image("x", "a", identity=identity)))
    assert [(one.added, one.removed) for one in timeline.images] == [(1, 4), (4, 5), (5, None)]
    first, second, third = (one.id for one in timeline.images)
    assert (first, second) == ("one", "two")
    assert third not in (first, second, made_up)  # an id that was given away is not given again


def test_a_multiclass_image_keeps_one_tag() -> None:
    timeline = Timeline({"x"}, single=True)
    timeline.add(1, part(image("x", "a"), tags="a"))
    timeline.add(2, part(image("x", "b"), tags="b"))
    (x,) = timeline.images
    assert [label.tag.part.id for label in x.live] == ["b"]


def test_multiclass_images_keep_several_tags_once_some_had_them() -> None:
    timeline = Timeline({"x", "y"}, single=True)
    timeline.add(1, whole(image("x", "a", "b"), image("y", "a")))
    timeline.add(2, part(image("x", "b"), tags="b"))
    x, _ = timeline.images
    assert [label.tag.part.id for label in x.live] == ["a", "b"]


def test_regions_come_and_go() -> None:
    timeline = Timeline({"x"}, single=False)
    timeline.add(1, whole(image("x", "a", regions=(BOX,))))
    timeline.add(2, whole(image("x", "a", regions=(BOX,))))
    timeline.add(3, whole(image("x", "a")))
    (x,) = timeline.images
    assert [(label.region, label.added, label.removed) for label in x.labels] == [
        (None, 1, None),
        (BOX, 1, 3),
    ]


def test_a_tag_made_again_under_a_name_replaces_the_old_one() -> None:
    timeline = Timeline({"x", "y"}, single=False)
    timeline.add(1, View((tag("a", "rose"),), [image("x", "a")], whole=False))
    timeline.add(2, View((tag("b", "rose"),), [image("y", "b")], whole=False))
    timeline.add(3, View((tag("b", "tulip"),), [image("y", "b")], whole=False))
    assert [(one.part.id, one.part.name, one.added, one.removed) for one in timeline.tags] == [
        ("a", "rose", 1, 2), ("b", "tulip", 2, None),
    ]  # fmt: skip
    assert [[label.removed for label in one.labels] for one in timeline.images] == [[2], [None]]


def test_what_is_named_and_not_there_is_counted() -> None:
    timeline = Timeline({"x"}, single=False)
    for epoch in (1, 2):
        timeline.add(epoch, whole(image("x"), image("gone"), image("lost")))
    assert (len(timeline.images), timeline.missing) == (1, 2)
