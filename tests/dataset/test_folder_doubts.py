"""Folders that say when, where or how photos were taken are not taken for tags without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.errors import DatasetError


def tree(root: Path, *folders: str) -> Path:
    """A source with a photo in each folder."""
    for folder in folders:
        path = root / folder / "1.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(folder.encode())
    return root


def inside(outer: str, inner: str = "cat dog") -> list[str]:
    return [f"{one}/{other}" for one in outer.split() for other in inner.split()]


SAME = "hold folders of the same names"
SPLITS = "Expected splits around tags"
KEPT = "how photos are kept"
DATED = "when photos were taken"


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (inside("fold1 fold2 fold3"), SAME),
        (inside("raw augmented"), SAME),
        (inside("images cropped"), SAME),
        (inside("color grayscale segmented", "Apple___healthy Apple___scab"), SAME),
        (inside("alice bob", "0 1 2"), SAME),
        (inside("treino validação teste"), SAME),
        (inside("Trainingsdaten Testdaten", "Katze Hund"), SAME),
        (inside("训练集 测试集"), SAME),
        (inside("2021 2022"), SAME),
        (inside("photos/2021 photos/2022"), KEPT),
        (inside("siteA/2021 siteA/2022 siteB/2021"), SAME),
        (inside("part1/part1 part2/part2"), SAME),
        (inside("mug cup", "front back"), SAME),
        ([*inside("a b"), "c"], SAME),
        (inside("cat dog", "train test"), SPLITS),
        (inside("cat dog", "Training Testing"), SPLITS),
        (["cat/train", "cat/test", "dog"], SPLITS),
        (inside("casting/casting/train casting/casting/test casting_512x512", "ok def"), SPLITS),
        (["fold_1/train/cat", "fold_1/test/cat", "fold_2/train/cat", "fold_2/test/cat"], SPLITS),
        (inside("bottle cable", "train/good test/good test/broken"), SPLITS),
        (["cat", "cat/test", "dog", "dog/test"], SPLITS),
        (["cat", "cat/holdout", "dog"], SPLITS),
        (["cat/test", "dog/test"], SPLITS),
        (["cat/2021/Test", "dog/2021"], SPLITS),
        (["cat/cat_train", "cat/cat_test", "dog"], SPLITS),
        (["images", "masks"], KEPT),
        (["images", "thumbnails"], KEPT),
        (["labeled/cat", "labeled/dog", "unlabeled"], KEPT),
        (["jpg"], KEPT),
        (["data"], KEPT),
        (["train/cat", "train/dog", "val/images", "test/images"], KEPT),
        (["train/img", "val/img"], KEPT),
        (["Ground_Truth", "cat", "dog"], KEPT),
        (["2021", "2022"], DATED),
        (["2023-05-01", "2023-05-02"], DATED),
        (["Photos from 2021", "Photos from 2022"], DATED),
        (["DCIM/100APPLE", "DCIM/101APPLE"], DATED),
        (["101_PANA", "102CANON"], DATED),
        (["202401__", "202402__"], DATED),
        (["Camera", "Screenshots"], DATED),
        (["part_1", "part_2"], DATED),
        (["HAM10000_images_part_1", "HAM10000_images_part_2"], DATED),
        (["batch1", "batch2", "batch3"], DATED),
        (["frames/video_001", "frames/video_002"], DATED),
        (["New folder (1)", "New folder (2)"], DATED),
    ],
)
def test_folders_that_may_be_no_tags_stop(tmp_path: Path, folders: list[str], found: str) -> None:
    source = tree(tmp_path, *folders)
    for format in ("auto", "folder"):
        with pytest.raises(DatasetError, match=found) as caught:
            readers.read(source, format)
        assert "`ingest.split_folders: tags`" in str(caught.value)
    assert readers.read(source, split_folders="tags").tags


@pytest.mark.parametrize(
    ("folders", "tags"),
    [
        (inside("cat dog", "2023-01-01 2023-01-02"), "cat dog"),
        (inside("cat dog", "100APPLE 101APPLE"), "cat dog"),
        (inside("cat dog", "images labels"), "cat dog"),
        (["cat/a", "cat/b", "dog"], "cat dog"),
        (["cat", "cat/a", "cat/b", "dog", "dog/a", "dog/b"], "cat dog"),
        (["cat/images", "dog/images"], "cat dog"),
        (["10012345", "10012346"], "10012345 10012346"),
        (["1", "2", "3"], "1 2 3"),
        (["class_1", "class_2"], "class_1 class_2"),
        (["iphone-3", "iphone-4"], "iphone-3 iphone-4"),
        (["part_1", "bolt"], "bolt part_1"),
        (["cat/train", "cat/val", "dog"], "cat dog"),
        (["2021", "2022", "older"], "2021 2022 older"),
        (["train/cat", "train/dog", "test/cat", "test/dog"], "cat dog"),
        (["photo", "drawing"], "drawing photo"),
        (inside("seg_train/seg_train seg_test/seg_test", "sea forest"), "forest sea"),
    ],
)
def test_folders_that_are_tags(tmp_path: Path, folders: list[str], tags: str) -> None:
    assert list(readers.read(tree(tmp_path, *folders)).tags) == tags.split()


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (["fruit/apple", "fruit/pear", "meat"], "`apple/`, `pear/` inside `fruit/` are all tagged “fruit”"),
        (
            ["a/abbey", "a/airport", "b/bar", "b/bedroom"],
            "`abbey/`, `airport/` inside `a/` are all tagged “a”, and 1 more tag with folders inside",
        ),
        (["train/fruit/apple", "train/fruit/pear", "train/meat"], "`apple/`, `pear/` inside `fruit/`"),
        (inside("cat dog", "2021 2022"), ""),
        (["cat/best", "dog/best"], ""),
    ],
)
def test_folders_inside_a_tag_are_told(tmp_path: Path, folders: list[str], found: str) -> None:
    notes = [note for note in readers.read(tree(tmp_path, *folders)).notes if note.code == "nested-folders"]
    assert len(notes) == bool(found)
    assert not found or found in notes[0].found
