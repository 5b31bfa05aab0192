"""Sources that strangers made: whatever is in them, there is an answer, soon, and no traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from annotated_sources import lay, photo
from dahlia.dataset import readers
from dahlia.dataset.inspector import inspect
from dahlia.dataset.photo_files import is_there, read_file
from dahlia.dataset.readers.sources import MAX_BYTES
from dahlia.errors import DatasetError


def coco(annotation: str = "{}", image: str = '"1.png"') -> str:
    lists = f'"images": [{{"id": 1, "file_name": {image}}}], "annotations": [{annotation}]'
    return f'{{{lists}, "categories": [{{"id": 1, "name": "cat"}}]}}'


def masked(counts: str, height: str) -> str:
    mask = f'{{"counts": {counts}, "size": [{height}, 4]}}'
    return coco(f'{{"image_id": 1, "category_id": 1, "segmentation": {mask}}}')


BOXED = "file,tag,xmin,ymin,xmax,ymax,width,height\n1.png,cat,1,1,2,2,{},9\n"
NESTED = '<skeleton label="cat">' * 3000 + "</skeleton>" * 3000
READ = {
    "runs.json": masked(f"[0, {'9' * 4000}]", "4"),
    "height.json": masked("[0, 1]", "9" * 4000),
    "size.csv": BOXED.format("9" * 5000),
    "skeleton.xml": f'<annotations><version/><image name="1.png">{NESTED}</image></annotations>',
    "archive.csv": f"file,tag\n{'a' * 300}.zip/1.jpg,cat\n1.png,dog\n",
}


@pytest.mark.parametrize("name", READ)
def test_what_is_strange_is_read(tmp_path: Path, name: str) -> None:
    found = readers.read(lay(tmp_path, {"1.png": None, name: READ[name]}))
    assert [is_there(one.path) for one in found.annotations if one.path.name == "1.png"] == [True]


REFUSED = {
    "punycode.xml": '<?xml version="1.0" encoding="punycode"?><annotation/>',
    "idna.xml": '<?xml version="1.0" encoding="idna"?><annotation/>',
    "name.json": coco(image=json.dumps("x" * 50_000)),
    "columns.csv": "file,tag," + "x," * 20_000 + "\n1.png,cat\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_takes_too_long_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=name):
        readers.read(lay(tmp_path, {"1.png": None, name: REFUSED[name]}))


LONG = "9" * 4000
LONG_VALUES = {
    "number.json": coco(f'{{"image_id": 1, "category_id": 1, "bbox": [{LONG}, 0, 1, 1]}}'),
    "text.json": coco(f'{{"image_id": 1, "category_id": 1, "bbox": ["x{LONG}", 0, 1, 1]}}'),
    "box.json": coco(f'{{"image_id": 1, "category_id": 1, "bbox": [{LONG}]}}'),
    "image.json": coco(f'{{"image_id": {LONG}, "category_id": 1}}'),
    "category.json": coco(f'{{"image_id": 1, "category_id": "x{LONG}"}}'),
    "id.json": coco(f'{{"image_id": [{LONG}], "category_id": 1}}'),
    "path.json": coco(image=json.dumps("../" + LONG)),
    "file.json": coco(image=f"[{LONG}]"),
    "box.csv": f"file,tag,left,top,width,height\n1.png,cat,x{LONG},0,1,1\n",
    "subset.csv": f"file,tag,subset\n1.png,cat,{LONG}\n",
    "path.csv": f"file,tag\n../../{LONG},cat\n",
    "label.json": {"shapes": [{"label": [LONG]}], "imagePath": "1.png", "version": "5", "flags": {}},
}


@pytest.mark.parametrize("name", LONG_VALUES)
def test_long_values_are_cut_off_in_messages(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=name) as caught:
        readers.read(lay(tmp_path, {"1.png": None, name: LONG_VALUES[name]}))
    assert len(str(caught.value)) < 700 + len(str(tmp_path)) * 2


@pytest.mark.parametrize("line", [f"1 x{LONG} 0.5 0.5 0.5", f"{LONG} 0.5 0.5 0.5 0.5", f"x{LONG} 1 1 1 1"])
def test_long_values_of_labels_are_cut_off_too(tmp_path: Path, line: str) -> None:
    names = {"data.yaml": "names: [cat, dog]\n", "images/1.png": None, "labels/1.txt": f"{line}\n"}
    with pytest.raises(DatasetError) as caught:
        readers.read(lay(tmp_path, names))
    assert len(str(caught.value)) < 700 + len(str(tmp_path)) * 2


def test_a_description_with_a_long_cell(tmp_path: Path) -> None:
    rows = f"/m/1,{'x' * 200_000}\n/m/2,cat\n"
    labels = "ImageID,Source,LabelName,Confidence\n1,x,/m/2,1\n"
    with pytest.raises(DatasetError, match=r"d\.csv:1: not a row of a table"):
        readers.read(lay(tmp_path, {"1.png": None, "d.csv": rows, "train-labels.csv": labels}), "openimages")


def test_texts_are_bounded(tmp_path: Path) -> None:
    lay(tmp_path, {"1.png": None, "a.csv": "file,tag\n1.png,cat\n"})
    os.truncate(tmp_path / "a.csv", MAX_BYTES + 1)  # takes no room
    with pytest.raises(DatasetError, match="expected at most 536,870,912 bytes"):
        readers.read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    lay(tmp_path, {"1.png": None, "a.csv": "file,tag\n1.png,cat\npipe.png,dog\n"})
    os.mkfifo(tmp_path / "pipe.png")
    pipe = readers.read(tmp_path).annotations[1]
    assert inspect(pipe, tmp_path, max_bytes=1000).problem == "unreadable"
    with pytest.raises(OSError, match="no file"):
        read_file(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "b.csv")
    with pytest.raises(DatasetError, match="no file but a pipe"):
        readers.read(tmp_path / "b.csv")


def test_links_in_a_circle(tmp_path: Path) -> None:
    lay(tmp_path, {"cat/1.png": None, "dog/2.png": None})
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "cat/3.png").symlink_to("3.png")
    assert readers.read(tmp_path).tags == {"cat": 2, "dog": 1}
    with pytest.raises(DatasetError, match="could not be looked at"):
        readers.read(tmp_path / "loop")


TABLE = "image,tag,left,top,width,height\n1.png,cat,0.1,0.1,0.5,0.5\n"


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_a_table_that_is_a_link_out_of_the_source_is_read(tmp_path: Path, linked: str) -> None:
    source = lay(tmp_path / "source", {"1.png": None})
    lay(tmp_path / "store", {"regions.csv": TABLE})
    if linked == "file":
        (source / "regions.csv").symlink_to(tmp_path / "store/regions.csv")
    else:
        (source / "tables").symlink_to(tmp_path / "store")
    assert readers.read(source).tags == {"cat": 1}


@pytest.mark.parametrize("linked", ["file", "folder"])
@pytest.mark.parametrize(
    "text", ["hush\n", "hush,hush,hush\n1,2,3\n", 'hush,"hush\n', "file,hush\n1.png,2\n"]
)
def test_what_a_link_out_of_the_source_leads_to_is_not_shown(tmp_path: Path, linked: str, text: str) -> None:
    source = lay(tmp_path / "source", {"1.png": None})
    lay(tmp_path / "store", {"regions.csv": text})
    if linked == "file":
        (source / "regions.csv").symlink_to(tmp_path / "store/regions.csv")
    else:
        (source / "tables").symlink_to(tmp_path / "store")
    with pytest.raises(DatasetError, match=r"regions\.csv") as caught:
        readers.read(source)
    assert "hush" not in str(caught.value)
    (source / "inside.txt").write_text("file,kind\n")
    (source / ("regions.csv" if linked == "file" else "tables")).unlink()
    (source / "regions.csv").symlink_to("inside.txt")
    with pytest.raises(DatasetError, match="found `kind`"):
        readers.read(source)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
def test_sources_that_cannot_have_their_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError):
        readers.read(tmp_path / name)


def test_an_annotation_file_whose_name_is_no_text(tmp_path: Path) -> None:
    lay(tmp_path, {"1.png": photo()})
    try:
        (tmp_path / os.fsdecode(b"a\xff.csv")).write_text("file,tag\n1.png,cat\n")
    except OSError:
        pytest.skip("this disk has no such names")
    with pytest.raises(DatasetError, match="file names in UTF-8"):
        readers.read(tmp_path)
