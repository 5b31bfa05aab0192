"""The files that say what the classes of YOLO labels are called, and which photos are for what.

    data.yaml       path: ., train: images/train, val: [images/val], test: test.txt, names: [fork, spoon]
    obj.data        darknet's: train = data/train.txt, names = data/obj.names
    classes.txt     a name per line; or obj.names, predefined_classes.txt, _darknet.labels

What is written is the name: `yes`, `007` and `1.10` stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from dahlia.dataset.readers.sources import lines_of, tag_name, text_of
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Split
from dahlia.errors import DatasetError

MAX_BYTES = 4 * 1024 * 1024

YAML_SUFFIXES = (".yaml", ".yml")
_MOST_STRAY = 1024 * 1024  # bytes of a YAML file that is called otherwise: reading YAML takes its time
_USUAL = frozenset({"data", "dataset"})  # what the YAML file is called by those who need not think of a name
_LISTS = frozenset({"classes", "predefined_classes", "class_names", "obj", "_darknet"})
_LIST_SUFFIXES = (".txt", ".names", ".labels")
_SPLITS: dict[str, Split] = {
    "train": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "test": "test",
}
_BESIDE_NAMES = frozenset({*_SPLITS, "path", "nc", "kpt_shape", "download"})
_NAMES = "`names: [first, second]`"


@dataclass(frozen=True)
class Config:
    """What a file says of the classes and the splits.

    Attributes:
        document: its name in the source.
        names: the name of each class.
        path: the folder that `splits` may be relative to, as written; empty where it is not said.
        splits: the folders, and text files of paths, of each split, as written.
        keypoints: how many values follow the box in a line; 0 where it is not said.
        names_splits: whether the file itself names `splits`.
    """

    document: str
    names: dict[int, str]
    path: str = ""
    splits: dict[Split, tuple[str, ...]] = field(default_factory=dict)
    keypoints: int = 0
    names_splits: bool = True


def is_class_list(name: str) -> bool:
    """Whether a file is a list of classes, by its name."""
    stem, _, suffix = name.rpartition("/")[2].lower().rpartition(".")
    return suffix == "names" or (stem in _LISTS and suffix in ("txt", "labels"))


def describes(tree: Tree, name: str, *, lenient: bool) -> bool:
    """Whether a YAML or `.data` file describes a YOLO dataset.

    Args:
        tree: the source.
        name: of the file.
        lenient: take a file with a usual name for it, whatever it holds.
    """
    usual = PurePosixPath(name).stem.lower() in _USUAL
    if lenient and usual and name.lower().endswith(YAML_SUFFIXES):
        return True
    try:
        data = tree.peek(name, MAX_BYTES if usual else _MOST_STRAY)
        if b"names" not in data.replace(b"\0", b""):
            return False
        content = _content(tree, name)
    except DatasetError:
        return False
    if not isinstance(content.get("names"), (list, dict, str)):
        return False
    return usual or name.lower().endswith(".data") or any(key in content for key in _BESIDE_NAMES)


def read_config(tree: Tree, document: str) -> Config:
    """Read a description, or a list of classes.

    Raises:
        DatasetError: with the line or the key: it is malformed, has no names, two for one class, or another
            number of them than `nc`.
    """
    if not document.lower().endswith((*YAML_SUFFIXES, ".data")):
        return Config(document, _listed(tree, document))
    where, content = tree.path(document), _content(tree, document)
    tree.read.add(document)
    names = _names(tree, document, content.get("names"))
    _check_count(content, names, str(where))
    return Config(
        document,
        names,
        _place(content.get("path", ""), f"{where}, `path`"),
        _splits(content, str(where)),
        _keypoints(content.get("kpt_shape"), f"{where}, `kpt_shape`"),
    )


class _Loader(yaml.SafeLoader):
    """YAML without aliases, which can blow it up."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"expected no aliases, received *{event.anchor}")
        return super().compose_node(parent, index)


def _plain(node: yaml.Node | None) -> Any:
    """Lists, dicts, and of every scalar the text that is written."""
    if node is None:
        return None
    if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
        raise yaml.YAMLError(f"expected plain values, received {node.tag} in line {node.start_mark.line + 1}")
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each) for each in node.value]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    content: dict[str, Any] = {}
    for key, value in node.value:
        name, said = str(_plain(key)), _plain(value)
        if content.setdefault(name, said) != said:
            raise yaml.YAMLError(
                f"expected `{name}` once, received {content[name]!r:.60} and {said!r:.60} "
                f"in line {key.start_mark.line + 1}"
            )
    return content


