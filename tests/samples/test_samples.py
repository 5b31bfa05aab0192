from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dahlia.dataset.records import Annotation, Region
from dahlia.errors import ConfigError, DatasetError
from dahlia_samples import (
    TAGS,
    Scene,
    draw_flower_photo,
    draw_scene,
    generate_garden,
    generate_scenes,
)
from dahlia_samples.flowers import grow

SMALL = 96


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shape(path: Path) -> tuple[int, ...]:
    image = cv2.imread(str(path))
    assert image is not None
    return image.shape


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("samples") / "garden"
    generate_garden(target, images_per_tag=3, size=SMALL, test_images_per_tag=2)
    return target


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(np.random.default_rng(seed), size=160) for seed in range(20)]


def test_a_garden_has_a_folder_per_tag(garden: Path) -> None:
    wanted = {f"{tag}/{tag}_{index:03d}.jpg" for tag in TAGS for index in range(3)}
    wanted |= {f"test/{tag}/{tag}_{index:03d}.jpg" for tag in TAGS for index in range(2)}
    assert set(files(garden)) == wanted
    assert TAGS == ("daffodil", "dahlia", "daisy")


def test_no_two_photos_are_alike(garden: Path) -> None:
    contents = list(files(garden).values())
    assert len(set(contents)) == len(contents)


def test_the_same_seed_gives_the_same_bytes(garden: Path, tmp_path: Path) -> None:
    generate_garden(tmp_path / "again", images_per_tag=3, size=SMALL, test_images_per_tag=2)
    assert files(tmp_path / "again") == files(garden)


@pytest.mark.slow
def test_an_empty_environment_gives_the_same_bytes() -> None:
    # The environment's size moves a process's memory, and sums by BLAS followed it: these photos differed.
    script = """
import hashlib, zlib
import numpy as np
from dahlia_samples import draw_flower_photo
for tag, number in (("daffodil", 8), ("daffodil", 18), ("dahlia", 8), ("dahlia", 19)):
    rng = np.random.default_rng((0, zlib.crc32(f"train/{tag}".encode()), number))
    print(tag, number, hashlib.sha256(draw_flower_photo(tag, rng, size=512).tobytes()).hexdigest())
"""
    environments = ({}, {"PATH": os.defpath, "PADDING": "x" * 1333}, dict(os.environ))
    printed = {
        subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=True).stdout
        for env in environments
    }
    assert len(printed) == 1


def test_another_seed_gives_other_photos(garden: Path, tmp_path: Path) -> None:
    generate_garden(tmp_path / "other", images_per_tag=1, size=SMALL, seed=1)
    other = files(tmp_path / "other")
    assert not set(other.values()) & set(files(garden).values())


def test_a_larger_garden_keeps_the_first_photos(garden: Path, tmp_path: Path) -> None:
    generate_garden(tmp_path / "larger", images_per_tag=5, size=SMALL)
    larger, first = files(tmp_path / "larger"), files(garden)
    kept = {name for name in first if not name.startswith("test/")}
    assert len(larger) == 15
    assert {name: larger[name] for name in kept} == {name: first[name] for name in kept}


def test_photos_can_be_added_to_a_garden(tmp_path: Path) -> None:
    target = tmp_path / "garden"
    generate_garden(target, images_per_tag=2, size=SMALL)
    (target / "rose").mkdir()
    (target / "rose" / "mine.jpg").write_bytes(b"mine")
    generate_garden(target, images_per_tag=2, size=SMALL, start=2)
    generate_garden(tmp_path / "whole", images_per_tag=4, size=SMALL)
    assert files(target) == files(tmp_path / "whole") | {"rose/mine.jpg": b"mine"}


def test_a_new_garden_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    generate_garden(tmp_path / "garden", images_per_tag=2, size=SMALL)
    generate_garden(tmp_path / "garden", images_per_tag=1, size=SMALL)
    assert len(files(tmp_path / "garden")) == 3


