"""A folder per tag, with or without folders for splits around them.

    photos/Hemlock/1.jpg          tag Hemlock
    photos/Hemlock/2024/2.jpg     tag Hemlock: folders below a tag belong to it, and name a group if asked for
    photos/test/Hemlock/3.jpg     tag Hemlock, of the user's own test set
    photos/test/4.jpg             set aside: a test image without a tag measures nothing
    photos/5.jpg                  an image without tags

Splits may have any usual name (see `dahlia.dataset.readers.splits`): `Training/<tag>/` and
`Validation/<tag>/` are learned from, `Testing/<tag>/` is the test set. One or two folders around all of it
are passed through. Where a folder may be a split or a tag, `ingest.split_folders` decides; without it,
reading stops. What is passed over is told in `dahlia.dataset.readers.litter`; any other file is taken for an
image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dahlia.dataset.groups import group_name
from dahlia.dataset.readers.folder_doubts import DATES, doubt, nested_note, says_kind_of_file
from dahlia.dataset.readers.litter import PLAIN_FOLDERS, is_litter
from dahlia.dataset.readers.reading import Loaded
from dahlia.dataset.readers.sources import merge, tag_name
from dahlia.dataset.readers.splits import split_folders, split_of, subset_of
from dahlia.dataset.readers.targets import copy_image, new_folder, unique_names
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Split
from dahlia.errors import DatasetError

SplitFolders = Literal["auto", "splits", "tags"]
Groups = Literal["auto", "folders", "none"]

_WRAPPERS = 2


def load(tree: Tree, split_folders: SplitFolders = "auto", groups: Groups = "auto") -> Loaded:
    """Read a folder per tag.

    Args:
        tree: the source.
        split_folders: what folders are that are named after splits; `tags`: that all folders are tags.
        groups: `folders`: that a folder inside a tag's names a group, with all that lies below it. The same
            name under two tags is the same group.

    Raises:
        DatasetError: it holds no images below a tag; or folders may be tags or splits, or are splits alone;
            or they may be no tags; or folders are to name groups, and there are none inside those of tags.
    """
    plan = _plan(tree, split_folders)
    by_folder = groups == "folders"
    places = [
        (plan.base, plan.tags),
        *((inner, tree.folders.get(inner, [])) for _, inner in plan.splits.values()),
    ]
    if split_folders != "tags" and (reason := doubt(tree, places, grouped=by_folder)):
        raise DatasetError(reason)
    annotations = merge(_annotations(tree, plan, by_folder))
    if not any(annotation.tags for annotation in annotations):
        raise DatasetError(
            f"Expected a folder per tag below {tree.root}, found {_inventory(tree)}. "
            f"Put photos in {tree.root}/<tag>/."
        )
    inside = f", inside `{plan.base}`" if plan.base else ""
    if not by_folder:
        return Loaded(annotations, f"{_layout(plan)}{inside}", nested_note(tree, places))
    if not any(annotation.group for annotation in annotations):
        raise DatasetError(
            f"Expected folders of groups inside those of tags in {tree.root}, as `ingest.groups: folders` "
            "says, found none. Put photos in <tag>/<group>/, or set `ingest.groups: auto`."
        )
    return Loaded(annotations, f"{_layout(plan)}{inside}, with groups inside")


def has_tags(tree: Tree) -> bool:
    """Whether images lie in two folders or more whose names may be tags, inside folders of splits or not."""
    if tree.document is not None:
        return False
    base = _unwrapped(tree)
    names = tree.folders.get(base, [])
    splits = split_folders(names)
    inner = [tree.folders.get(_inner(tree, _join(base, name), split), []) for name, split in splits.items()]
    found = {*names, *(name for folders in inner for name in folders)} - splits.keys()
    return len({name.casefold() for name in found} - PLAIN_FOLDERS) > 1


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Copy images into `target/<tag>/`, those of the test set into `target/test/<tag>/`.

    Raises:
        DatasetError: an image is missing, has regions, or does not have exactly one tag; or a tag
            cannot be a folder's name.
    """
    names = unique_names(annotations)
    with new_folder(target) as staged:
        for annotation in annotations:
            tag = _only_tag(annotation)
            place = staged / "test" / tag if annotation.subset == "test" else staged / tag
            copy_image(annotation.path, place / names[annotation.path])


@dataclass(frozen=True)
class _Plan:
    """How folders are read.

    Attributes:
        base: the folder in which they lie, inside the source.
        splits: those that are splits, by name, with the folder in which their tags lie.
        tags: those that are tags of training images.
    """

    base: str
    splits: dict[str, tuple[Split, str]]
    tags: list[str]


def _plan(tree: Tree, choice: SplitFolders) -> _Plan:
    base = _unwrapped(tree)
    names = tree.folders.get(base, [])
    found = {} if choice == "tags" else split_folders(names)
    splits = {name: (split, _inner(tree, _join(base, name), split)) for name, split in found.items()}
    others = [name for name in names if name not in splits]
    if choice == "auto" and splits:
        reason = _doubt(tree, base, splits, others)
        if reason == "tags":
            return _Plan(base, {}, names)
        if reason:
            raise DatasetError(reason)
    known = {tag.casefold() for _, inner in splits.values() for tag in tree.folders.get(inner, [])}
    tagged = [name for name in others if not _has_train(splits) or name.casefold() in known]
    return _Plan(base, splits, tagged)


