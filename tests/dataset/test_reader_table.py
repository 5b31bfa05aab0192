from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dahlia.dataset import readers
from dahlia.dataset.readers import boxes, table
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError

PARTS = ("train", "valid", "test")


def load(folder: Path, content: str | bytes, name: str = "labels.csv") -> list[Annotation]:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    return readers.read(folder / name, "csv").annotations


def brief(annotations: list[Annotation]) -> list[str]:
    return [f"{entry.path.name} {'+'.join(entry.tags)} {entry.subset}" for entry in annotations]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("file,tag\nb.jpg,cat\na.jpg,dog\n", ["a.jpg dog train", "b.jpg cat train"]),
        ("file,tag\na.jpg,cat\na.jpg,dog\na.jpg,cat\n", ["a.jpg cat+dog train"]),
        (
            "file,tag,tag\na.jpg,cat,dog\nb.jpg,cat,\nc.jpg\n",
            ["a.jpg cat+dog train", "b.jpg cat train", "c.jpg  train"],
        ),
        ("file,tag,,\na.jpg,cat,dog,red\n", ["a.jpg cat+dog+red train"]),
        ("file,tag\na.jpg,cat,dog,red\n", ["a.jpg cat+dog+red train"]),
        ("file,tags\na.jpg,cat; dog;;\n", ["a.jpg cat+dog train"]),
        ('file;tags\na.jpg;"cat;dog"\n', ["a.jpg cat+dog train"]),
        ("file;tag\na.jpg;cat, tabby\n", ["a.jpg cat, tabby train"]),
        ("file\ttag\na.jpg\tcat\n", ["a.jpg cat train"]),
        ('file,tag\n"a, b.jpg","say ""cat"""\n', ['a, b.jpg say "cat" train']),
        ("\ufefffile,tag\r\na.jpg,cat\r\n\r\n", ["a.jpg cat train"]),
        ("file,tag\ra.jpg,cat\r", ["a.jpg cat train"]),
        ("\n\nFile, Tag \na.jpg, cat \n ,\n", ["a.jpg cat train"]),
        ("tag,subset,file\ncat,TEST,a.jpg\ndog,,b.jpg\n", ["a.jpg cat test", "b.jpg dog train"]),
        ("file,tag,width,height,camera\na.jpg,cat,640,480,x\n", ["a.jpg cat train"]),
        ("file,tag\na.jpg,chat\n".encode("utf-16"), ["a.jpg chat train"]),
        ("file,tag\ngone/a.jpg,cat\n", ["a.jpg cat train"]),
    ],
)
def test_load(tmp_path: Path, content: str | bytes, expected: list[str]) -> None:
    assert brief(load(tmp_path, content)) == expected


def test_regions(tmp_path: Path) -> None:
    content = (
        "file,tag,left,top,width,height\na.jpg,fork,0.1,0.2,0.5,0.25\na.jpg,fork,-1,2,0,1e-3\na.jpg,big,,,,\n"
    )
    (found,) = load(tmp_path, content)
    assert found.tags == ("fork", "big")
    assert found.regions == (Region("fork", 0.1, 0.2, 0.5, 0.25), Region("fork", -1, 2, 0, 0.001))
    assert found.path == tmp_path.resolve() / "a.jpg"
    assert found.source == "labels.csv:2"