@pytest.mark.parametrize("name", ["daisy/mine.jpg", "notes.txt", "daisy/dahlia_000.jpg"])
def test_other_peoples_files_are_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(DatasetError, match="Choose another folder"):
        generate_garden(tmp_path, images_per_tag=1, size=SMALL)
    with pytest.raises(DatasetError, match="Choose another folder"):
        generate_scenes(tmp_path, images=1, seed=0, size=SMALL)
    assert files(tmp_path) == {name: b"mine"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images_per_tag": 0}, "`images_per_tag` must be at least 1, received 0"),
        ({"seed": -1}, "`seed` must be at least 0, received -1"),
        ({"size": 32}, "`size` must be at least 64, received 32"),
        ({"start": -2}, "`start` must be at least 0"),
        ({"test_images_per_tag": -1}, "`test_images_per_tag` must be at least 0"),
        ({"workers": 0}, "`workers` must be at least 1"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generate_garden(tmp_path / "garden", **arguments)
    assert not (tmp_path / "garden").exists()


def test_an_unknown_tag_is_refused() -> None:
    with pytest.raises(ConfigError, match="daffodil, dahlia, daisy, received 'rose'"):
        draw_flower_photo("rose", np.random.default_rng(0))


@pytest.mark.parametrize("tag", TAGS)
def test_photos_have_the_size_of_a_phones(tag: str) -> None:
    shapes = [draw_flower_photo(tag, np.random.default_rng(seed)).shape for seed in range(4)]
    assert all(320 <= edge <= 640 for height, width, _ in shapes for edge in (height, width))
    assert len(set(shapes)) > 1


def test_photos_of_two_tags_differ_with_equal_chance() -> None:
    photos = [draw_flower_photo(tag, np.random.default_rng(5), size=SMALL) for tag in TAGS]
    assert len({photo.tobytes() for photo in photos}) == 3


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("seed", range(5))
def test_a_head_fills_its_radius(tag: str, seed: int) -> None:
    flower = grow(tag, np.random.default_rng(seed), (200.0, 150.0), 100.0, 0.0)
    reach = np.hypot(flower.head.quads[..., 0] - 200, flower.head.quads[..., 1] - 150).max()
    assert 75 < reach < 135


def test_a_box_is_the_masks_extent_to_a_pixel(scenes: list[Scene]) -> None:
    for scene in scenes:
        height, width = scene.image.shape[:2]
        for region, mask in zip(scene.regions, scene.masks, strict=True):
            rows, columns = np.nonzero(mask)
            assert round(region.left * width) == columns.min()
            assert round(region.top * height) == rows.min()
            assert round((region.left + region.width) * width) == columns.max() + 1
            assert round((region.top + region.height) * height) == rows.max() + 1
            assert region.left * width == pytest.approx(columns.min())
            assert region.height * height == pytest.approx(rows.max() + 1 - rows.min())


def test_scenes_hold_one_to_five_flowers_that_show(scenes: list[Scene]) -> None:
    counts = {len(scene.regions) for scene in scenes}
    assert min(counts) >= 1
    assert max(counts) <= 5
    assert len(counts) >= 3
    assert {region.tag for scene in scenes for region in scene.regions} == set(TAGS)
    assert all(mask.sum() > 40 for scene in scenes for mask in scene.masks)


def test_at_least_a_third_of_each_head_shows(scenes: list[Scene]) -> None:
    shares = [share for scene in scenes for share in scene.shares]
    assert min(shares) >= 1 / 3
    assert max(shares) <= 1.01
    assert any(share < 0.7 for share in shares)


def test_masks_of_a_scene_do_not_overlap(scenes: list[Scene]) -> None:
    overlaps = [np.sum(scene.masks, axis=0).max() for scene in scenes]
    assert max(overlaps) == 1


def test_some_boxes_overlap_and_some_are_cut_by_the_edge(scenes: list[Scene]) -> None:
    def meet(first: Region, second: Region) -> bool:
        across = min(first.left + first.width, second.left + second.width) - max(first.left, second.left)
        down = min(first.top + first.height, second.top + second.height) - max(first.top, second.top)
        return across > 0 and down > 0

    regions = [scene.regions for scene in scenes]
    assert any(meet(a, b) for boxes in regions for a in boxes for b in boxes if a is not b)
    assert any(box.left == 0 or box.top == 0 for boxes in regions for box in boxes)


def test_scenes_are_written_with_their_table(tmp_path: Path) -> None:
    annotations = generate_scenes(tmp_path / "scenes", images=4, seed=3, size=SMALL)
    with (tmp_path / "scenes" / "regions.csv").open(encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["file", "tag", "left", "top", "width", "height"]
    said = [
        (annotation.path.name, region.tag, region.left, region.top, region.width, region.height)
        for annotation in annotations
        for region in annotation.regions
    ]
    assert [(line[0], line[1], *map(float, line[2:])) for line in lines[1:]] == said
    for annotation in annotations:
        number = int(annotation.source.removeprefix("regions.csv:"))
        assert lines[number - 1][0] == annotation.path.name
        assert {region.tag for region in annotation.regions} == set(annotation.tags)
        assert len(shape(annotation.path)) == 3


def test_scenes_depend_on_the_seed_alone(tmp_path: Path) -> None:
    def made(name: str, images: int, seed: int) -> tuple[list[Annotation], dict[str, bytes]]:
        annotations = generate_scenes(tmp_path / name, images=images, seed=seed, size=SMALL)
        return annotations, files(tmp_path / name)

    first, second, larger, other = made("a", 2, 0), made("b", 2, 0), made("c", 3, 0), made("d", 2, 1)
    assert first[1] == second[1]
    assert larger[1]["scene_001.jpg"] == first[1]["scene_001.jpg"]
    assert other[1]["scene_000.jpg"] != first[1]["scene_000.jpg"]


def pixels(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    paths = sorted(folder.rglob("*.jpg"))
    rows = [cv2.resize(cv2.imread(str(path)), (32, 32), interpolation=cv2.INTER_AREA) for path in paths]
    tags = np.array([TAGS.index(path.parent.name) for path in paths])
    return np.reshape(rows, (len(rows), -1)).astype(float), tags


@pytest.mark.slow
def test_processes_draw_the_same_and_pixels_alone_do_not_tell_the_tags(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generate_garden(tmp_path / "pool", images_per_tag=60, size=128, workers=2)
    generate_garden(tmp_path / "alone", images_per_tag=2, size=128, workers=1)
    pool, alone = files(tmp_path / "pool"), files(tmp_path / "alone")
    assert {name: pool[name] for name in alone} == alone
    features, tags = pixels(tmp_path / "pool")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=1e-4, max_iter=500))
    accuracy = cross_val_score(classifier, features, tags, cv=5).mean()
    assert 0.34 < accuracy < 0.80