def _layout(plan: _Plan) -> str:
    if not plan.splits:
        return "a folder per tag"
    if {split for split, _ in plan.splits.values()} == {"test"}:
        return "a folder per tag, and a test set"
    return "folders for splits, with a folder per tag in each"


def _has_train(splits: dict[str, tuple[Split, str]]) -> bool:
    return any(split == "train" for split, _ in splits.values())


def _doubt(tree: Tree, base: str, splits: dict[str, tuple[Split, str]], others: list[str]) -> str:
    """Empty where folders are splits, `tags` where they are tags, else why that cannot be told."""
    place = tree.root / base
    nested = {name: tree.folders.get(inner, []) for name, (_, inner) in splits.items()}
    tags = [{tag.casefold() for tag in found} for found in nested.values() if found]
    named = " and ".join(f"`{name}/`" for name in splits)
    if not tags and not others:
        return (
            f"Expected folders that are named after tags in {place}, found only {named}, which are names of "
            "splits, with photos directly in them. Put photos in a folder per tag inside these, add the "
            "annotation file that belongs to them, or set `ingest.split_folders: tags` if they are your tags."
        )
    if not others:
        return ""
    if _has_train(splits) and len(tags) > 1 and set.intersection(*tags):
        return ""
    beside = {name.casefold() for name in others}
    if tags and all(found & beside for found in tags):
        return ""
    if len(splits) == 1 and not tags and _has_train(splits):
        return "tags"  # trains are photographed
    example = others[0]
    return (
        f"Expected to know what {named} in {place} is, beside folders such as `{example}/`: it may be a tag "
        f"like “{example}”, or a split of the photos. Set `ingest.split_folders: tags` for the first and "
        "`ingest.split_folders: splits` for the second."
    )


def _unwrapped(tree: Tree) -> str:
    """The folder in which tags or splits lie: the source, or a folder in it that holds all there is."""
    base = ""
    for _ in range(_WRAPPERS):
        inside = tree.folders.get(base, [])
        if len(inside) != 1 or tree.directly_in(base) or split_of(inside[0]):
            break
        deeper = _join(base, inside[0])
        names = tree.folders.get(deeper, [])
        if tree.directly_in(deeper) or not names or all(DATES.fullmatch(name) for name in names):
            break
        base = deeper
    return base if len(tree.folders.get(base, [])) > 1 or split_folders(tree.folders.get(base, [])) else ""


def _inner(tree: Tree, folder: str, split: Split) -> str:
    """Where a split's tags lie: in its folder, or in one inside that is named after the same split again."""
    for _ in range(_WRAPPERS):
        inside = tree.folders.get(folder, [])
        if len(inside) != 1 or tree.directly_in(folder):
            break
        if split_of(inside[0]) != split and inside[0].casefold() != folder.rsplit("/", 1)[-1].casefold():
            break
        folder = _join(folder, inside[0])
    return folder


def _annotations(tree: Tree, plan: _Plan, by_folder: bool) -> Iterator[Annotation]:
    split: Split | None = "train" if plan.splits else None
    for folder in dict.fromkeys(("", plan.base)):
        yield from (Annotation(tree.path(name), split=split) for name in tree.directly_in(folder))
    for name in plan.tags:
        yield from _of_tag(tree, _join(plan.base, name), split, by_folder)
    for split_, inner in plan.splits.values():
        if split_ != "test":
            yield from (Annotation(tree.path(name), split=split_) for name in tree.directly_in(inner))
        for name in tree.folders.get(inner, []):
            yield from _of_tag(tree, _join(inner, name), split_, by_folder)


def _of_tag(tree: Tree, folder: str, split: Split | None, by_folder: bool) -> Iterator[Annotation]:
    names = tree.below(folder)
    if not names:
        return
    tag = tag_name(folder.rsplit("/", 1)[-1], str(tree.path(folder)))
    around = _around_groups(tree, folder) if by_folder else ""
    for name in names:
        group = _group(tree, name, around) if by_folder else None
        yield Annotation(tree.path(name), (tag,), (), subset_of(split), split=split, group=group)


def _around_groups(tree: Tree, folder: str) -> str:
    """Where a tag's groups lie: in its folder, or in one inside that only says how photos are kept."""
    for _ in range(_WRAPPERS):
        inside = tree.folders.get(folder, [])
        if len(inside) != 1 or tree.directly_in(folder) or not says_kind_of_file(inside[0]):
            break
        folder = _join(folder, inside[0])
    return folder


def _group(tree: Tree, name: str, around: str) -> str | None:
    group, _, inside = name.removeprefix(f"{around}/").partition("/")
    return group_name(group, str(tree.path(f"{around}/{group}"))) if inside else None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _inventory(tree: Tree) -> str:
    folders = tree.empty_folders()
    files = len(tree.directly_in(""))
    inside = f"{len(folders)} folders without photos ({', '.join(folders[:5])})" if folders else "no folder"
    return f"{inside} and {files} files directly in it"


def _only_tag(annotation: Annotation) -> str:
    if len(annotation.tags) != 1 or annotation.regions:
        raise DatasetError(
            f"A folder per tag holds images with one tag each and no regions; {annotation.path} has "
            f"{len(annotation.tags)} tags and {len(annotation.regions)} regions. Write `csv` instead."
        )
    tag = annotation.tags[0]
    if "/" in tag or "\\" in tag or is_litter(tag) or split_of(tag):
        raise DatasetError(f"The tag {tag!r} cannot be the name of a folder. Write `csv` instead.")
    return tag
