"""What holds of both reports: one stylesheet, one header, and pages that everybody can read."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
from report_pages import Page

from dahlia.dataset.findings import Finding
from dahlia.dataset.validation import Validation
from dahlia.evaluation.evaluation import evaluate
from dahlia.modeling.predictions import ClassPredictions, LearningCurve
from dahlia.params import EvaluateParams
from dahlia.reports import evaluation, validation
from validation_photos import encoded, photo, write

TEMPLATES = files("dahlia.reports") / "templates"
ARABIC = "زهرة"


@pytest.fixture(params=["multiclass", "multilabel", "validation"])
def html(
    request: pytest.FixtureRequest,
    generated: Callable[..., ClassPredictions],
    curved: Callable[..., LearningCurve],
    params: EvaluateParams,
    tmp_path: Path,
) -> str:
    """A report that has every section."""
    if request.param == "validation":
        write(tmp_path / "a.jpg", encoded(photo(1)))
        found = (
            Finding("truncated", "a whole image file", "half of one", ("a.jpg",)),
            Finding("near-duplicate", "images that differ", "2 images that look alike", ("a.jpg", "b.jpg")),
            Finding("few-images", "at least 50 images", f"“{ARABIC}” has 4", tags=(ARABIC,)),
        )
        outcome = Validation(found, 2, 1, {ARABIC: (4, 1), "elm": (1, 0)}, (), found[:1])
        return validation.render(outcome, "Garden", tmp_path, 100_000)
    predictions = generated(60, (ARABIC, "elm", "fir"), request.param, wrong=9, test=6)
    found_out = evaluate(predictions, params, seed=0, negative_tag="fir", curve=curved(predictions))
    return evaluation.render(found_out, predictions, lambda image: "data:image/jpeg;base64,", "Garden")


def test_both_have_the_same_styles_and_the_same_header(html: str) -> None:
    style = html[html.index("<style>") : html.index("</style>")]
    assert all(
        (TEMPLATES / name).read_text("utf-8").strip() in style for name in ("tokens.css", "report.css")
    )
    assert html.count("<style") == 1
    assert html.index('<div class="masthead">') < html.index("<h1>")


def test_headings_skip_no_level(html: str) -> None:
    levels = [int(name[1]) for name in Page(html).seen if re.fullmatch("h[1-6]", name)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_language_and_alternative_texts(html: str) -> None:
    attributes = Page(html).attributes
    assert ("html", {"lang": "en"}) in attributes
    images = [values for tag, values in attributes if tag == "img"]
    assert images
    assert all(values["alt"] for values in images)
    assert all(
        values.get("aria-label") or values.get("aria-hidden") for tag, values in attributes if tag == "svg"
    )
    assert all(
        values["scope"] for tag, values in attributes if tag == "th" and values.get("class") != "corner"
    )


def test_every_class_has_a_style(html: str) -> None:
    used = {name for _, values in Page(html).attributes for name in (values.get("class") or "").split()}
    known = set(re.findall(r"\.([a-z][\w-]*)", (TEMPLATES / "report.css").read_text("utf-8")))
    assert used <= known


def test_names_keep_their_own_direction(html: str) -> None:
    assert f"“<bdi>{ARABIC}</bdi>”" in html


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast(scheme: str) -> None:
    light, _, dark = (TEMPLATES / "tokens.css").read_text("utf-8").partition("@media")
    colours = dict(re.findall(r"--([\w-]+): (#\w+|\d+, \d+, \d+);", light))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([\w-]+): (#\w+|\d+, \d+, \d+);", dark))
    for text in ("ink", "soft", "error", "warning", "advice", "good"):
        assert contrast(rgb(colours[text]), rgb(colours["card"])) >= 4.5, text
    for graphic in ("accent", *(f"t{number}" for number in range(8))):
        assert contrast(rgb(colours[graphic]), rgb(colours["card"])) >= 3, graphic
    card, heat = rgb(colours["card"]), rgb(colours["heat"])
    for share in (number / 100 for number in range(101)):
        alpha = 0.06 + 0.86 * share
        cell = tuple(alpha * over + (1 - alpha) * under for over, under in zip(heat, card, strict=True))
        text = colours["on-heat"] if share > 0.7 else colours["ink"]
        assert contrast(rgb(text), cell) >= 3, share  # large and bold, for which 3:1 suffices


def rgb(colour: str) -> tuple[float, ...]:
    if not colour.startswith("#"):
        return tuple(float(part) for part in colour.split(","))
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return tuple(float(int(digits[at : at + 2], 16)) for at in (0, 2, 4))


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The contrast ratio of WCAG 2, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: tuple[float, ...]) -> float:
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (each / 255 for each in colour)
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))
