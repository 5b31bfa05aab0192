from __future__ import annotations

from dahlia.dataset.records import ImageRecord, Region
from dahlia.reports.boxes import EDGE, LABEL_HEIGHT, MOST_DRAWN, MOST_LABELS, Outline, drawing, tagged

PLACE = (0.25, 0.5, 0.5, 0.25)


def test_the_drawing_has_the_photo_s_shape() -> None:
    drawn = drawing(None, (2000, 1000), [Outline(PLACE, 0)])
    assert (drawn.width, drawn.height) == (EDGE, EDGE / 2)
    assert drawn.strokes[0].path == "M100.0 100.0H300.0V150.0H100.0Z"


def test_boxes_of_one_colour_and_line_are_one_path() -> None:
    outlines = [Outline(PLACE, colour, line) for colour in (0, 1, 0) for line in ("solid", "dashed")]
    drawn = drawing(None, (100, 100), outlines)
    assert [(stroke.colour, stroke.line) for stroke in drawn.strokes] == [
        (0, "solid"),
        (1, "solid"),
        (0, "dashed"),
        (1, "dashed"),
    ]
    assert drawn.strokes[0].path.count("M") == 2


def test_strong_boxes_are_on_top() -> None:
    outlines = [Outline(PLACE, 0, strong=True), Outline(PLACE, 1, strong=False)]
    assert [stroke.strong for stroke in drawing(None, (9, 9), outlines).strokes] == [False, True]


def test_labels_lie_within_the_photo_and_on_no_other() -> None:
    outlines = [Outline((0.1 * row, 0.02 * row, 0.5, 0.5), 0, label=f"fork {row}") for row in range(8)]
    drawn = drawing(None, (300, 200), outlines)
    spots = [(label.x, label.y, label.x + label.width, label.y + LABEL_HEIGHT) for label in drawn.labels]
    assert len(spots) >= 4
    assert all(
        left >= 0 and top >= 0 and right <= EDGE and bottom <= 267 for left, top, right, bottom in spots
    )
    for index, one in enumerate(spots):
        for other in spots[:index]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_of_many_boxes_some_have_labels() -> None:
    outlines = [Outline((0.03 * row, 0.03 * row, 0.02, 0.02), 0, label="x") for row in range(30)]
    drawn = drawing(None, (300, 200), outlines)
    assert 0 < len(drawn.labels) <= MOST_LABELS


def test_a_long_name_is_cut_and_told_whole() -> None:
    drawn = drawing(None, (300, 300), [Outline(PLACE, 0, label="a" * 60)])
    assert drawn.labels[0].text.endswith("…")
    assert drawn.labels[0].full == "a" * 60
    assert drawn.told == "a" * 60


def test_a_long_name_leaves_its_ending_whole() -> None:
    drawn = drawing(None, (300, 300), [Outline(PLACE, 0, label="a" * 60, ending="97%")])
    assert drawn.labels[0].text.endswith("a… 97%")
    assert drawn.labels[0].full == drawn.told == "a" * 60 + " 97%"


def test_a_label_hides_no_small_object() -> None:
    small = [Outline((0.45, 0.45 + 0.06 * row, 0.05, 0.05), 0) for row in (-1, 1)]
    drawn = drawing(None, (300, 300), [Outline((0.45, 0.45, 0.05, 0.05), 0, label="spoon"), *small])
    (label,) = drawn.labels
    assert label.x >= 0.5 * EDGE or label.x + label.width <= 0.45 * EDGE


def test_no_three_labels_stack() -> None:
    drawn = drawing(None, (300, 300), [Outline(PLACE, 0, label="x", ending="90%") for _ in range(20)])
    spots = sorted((label.x, label.y) for label in drawn.labels)
    assert len(spots) >= 4
    for x, y in spots:
        assert not {(x, y + LABEL_HEIGHT), (x, y + 2 * LABEL_HEIGHT)} <= set(spots)


def test_regions_of_the_manifest_are_drawn() -> None:
    regions = (Region("rose", *PLACE), Region("daisy", *PLACE))
    record = ImageRecord("0", "a.jpg", 40, 40, ("daisy", "rose"), regions, "train", "csv", "0" * 16)
    drawn = tagged(record, {"rose": 0, "daisy": 9}, None)
    assert {stroke.colour for stroke in drawn.strokes} == {0, 1}
    assert {label.text for label in drawn.labels} == {"rose", "daisy"}


def test_what_is_no_number_is_left_out() -> None:
    drawn = drawing(None, (40, 40), [Outline((float("nan"), 0, 1, 1), 0, label="x"), Outline(PLACE, 1)])
    assert [stroke.colour for stroke in drawn.strokes] == [1]


def test_of_very_many_boxes_only_the_first_are_drawn() -> None:
    outlines = [Outline(PLACE, 0, label="fork")] * (MOST_DRAWN + 1_200)
    drawn = drawing(None, (100, 100), outlines)
    assert drawn.strokes[0].path.count("M") == MOST_DRAWN
    assert drawn.told.endswith("fork, 1,200 more boxes, which are not drawn")
    assert "more" not in drawing(None, (100, 100), outlines[:MOST_DRAWN]).told
