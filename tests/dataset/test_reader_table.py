from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.dataset import readers
from dahlia.dataset.readers import table
from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError


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
        ("filename,tag\na.jpg,cat\n", r"labels\.csv:1: .* Did you mean `filename` to be `file`\?"),
        ("file,label\na.jpg,cat\n", "expected the columns `tag`, found `label`"),
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
        ("file,tag,subset\na.jpg,cat,testing\n", "csv:2: expected `train` or `test` as subset"),
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
    load(tmp_path, "file,tag\n", "two.csv")
    with pytest.raises(DatasetError, match=r"exactly one \.csv or \.tsv file .* found one\.csv, two\.csv"):
        readers.read(tmp_path, "csv")


def test_numbers_survive_exactly(tmp_path: Path) -> None:
    box = Region("cat", 1 / 3, 2 / 7, 0.1 + 0.2, 1e-17)
    annotation = Annotation(tmp_path.resolve() / "a.jpg", ("cat",), (box,), "train", "t.csv:2")
    table.save([annotation], tmp_path / "t.csv")
    assert readers.read(tmp_path / "t.csv", "csv").annotations == [annotation]
