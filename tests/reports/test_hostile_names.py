"""The validation report of sources whose tags and file names are markup."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_pages import Page

from dahlia.errors import ValidationError
from dahlia.stages import ingest, validate
from validation_photos import make_params

EVIL = "<img src=x onerror=alert(1)>\"'&"
EVIL_NAME = "<b onload=alert(1)>\"'&.png"


@pytest.mark.parametrize("kind", ["coco", "csv"])
def test_names_of_detection_are_text_and_not_markup(tmp_path: Path, kind: str) -> None:
    photos = tmp_path / "data/photos"
    photos.mkdir(parents=True)
    names = [f"{number}{EVIL_NAME}" for number in range(4)]
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 10, 3), np.uint8)
        Image.fromarray(pixels).resize((100, 80), Image.Resampling.NEAREST).save(photos / name)
    tags = (EVIL, f"{EVIL} elm")
    # Too small, over the edge, twice, and without a box; the last photo is not named.
    boxes = [(name, tag, (0.1, 0.1, 0.01, 0.01)) for name in names[:3] for tag in tags]
    boxes += [(names[0], EVIL, (0.2, 0.2, 0.5, 0.5)), (names[0], EVIL, (0.2, 0.2, 0.501, 0.5))]
    boxes += [(names[1], EVIL, (0.8, 0.8, 0.5, 0.5))]
    if kind == "csv":
        with (photos / f"{EVIL}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["file", "tag", "left", "top", "width", "height"])
            rows.writerows([name, tag, *place] for name, tag, place in boxes)
            rows.writerow([names[2], "<u>oak</u>", "", "", "", ""])
    else:
        entries = [
            {"image_id": name, "category_id": tag, "bbox": [100 * x, 80 * y, 100 * w, 80 * h]}
            for name, tag, (x, y, w, h) in boxes
        ]
        entries.append({"image_id": names[2], "category_id": "<u>oak</u>"})
        images = [{"id": name, "file_name": name, "width": 100, "height": 80} for name in names[:3]]
        categories = [{"id": tag, "name": tag} for tag in (*tags, "<u>oak</u>")]
        coco = {"images": images, "annotations": entries, "categories": categories}
        (photos / f"{EVIL}.json").write_text(json.dumps(coco))
    params = make_params(source="data/photos", domain="detection_general_compact")
    ingest.run(params, tmp_path)
    with pytest.raises(ValidationError, match="region-out-of-bounds"):
        validate.run(params, tmp_path)
    html = (tmp_path / "reports/validation.html").read_text()
    page = Page(html)
    assert not any(name.startswith("on") for _, values in page.attributes for name in values)
    assert "<img src=x" not in html
    assert "<u>" not in html
    report = json.loads((tmp_path / "reports/validation.json").read_text())
    found = {finding["code"] for finding in report["findings"]}
    assert {"small-box", "covered-box", "region-out-of-bounds", "tag-without-box", "unlisted-photo"} <= found
    labels = {values["aria-label"] for tag, values in page.attributes if tag == "svg" and "role" in values}
    assert any(f"{names[0]}: {EVIL}, " in (label or "") for label in labels)
    assert EVIL in page.words
    assert "title" in page.seen
