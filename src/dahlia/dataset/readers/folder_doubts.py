"""Whether folders are tags: reasons to think that they are not, and what is told of them otherwise.

A folder per tag is what most people have, so it is what is read where there are no annotations. Years, folds
and versions of the same photos are kept in folders too; a model of those is worthless, and nothing in its
figures says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from dahlia.dataset.readers.litter import PLAIN_FOLDERS
from dahlia.dataset.readers.reading import Note, counted
from dahlia.dataset.readers.splits import split_folders
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Split

DATES = re.compile(r"(?<!\d)(19|20)\d\d([-_. ]?\d\d?){0,2}_*(?!\d)")

# As cameras call folders (100APPLE, 101_PANA), and phones (Camera, Screenshots).
_DEVICE = re.compile(r"\d{3}(?!\d{5})[A-Z0-9_]{5}|DCIM|Camera( Roll)?|Screenshots?", re.IGNORECASE)
_NO_TAGS = PLAIN_FOLDERS | {
    *("jpg", "jpgs", "jpeg", "jpegs", "png", "pngs", "bmp", "webp", "gif", "tif", "tiff"),
    *("mask", "masks", "ann", "anns", "annotation", "label", "groundtruth", "thumb", "thumbs", "thumbnails"),
    *("labeled", "labelled", "unlabeled", "unlabelled", "annotated", "unannotated", "tagged", "untagged"),
}
_PARTS = frozenset(
    {
        "part",
        "parts",
        "batch",
        "chunk",
        "shard",
        "fold",
        "kfold",
        "session",
        "subset",
        "split",
        "folder",
        "dir",
    }
    | {
        "images",
        "image",
        "imgs",
        "img",
        "photos",
        "frames",
        "video",
        "clip",
        "sequence",
        "seq",
        "camera",
        "cam",
    }
)
_NUMBER = re.compile(r"[\d()_-]+")
_WORD = re.compile(r"[^\W\d_]+")
_SEVERAL = 2
_NAMED = 3  # examples in a text
_IF_TAGS = "If all folders there are tags, set `ingest.split_folders: tags`."


def doubt(tree: Tree, places: Iterable[tuple[str, Sequence[str]]], *, grouped: bool = False) -> str:
    """Why folders may not be tags; empty where there is no reason.

    Args:
        tree: the source.
        places: folders, and the names of those in it that would be tags.
        grouped: whether the user says that folders inside those of tags are groups: two tags may share them.

    Returns:
        What was found, and what to do for each way in which it can be read.
    """
    reasons = (_shared_splits if grouped else _shared, _split, _plain, _dated)
    found = (reason(tree, folder, names) for folder, names in places for reason in reasons)
    return next((reason for reason in found if reason), "")


def says_kind_of_file(name: str) -> bool:
    """Whether a folder's name says how photos are kept, and nothing of them: `images`, `jpg`."""
    return _letters(name) in _NO_TAGS


def nested_note(tree: Tree, places: Iterable[tuple[str, Sequence[str]]]) -> tuple[Note, ...]:
    """A note of the tags whose photos lie in several folders inside the tag's, if any; see `doubt`."""
    found = {}
    for folder, names in places:
        for name in names:
            if len(inner := _telling(tree, _join(folder, name))) > 1:
                found[name] = inner
    if not found:
        return ()
    first, inner = next(iter(found.items()))
    rest = len(found) - 1
    more = f", and {counted(rest, 'more tag')} with folders inside" if rest else ""
    text = f"{_quoted(inner)} inside `{first}/` are all tagged “{first}”{more}"
    return (Note("nested-folders", text, tags=tuple(sorted(found))),)


def _plain(tree: Tree, folder: str, names: Sequence[str]) -> str:
    plain = [name for name in names if says_kind_of_file(name)]
    if not plain:
        return ""
    return (
        f"Expected folders that are named after tags in {tree.root / folder}, found {_quoted(plain)}: "
        "names that say how photos are kept, not what they show. Put photos in a folder per tag, set "
        "`ingest.source` to the folder that holds these, or add the annotation file that belongs to the "
        f"photos. {_IF_TAGS}"
    )


