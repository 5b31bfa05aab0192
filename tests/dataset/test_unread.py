"""Files that name photos in a form that is not read stop reading, or are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.errors import DatasetError

FOLDERS = ("left/ISIC_0001.jpg", "left/ISIC_0002.jpg", "right/ISIC_0003.jpg", "right/ISIC_0004.jpg")
FLAT = ("a1.jpg", "a2.jpg", "a3.jpg", "a4.jpg")


def source(root: Path, photos: tuple[str, ...], texts: dict[str, str]) -> Path:
    for name, text in {**dict.fromkeys(photos, ""), **texts}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or name)
    return root


def bases(photos: tuple[str, ...]) -> list[str]:
    return [name.rpartition("/")[2] for name in photos]


def stems(photos: tuple[str, ...]) -> list[str]:
    return [name.removesuffix(".jpg") for name in bases(photos)]


@pytest.mark.parametrize(
    "texts",
    [
        {"metadata.csv": "lesion_id,image_id,dx\n" + "".join(f"x,{one},nv\n" for one in stems(FOLDERS))},
        {"labels.csv": "Image Index;Finding\n" + "".join(f"{one};nv\n" for one in bases(FOLDERS))},
        {"via.json": json.dumps({f"{one}123": {"filename": one} for one in bases(FOLDERS)})},
        {"labels.json": json.dumps({"classes": ["a"], "labels": dict.fromkeys(stems(FOLDERS), 0)})},
        {"metadata.jsonl": "".join(f'{{"file_name": "{one}", "label": 1}}\n' for one in bases(FOLDERS))},
        {"output.manifest": "".join(f'{{"source-ref": "s3://b/{one}"}}\n' for one in bases(FOLDERS))},
        {"export.ndjson": "".join(f'{{"external_id": "{one}"}}\n' for one in bases(FOLDERS))},
        {"train.lst": "".join(f"0\t1\t{one}\n" for one in bases(FOLDERS))},
        {"import.jsonl": "".join(f'{{"imageGcsUri": "gs://b/{one}"}}\n' for one in bases(FOLDERS))},
        {"val.txt": "".join(f"{one} {place}\n" for place, one in enumerate(bases(FOLDERS)))},
        {"list.txt": "".join(f"C:\\photos\\{one}\n" for one in bases(FOLDERS))},
        {"meta.xml": "".join(f'<i name="{one}"/>' for one in bases(FOLDERS))},
        {f"ann/{one}.json": '{"objects": []}' for one in bases(FOLDERS)},
        {f"Label/{one}.txt": "Apple 1 1 20 20" for one in stems(FOLDERS)},
    ],
)
def test_a_file_that_names_photos_is_not_passed_over_in_silence(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    root = source(tmp_path, FOLDERS, texts)
    with pytest.raises(DatasetError, match=r"`ingest.format: folder`") as caught:
        readers.read(root)
    assert next(iter(texts)).rpartition("/")[2].partition(".")[0] in str(caught.value)
    assert list(readers.read(root, "folder").tags) == ["left", "right"]


TAGS = ("cat/a1.jpg", "cat/a2.jpg", "dog/a3.jpg", "dog/a4.jpg")


@pytest.mark.parametrize(
    ("photos", "texts", "found"),
    [
        (
            TAGS,
            {"images.txt": "1 cat/a1.jpg\n2 cat/a2.jpg\n3 dog/a3.jpg\n"},
            "images.txt names 3 of 4 photos",
        ),
        (TAGS, {"meta/all.txt": "cat/a1\ncat/a2\ndog/a3\n"}, "meta/all.txt names 3 of 4 photos"),
        (
            ("train/cat/a1.jpg", "train/dog/a2.jpg", "test/cat/a3.jpg"),
            {"train.txt": "cat/a1.jpg 0\ndog/a2.jpg 1\n"},
            "train.txt names 2 of 3 photos",
        ),
        (TAGS, {"md5.txt": "".join(f"0f  ./{one}\n" for one in TAGS)}, "md5.txt names 4 of 4 photos"),
        (
            TAGS,
            {one.replace(".jpg", ".txt"): "a cat" for one in TAGS},
            "4 files such as cat/a1.txt are called",
        ),
        (TAGS, {"images.txt": "cat/a1.jpg\n"}, ""),
        (TAGS, {"README.md": " ".join(TAGS)}, ""),
        (TAGS, {"sample_submission.csv": "id,label\n" + "".join(f"{one},cat\n" for one in bases(TAGS))}, ""),
        (("cat/1.jpg", "dog/1.jpg"), {"list.txt": "1.jpg\n"}, ""),
        (("cat/1.jpg", "dog/2.jpg"), {"numbers.txt": "1 2\n"}, ""),
        (("cat/cat.jpg", "dog/dog.jpg"), {"classes.txt": "cat\ndog\n"}, ""),
    ],
)
def test_a_list_of_files_in_their_folders_is_told(
    tmp_path: Path, photos: tuple[str, ...], texts: dict[str, str], found: str
) -> None:
    reading = readers.read(source(tmp_path, photos, texts))
    notes = [note.found for note in reading.notes if note.code == "unread-list"]
    assert reading.format == "folder"
    assert list(reading.tags) == ["cat", "dog"]
    assert len(notes) == bool(found)
    assert not found or notes[0].startswith(found)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (
            {"images.txt": "1 cat/a1.jpg\n2 cat/a2.jpg\n", "train_test_split.txt": "1 1\n2 0\n"},
            "train_test_split",
        ),
        ({"meta/train.txt": "cat/a1\ndog/a3\n", "meta/test.txt": "cat/a2\ndog/a4\n"}, "meta/test.txt"),
        ({"all.json": json.dumps(TAGS), "splits/valSplit.csv": "2\n"}, "splits/valSplit.csv"),
    ],
)
def test_lists_of_splits_stop(tmp_path: Path, texts: dict[str, str], found: str) -> None:
    root = source(tmp_path, TAGS, texts)
    with pytest.raises(
        DatasetError, match=r"which photos are for testing.*`ingest.format: folder`"
    ) as caught:
        readers.read(root)
    assert found in str(caught.value)
    assert len(readers.read(root, "folder").annotations) == len(TAGS)


@pytest.mark.parametrize(
    ("photos", "texts", "found"),
    [
        (FLAT, {"via.json": json.dumps(dict.fromkeys(FLAT, 0))}, "via.json names 4 of 4 photos"),
        (
            ("train/a1.jpg", "test/a2.jpg"),
            {"train/metadata.jsonl": '{"file_name": "a1.jpg"}'},
            "metadata.jsonl",
        ),
        (FLAT, {"all.json": "version https://git-lfs.github.com/spec/v1\noid sha256:0"}, "`git lfs pull`"),
        (FLAT, {"labels.xlsx": "x"}, "labels.xlsx is a spreadsheet, which is not read: save it as CSV"),
        ((), {"cat.dvc": "outs:"}, "`dvc pull`"),
        ((), {"photos.zip": "x"}, "photos.zip is an archive: unpack it, or set `ingest.source` to it"),
        ((), {"cat.zip": "x", "dog.7z": "x"}, "cat.zip and dog.7z are archives: unpack them"),
        ((), {"train/a.tfrecord": "x", "test/a.tfrecord": "x"}, "tfrecord is of a form that is not read"),
        ((), {"data/train-00000.parquet": "x"}, "parquet is of a form that is not read"),
        (("jpg/a1.jpg",), {"imagelabels.mat": "x"}, "imagelabels.mat is of a form that is not read"),
    ],
)
def test_why_there_are_no_tags(
    tmp_path: Path, photos: tuple[str, ...], texts: dict[str, str], found: str
) -> None:
    root = source(tmp_path / "photos", photos, texts)
    with pytest.raises(DatasetError) as caught:
        readers.read(root)
    assert found in str(caught.value)