def test_decimal_commas(tmp_path: Path) -> None:
    (found,) = load(tmp_path, "file;tag;left;top;width;height\na.jpg;fork;0,1;0,2;0,5;0,25\n")
    assert found.regions == (Region("fork", 0.1, 0.2, 0.5, 0.25),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"labels\.csv:1: expected the columns `file`, `tag`"),
        ("fille,tag\na.jpg,cat\n", r"labels\.csv:1: .* Did you mean `fille` to be `file`\?"),
        ("file,kind\na.jpg,cat\n", "expected the columns `tag`, found `kind`"),
        (
            "file,tag,left,top,widht,height\n",
            "expected the columns `width`, found `widht`.* Did you mean `widht`",
        ),
        ("file,tag,left,top\n", "expected the columns `width`, `height`"),
        ("file,tag,subest\na.jpg,cat,test\n", "the column `subest` is not known; did you mean `subset`"),
        (
            "file,tag,left,top,width,height\na.jpg,cat,0.1,x,0.5,0.5\n",
            r"csv:2, column `top`: expected a number",
        ),
        ("file,tag,left,top,width,height\na.jpg,cat,0.1,,0.5,0.5\n", r"csv:2, column `top`: .*received ''"),
        ("file,tag,left,top,width,height\na.jpg,cat,nan,0,1,1\n", r"csv:2, column `left`"),
        ("file,tag,left,top,width,height\na.jpg,cat,0,0,1,inf\n", r"csv:2, column `height`"),
        ("file,tag,left,top,width,height\na.jpg,,0,0,1,1\n", "csv:2: expected the tag of a region"),
        ("file,tag,left,top,width,height\na,b.jpg,cat,0,0,1,1\n", "csv:2: expected 6 cells, received 7"),
        (
            "file,tag,subset\na.jpg,cat,elsewhere\n",
            "csv:2: expected `train`, `valid` or `test` as subset",
        ),
        (
            "file,tag,subset\na.jpg,cat,test\n\na.jpg,dog,\n",
            r"csv:4: a.jpg is in `train` here and in `test` at labels.csv:2",
        ),
        ("file,tag\n,cat\n", "csv:2: expected the name of a file"),
        (
            "file,tag\na.jpg,cat\n../../etc/passwd,cat\n",
            r"csv:3: expected a file inside .*received '../../etc/passwd'",
        ),
        ("file,tag\n/etc/passwd,cat\n", "csv:2: expected a file inside"),
        ('file,tag\na.jpg,"cat\n', "labels.csv:2: not a row of a table"),
        (f"file,tag\na.jpg,{'x' * 200_000}\n", "labels.csv:2: not a row of a table"),
        ("file,tag\na\0.jpg,cat\n", "labels.csv:2: "),
        (b"file,tag\na.jpg,M\xf6we\n", "labels.csv:2: expected UTF-8 text"),
    ],
)
def test_what_is_malformed(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(tmp_path, content)


def test_a_folder_needs_exactly_one_table(tmp_path: Path) -> None:
    load(tmp_path, "file,tag\na.jpg,cat\n", "one.csv")
    assert brief(readers.read(tmp_path, "csv").annotations) == ["a.jpg cat train"]
    (tmp_path / "two.csv").write_text("file,tag\na.jpg,dog\n")
    with pytest.raises(DatasetError, match=r"exactly one \.csv or \.tsv file .* found one\.csv, two\.csv"):
        readers.read(tmp_path, "csv")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("filename,label\na.jpg,cat\n", "cat"),
        ("Image,Class\na.jpg,cat\n", "cat"),
        ("image_path,class_name,class\na.jpg,cat,3\n", "cat"),
        ("path,labels\na.jpg,cat|dog\n", "cat+dog"),
        ("file_name;tags\na.jpg;cat,dog\n", "cat+dog"),
        ('File Name,Tags\na.jpg,"cat, dog"\n', "cat+dog"),
        ('filename,category\na.jpg,"cat;dog|red"\n', "cat+dog+red"),
        ("id,label\na,cat\n", "cat"),
        ("id,filename,label\n7,a.jpg,cat\n", "cat"),
        ("filename|label\na.jpg|cat\n", "cat"),
        ("sep=;\nfile;tag\na.jpg;cat\n", "cat"),
        ('"sep=;"\r\nfile;tag\r\na.jpg;cat\r\n', "cat"),
        ("\ufeffsep=|\nfile|tag\na.jpg|cat, dog\n", "cat, dog"),
        ("a.jpg,cat\n", "cat"),
        ("a.jpg,cat,dog\nA.JPG,red\n", "cat+dog+red"),
        ("filename, cat, dog, red\na.jpg, 1, 0, 1\n", "cat+red"),
        ("filename,cat,dog\na.jpg,0,0\n", ""),
        ("filename,cat,dog\na.jpg,True,False\n", "cat"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,40,30,cat,0,0,20,30\n", "cat"),
        ("file,tag\nhttps://host/photos/a.jpg?x=1,cat\n", "cat"),
        ("file,tag\nC:\\Users\\me\\a.jpg,cat\n", "cat"),
        ("file,tag\na.png,cat\n", "cat"),
        ("file,tag\na,cat\n", "cat"),
        ("file,tag\nA%2Ejpg,cat\n", "cat"),
        ("file,tag\na.jpg,cat;dog\n", "cat;dog"),
    ],
)
def test_tables_of_others(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (found,) = load(tmp_path, content)
    assert (found.path.name, "+".join(found.tags)) == ("a.jpg", expected)


@pytest.mark.parametrize("size", ["40,30", "0,0", ","])
def test_corners_in_pixels(tmp_path: Path, size: str) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    (found,) = load(
        tmp_path, f"filename,width,height,class,xmin,ymin,xmax,ymax\na.png,{size},cat,10,15,20,30\n"
    )
    assert found.regions == (Region("cat", 0.25, 0.5, 0.25, 0.5),)


def test_corners_of_a_photo_that_is_not_there(tmp_path: Path) -> None:
    (found,) = load(tmp_path, "image,label,x1,y1,x2,y2\na.png,cat,10,15,20,30\n")
    assert (found.tags, found.regions) == (("cat",), ())


@pytest.mark.parametrize(
    ("tables", "splits"),
    [
        (
            ("train/_classes.csv", "valid/_classes.csv", "test/_classes.csv"),
            {"train": 1, "valid": 1, "test": 1},
        ),
        (("export/Train/x.csv", "export/Test/x.csv"), {"train": 1, "test": 1}),
        (("train.csv", "test.csv"), {"train": 1, "test": 1}),
        (("labels_train.csv", "labels_val.csv"), {"train": 1, "valid": 1}),
    ],
)
def test_a_table_for_each_split(tmp_path: Path, tables: tuple[str, ...], splits: dict[str, int]) -> None:
    for number, name in enumerate(tables):
        photo = (tmp_path / name).parent / f"{number}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(b"x")
        (tmp_path / name).write_text(f"filename,cat,dog\n{number}.jpg,1,0\n")
    found = readers.read(tmp_path)
    assert found.splits == splits
    assert found.tags == {"cat": len(tables)}
    assert found.recognised().startswith("a table with a column for each tag, one file a split: ")
    assert found.unlisted == ()


def test_several_tags_are_told(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,labels\na.jpg,cat;dog\nb.jpg,cat\n")
    (note,) = readers.read(tmp_path / "labels.csv").notes
    assert (note.code, note.found) == ("several-tags", "1 cell holds several tags, such as 'cat;dog'")


@pytest.mark.parametrize(("cell", "told"), [("cat;dog", True), ("cat|dog", True), ("cat, dog", False)])
def test_a_tag_that_may_be_several_is_told(tmp_path: Path, cell: str, told: bool) -> None:
    (tmp_path / "labels.csv").write_text(f'file,tag\na.jpg,"{cell}"\nb.jpg,cat\n')
    found = readers.read(tmp_path / "labels.csv")
    assert found.tags == {cell: 1, "cat": 1}
    assert [(note.code, note.tags) for note in found.notes] == ([("joined-tags", (cell,))] if told else [])


def test_made_up_tags_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"x")
    (tmp_path / "train.csv").write_text("id,label\n1,cat\n")
    (tmp_path / "sample_submission.csv").write_text("id,label\n1,dog\n")
    assert readers.read(tmp_path).tags == {"cat": 1}


def test_two_columns_that_may_be_tags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="`label` and `category` may both hold tags"):
        load(tmp_path, "file,label,category\na.jpg,cat,animal\n")