def _dated(tree: Tree, folder: str, names: Sequence[str]) -> str:
    if len(names) < _SEVERAL or not (all(map(_is_dated, names)) or _are_parts(names)):
        return ""
    return (
        f"Expected folders that are named after tags in {tree.root / folder}, found {_quoted(names)}: "
        "names that say when photos were taken, by which device, or which part they are. Put photos in a "
        f"folder per tag. {_IF_TAGS}"
    )


def _are_parts(names: Sequence[str]) -> bool:
    """Whether names differ in nothing but a date, or in the number of a part: `batch 1`, `batch 2`."""
    if len({DATES.sub("", name) for name in names}) == 1:
        return True
    rests = {_NUMBER.sub(" ", name).casefold() for name in names}
    return len(rests) == 1 and not _PARTS.isdisjoint(_WORD.findall(rests.pop()))


def _shared(tree: Tree, folder: str, names: Sequence[str]) -> str:
    """Folders that hold folders of the same names, and no photos beside them."""
    outer, shared = _sharing(tree, folder, names)
    if not outer:
        return ""
    if splits := split_folders(shared):
        return _of_splits(tree, folder, outer, splits)
    return (
        f"Expected to know which folders are the tags in {tree.root / folder}: {_quoted(outer)} hold "
        f"folders of the same names, {_quoted(shared)}. If the inner ones are the tags, put the "
        "photos of each into one folder, or set `ingest.source` to one of the outer ones; if those are "
        "splits, call them train, valid and test. If the outer ones are the tags, set "
        "`ingest.groups: folders` where the inner ones are places, sessions or the like, and else "
        "`ingest.split_folders: tags`."
    )


def _shared_splits(tree: Tree, folder: str, names: Sequence[str]) -> str:
    """Folders that hold the same splits."""
    outer, shared = _sharing(tree, folder, names)
    splits = split_folders(shared)
    return _of_splits(tree, folder, outer, splits) if splits else ""


def _sharing(tree: Tree, folder: str, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Folders that hold folders of the same names, and these names; see `_telling`."""
    inside = {name: set(_telling(tree, _join(folder, name))) for name in names}
    counts = Counter(name for inner in inside.values() for name in inner)
    common = {name for name, count in counts.items() if count > 1}
    outer = [name for name, inner in inside.items() if len(common & inner) >= _SEVERAL]
    if len(outer) < _SEVERAL:
        return [], []
    return outer, sorted(common.intersection(*(inside[name] for name in outer)) or common)


def _split(tree: Tree, folder: str, names: Sequence[str]) -> str:
    """A folder with one for tests inside, at any depth: test photos would be learned from."""
    start = f"{folder}/" if folder else ""
    outer = set(names)
    for path, inside in tree.folders.items():
        tag = path[len(start) :].partition("/")[0]
        if path.startswith(start) and tag in outer:
            splits = split_folders(inside)
            if "test" in splits.values():
                return _of_splits(tree, folder, [tag], splits)
    return ""


def _of_splits(tree: Tree, folder: str, outer: Sequence[str], splits: Mapping[str, Split]) -> str:
    ordered = sorted(splits, key=lambda name: ("train", "valid", "test").index(splits[name]))
    return (
        f"Expected splits around tags in {tree.root / folder}, found {_quoted(ordered)} in {_quoted(outer)}. "
        f"If the outer folders are the tags, put the splits around them: {ordered[0]}/{outer[0]}/; "
        "otherwise set `ingest.source` to one of them. To learn from all photos in them, those of a test "
        "set too, set `ingest.split_folders: tags`."
    )


def _telling(tree: Tree, folder: str) -> list[str]:
    """The folders inside one whose names say something of the photos, in none that is alone or dated."""
    if tree.directly_in(folder):
        return []
    found: dict[str, None] = {}
    inside = tree.folders.get(folder, [])
    for name in inside:
        if says_kind_of_file(name) or _is_dated(name) or len(inside) == 1:
            found.update(dict.fromkeys(_telling(tree, _join(folder, name))))
        else:
            found[name] = None
    return list(found)


def _is_dated(name: str) -> bool:
    return bool(DATES.fullmatch(name) or _DEVICE.fullmatch(name))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}/`" for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED:,} more" if len(names) > _NAMED else shown