def _content(tree: Tree, name: str) -> dict[str, Any]:
    """The keys of a file; none where it is a list or a text."""
    text = text_of(tree, name, read=False, max_bytes=MAX_BYTES)
    if name.lower().endswith(".data"):
        pairs = (line.partition("=") for line in lines_of(text) if "=" in line)
        return {key.strip(): value.strip() for key, _, value in pairs}
    try:
        content = _plain(yaml.compose(text, _Loader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DatasetError(f"{tree.path(name)}: not YAML ({error}). Correct the line.") from error
    return content if isinstance(content, dict) else {}


def _names(tree: Tree, document: str, names: Any) -> dict[int, str]:
    where = f"{tree.path(document)}, `names`"
    if isinstance(names, str) and (found := _list_file(tree, document, names)):
        return _listed(tree, found)
    pairs = list(names.items()) if isinstance(names, dict) else []
    if isinstance(names, list):
        pairs = [(str(index), name) for index, name in enumerate(names)]
    if not pairs or not all(key.isdecimal() for key, _ in pairs):
        raise DatasetError(f"{tree.path(document)}: expected {_NAMES}, received {names!r:.60}. Fill it in.")
    classes: dict[int, str] = {}
    for key, name in pairs:
        if not isinstance(name, str):
            raise DatasetError(
                f"{where}: expected the name of class {key}, received {name!r:.60}. Fill it in."
            )
        tag = tag_name(name, f"{where}, class {key}")
        if classes.setdefault(int(key), tag) != tag:
            raise DatasetError(
                f"{where}: class {int(key)} is called “{classes[int(key)]}” and “{tag}”. Keep one of the two."
            )
    return classes


def _list_file(tree: Tree, document: str, written: str) -> str | None:
    """The file of class names that `names` leads to, by the end of its path."""
    base = PurePosixPath(written.replace("\\", "/")).name.lower()
    fitting = [
        name
        for name in tree.texts
        if PurePosixPath(name).name.lower() == base and name.lower().endswith(_LIST_SUFFIXES)
    ]
    folder = document.rpartition("/")[0]
    return min(fitting, key=lambda name: (name.rpartition("/")[0] != folder, name), default=None)


def _listed(tree: Tree, name: str) -> dict[int, str]:
    lines = lines_of(text_of(tree, name, max_bytes=MAX_BYTES).rstrip("\r\n "))
    return {index: tag_name(line, f"{tree.path(name)}:{index + 1}") for index, line in enumerate(lines)}


def _check_count(content: dict[str, Any], names: dict[int, str], where: str) -> None:
    key = "classes" if where.endswith(".data") else "nc"
    said = content.get(key)
    if not isinstance(said, str) or not re.fullmatch(r"\d{1,9}", said.strip()):
        return
    if int(said) not in (len(names), max(names, default=-1) + 1):
        raise DatasetError(
            f"{where}: expected as many names as `{key}: {said}` says, received {len(names)} "
            f"({', '.join(list(names.values())[:20])}). Correct `{key}`, or add the names that are missing."
        )


def _splits(content: dict[str, Any], where: str) -> dict[Split, tuple[str, ...]]:
    splits: dict[Split, tuple[str, ...]] = {}
    for key, split in _SPLITS.items():
        written = content.get(key, "")
        each = written if isinstance(written, list) else [written]
        places = tuple(filter(None, (_place(place, f"{where}, `{key}`") for place in each)))
        if places:
            splits[split] = (*splits.get(split, ()), *places)
    return splits


def _place(written: Any, where: str) -> str:
    if not isinstance(written, str):
        raise DatasetError(
            f"{where}: expected a folder or a text file of paths, received {written!r:.60}. Correct it there."
        )
    place = written.strip()
    return "" if place.lower() in ("null", "~", "none") else place


def _keypoints(shape: Any, where: str) -> int:
    if shape is None:
        return 0
    each = list(_numbers(shape))
    if len(each) != 2 or not all(0 < value <= 10_000 for value in each):
        raise DatasetError(
            f"{where}: expected two numbers such as [17, 3], received {shape!r:.60}. Correct it."
        )
    return each[0] * each[1]


def _numbers(shape: Any) -> Iterator[int]:
    for value in shape if isinstance(shape, list) else ():
        if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value):
            yield int(value)