def test_numbers_survive_exactly(tmp_path: Path) -> None:
    box = Region("cat", 1 / 3, 2 / 7, 0.1 + 0.2, 1e-17)
    annotation = Annotation(tmp_path.resolve() / "a.jpg", ("cat",), (box,), "train", "t.csv:2")
    table.save([annotation], tmp_path / "t.csv")
    assert readers.read(tmp_path / "t.csv", "csv").annotations == [annotation]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        # A column with nothing but splits in it says the split, whatever it is called.
        ("image,label,purpose\na,cat,Training\nb,dog,Testing\n", "train cat, test dog"),
        ("image,label,data set\na,cat,train\nb,dog,test\n", "train cat, test dog"),
        ("image,label,usage\na,cat,TRAIN\nb,dog,unassigned\n", "train cat, train dog"),
        ("image,label,usage\na,cat,\nb,dog,valid\n", "train cat, train dog"),
        ("image,label,note\na,cat,train\nb,dog,blurred\n", "train cat, train dog"),
        ("image,label,split,note\na,cat,test,train\nb,dog,train,train\n", "test cat, train dog"),
        # So do columns of 0 and 1 that are called after splits.
        ("image,label,is_test\na,cat,0\nb,dog,1\n", "train cat, test dog"),
        ("image,label,is_train\na,cat,True\nb,dog,False\n", "train cat, test dog"),
        ("image,label,is_valid\na,cat,False\nb,dog,True\n", "train cat, train dog"),
        ("image,label,Is Test Set\na,cat,0\nb,dog,1\n", "train cat, test dog"),
        ("image,label,train,val,test\na,cat,1,0,0\nb,dog,0,0,1\n", "train cat, test dog"),
        ("image,label,service_test\na,cat,0\nb,dog,1\n", "train cat, train dog"),
        ("image,cat,dog,is_test\na,1,0,0\nb,0,1,1\n", "train cat, test dog"),
        ("image,cat,dog,train,test\na,1,0,1,0\nb,0,1,0,1\n", "train cat, test dog"),
        ("image,bus,train\na,1,0\nb,0,1\n", "train bus, train train"),
        # Numbers of folds say nothing of a test set.
        ("image,label,fold\na,cat,0\nb,dog,1\n", "train cat, train dog"),
        ("image,label,fold\na,cat,train\nb,dog,test\n", "train cat, test dog"),
        # Without a header.
        ("TRAIN,gs://b/a.jpg,cat\nTEST,gs://b/b.jpg,dog\n", "train cat, test dog"),
        ("UNASSIGNED,a.jpg,cat,small\nUNASSIGNED,b.jpg,dog,small\n", "train cat small, train dog small"),
        ("a.jpg,cat\nb.jpg,dog\n", "train cat, train dog"),
        ("a.jpg,1\nb.jpg,2\n", "train 1, train 2"),
        ("a.jpg,1,2,30,40,cat\nb.jpg,1,2,30,40,dog\n", "train cat, train dog"),
        ("TEST,a.jpg,cat,0.1,0.2,,,0.3,0.4\nTRAIN,b.jpg,dog,0.1,0.2,,,0.3,0.4\n", "test cat, train dog"),
        # The column of photos is told by what is in it; row numbers are no tags.
        ("fname,labels\na.jpg,cat\nb.jpg,dog\n", "train cat, train dog"),
        (",Image Index,label\n0,a.jpg,cat\n1,b.jpg,dog\n", "train cat, train dog"),
        ("file,tag,\na.jpg,cat,small\nb.jpg,dog,\n", "train cat small, train dog"),
    ],
)
def test_columns_of_tables_that_others_write(tmp_path: Path, table: str, expected: str) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "all.csv").write_text(table)
    found = readers.read(tmp_path).annotations
    assert ", ".join(" ".join((one.subset, *one.tags)) for one in found) == expected


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("image,label,partition\na,cat,0\nb,dog,2\n", r"received '0'\. Correct it, or rename the column"),
        ("image,label,train,test\na,cat,1,1\nb,dog,0,1\n", r"all\.csv:2: the image is marked as"),
        (
            "image,breed\na,cat\nb,dog\n",
            r"expected the columns `tag`, found `image`, `breed` besides.*first line",
        ),
    ],
)
def test_columns_that_cannot_be_read(tmp_path: Path, table: str, found: str) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "all.csv").write_text(table)
    with pytest.raises(DatasetError, match=found) as caught:
        readers.read(tmp_path)
    assert "Did you mean `image` to be `tag`" not in str(caught.value)


@pytest.mark.parametrize("header", ["file,tag,xmin,ymin,xmax,ymax", "file,tag,left,top,width,height"])
def test_a_photo_with_many_boxes_is_looked_for_and_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png")
    asked: list[str] = []
    find, size = PhotoFinder.find, boxes.image_size

    def counted_find(self: PhotoFinder, name: str, *about: object) -> tuple[Path, str]:
        asked.append(name)
        return find(self, name, *about)  # type: ignore[arg-type]

    def counted_size(photo: Path) -> tuple[int, int]:
        asked.append(f"size of {photo.name}")
        return size(photo)

    monkeypatch.setattr(PhotoFinder, "find", counted_find)
    monkeypatch.setattr(boxes, "image_size", counted_size)
    found = load(tmp_path, f"{header}\n" + "".join(f"a.png,cat,{n},1,20,20\n" for n in range(9)))
    assert [len(one.regions) for one in found] == [9]
    assert sorted(asked) == ["a.png", *(["size of a.png"] if "xmin" in header else [])]
