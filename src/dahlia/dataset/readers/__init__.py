"""Annotations in the formats that people have, in and out.

Every format is a module with three functions: `found_in(tree)`, the annotation files of this format in a
source; `load(tree, documents)`, what they say; `save(annotations, target)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from dahlia.config import nearest
from dahlia.dataset import archives
from dahlia.dataset.photo_files import is_there
from dahlia.dataset.readers import (
    coco,
    createml,
    cvat,
    folder,
    labelme,
    labelstudio,
    openimages,
    table,
    voc,
    yolo,
)
from dahlia.dataset.readers.folder import Groups, SplitFolders
from dahlia.dataset.readers.reading import Loaded, Note, Reading, counted
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.readers.unread import hint, lists_of_splits, naming_photos, unread_note
from dahlia.dataset.records import Annotation, project_path
from dahlia.errors import DatasetError


class Format(Protocol):
    """What a module of an annotation format offers."""

    def found_in(self, tree: Tree) -> list[str]:
        """The annotation files of this format, by name; empty where the source is of another."""

    def load(self, tree: Tree, documents: Sequence[str]) -> Loaded:
        """What annotation files say.

        Raises:
            DatasetError: one cannot be read; the text names file and place.
        """

    def save(self, annotations: Sequence[Annotation], target: Path) -> None:
        """Write annotations into a new folder, or a file.

        Raises:
            DatasetError: the format cannot hold them, or an image is missing.
        """


FOLDER = "folder"
# The first that names photos which are there is taken, where a source holds annotations in several formats.
FORMATS: dict[str, Format] = {
    "yolo": yolo,
    "voc": voc,
    "cvat": cvat,
    "coco": coco,
    "labelstudio": labelstudio,
    "createml": createml,
    "labelme": labelme,
    "openimages": openimages,
    "csv": table,
}
NAMES = [FOLDER, *FORMATS]
_LINE = re.compile(r":\d+$")  # of a table, in what says where something was said
_WITH_GROUPS = ("csv", "coco", "createml", "cvat", "labelstudio")


def read(
    source: Path,
    format: str = "auto",
    *,
    split_folders: SplitFolders = "auto",
    groups: Groups = "auto",
    skip: Sequence[Path] = (),
    boxed: Callable[[], bool] = lambda: False,
) -> Reading:
    """Read what a source says of its images, without opening them.

    Args:
        source: a folder, or the annotation file itself.
        format: one of `NAMES`, or `auto`: the annotations that are found, else a folder per tag.
        split_folders: see `dahlia.dataset.readers.folder`.
        groups: `folders`: the folders inside those of tags name groups; `none`: no names of groups count.
        skip: folders, resolved, that are not part of the source.
        boxed: whether boxes are learned; asked where the source cannot be read without annotations.

    Returns:
        One annotation per file, and what became of every file of the source. A file that is missing, and a
        region that lies outside its image, are among the annotations: validation reports them.

    Raises:
        DatasetError: the source is not there, cannot be parsed (the message names file and line),
            names a file outside itself, or holds no images; or folders are to name groups, and none can.
    """
    if format not in ("auto", *NAMES):
        raise DatasetError(f"There is no annotation format `{format}`{nearest(format, ['auto', *NAMES])}")
    try:
        is_found, path = source.exists(), source.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # such as a link in a circle, or a NUL in the name
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise DatasetError(
            f"{str(source)[:200]} could not be looked at: {reason}. Check the name and the rights of its "
            "folders, or set `ingest.source` to another folder or file."
        ) from error
    if not is_found:
        raise DatasetError(
            f"Expected images at {source}, which is not there. Put photos in {source}/<tag>/, or set "
            "`ingest.source` to the folder or file that you have."
        )
    tree = _tree(path, source, format, skip)
    try:
        name, loaded = _loaded(tree, format, split_folders, groups)
    except DatasetError as error:
        if format in ("auto", FOLDER) and tree.document is None and _is_bare(tree) and boxed():
            raise _without_boxes(tree) from error
        raise
    if not loaded.annotations:
        raise DatasetError(
            f"Expected images in {source}, read as `{name}`, found none. Add some, or set "
            "`ingest.format` to the format that it has."
        )
    return _accounted(tree, name, _grouped(loaded, name, groups))


def write(annotations: Sequence[Annotation], target: Path, format: str) -> None:
    """Write annotations in a format.

    Args:
        annotations: of images that are there.
        target: a new folder (folder, voc, yolo, labelme) or a file (the others).
        format: one of `NAMES`.

    Raises:
        DatasetError: the format cannot hold them, or an image is missing.
    """
    if format not in NAMES:
        raise DatasetError(f"There is no annotation format `{format}`{nearest(format, NAMES)}")
    if format not in _WITH_GROUPS and any(annotation.group for annotation in annotations):
        raise DatasetError(
            f"Expected annotations without groups, which `{format}` does not hold. Write one of "
            f"{', '.join(_WITH_GROUPS)} instead."
        )
    save = folder.save if format == FOLDER else FORMATS[format].save
    save(annotations, target)


def _tree(path: Path, source: Path, format: str, skip: Sequence[Path]) -> Tree:
    if path.is_dir() or archives.suffix_of(path):
        return Tree(path, skip=skip)
    if format == FOLDER:
        raise DatasetError(f"Expected a folder per tag below {source}, which is a file. Name its folder.")
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    return Tree(root, path.relative_to(root).as_posix(), skip)


def _is_bare(tree: Tree) -> bool:
    """Whether nothing in a source may be annotations, in a form that is read or another."""
    return not any(form.found_in(tree) for form in FORMATS.values()) and not hint(tree, FORMATS)


def _without_boxes(tree: Tree) -> DatasetError:
    photos = counted(len(tree.images), "photo")
    return DatasetError(
        f"Expected photos and a file with their boxes in {tree.root}, found {photos} and no file with boxes. "
        "Put regions.csv (columns file,tag,left,top,width,height), or an export of a labelling tool "
        f"({', '.join(name for name in FORMATS if name != 'csv')}), beside the photos."
    )


def _grouped(loaded: Loaded, name: str, groups: Groups) -> Loaded:
    """Without names of groups where none are wanted.

    Raises:
        DatasetError: folders are to name groups, and the source is no folder per tag.
    """
    if groups == "folders" and name != FOLDER:
        raise DatasetError(
            f"Expected a folder per tag with folders of groups inside, as `ingest.groups: folders` says, "
            f"received annotations in the format `{name}`. Name the groups there (formats that can: "
            f"{', '.join(_WITH_GROUPS)}), or set `ingest.groups: auto`."
        )
    if groups == "none":
        return replace(loaded, annotations=[replace(one, group=None) for one in loaded.annotations])
    return loaded


def _loaded(tree: Tree, format: str, split_folders: SplitFolders, groups: Groups) -> tuple[str, Loaded]:
    if format == FOLDER:
        return FOLDER, folder.load(tree, split_folders, groups)
    if format != "auto":
        return format, FORMATS[format].load(tree, FORMATS[format].found_in(tree))
    found = {name: documents for name, form in FORMATS.items() if (documents := form.found_in(tree))}
    if not found and tree.document is not None:
        raise DatasetError(
            f"Expected a folder or a file of annotations ({', '.join(FORMATS)}), or an archive "
            f"({', '.join(archives.SUFFIXES)}), received {tree.root / tree.document}. Set `ingest.source` to "
            "one, or `ingest.format` to its format."
        )
    tagged = folder.has_tags(tree)
    for name, documents in found.items():
        loaded = _attempt(tree, name, documents, tagged=tagged)
        there = _named(tree, loaded) if tagged else 0
        if not tagged or 2 * there >= len(tree.images):
            return name, loaded
        if there:
            raise DatasetError(
                f"Expected to know what the tags are in {tree.root}: {documents[0]} names {there:,} of "
                f"{len(tree.images):,} photos, and the folders may be tags as well. Set "
                f"`ingest.format: {name}` for the first and `ingest.format: folder` for the second."
            )
    tree.read.clear()
    return FOLDER, _folders(tree, split_folders, groups)


def _named(tree: Tree, loaded: Loaded) -> int:
    """Photos that annotations say something of; some formats list those without any, too."""
    texts = set(tree.texts)
    said = (one for one in loaded.annotations if one.tags or one.source.partition(":")[0] in texts)
    return sum(is_there(one.path) for one in said)


def _folders(tree: Tree, split_folders: SplitFolders, groups: Groups) -> Loaded:
    """A folder per tag, where nothing else was named as the format."""
    try:
        loaded = folder.load(tree, split_folders, groups)
    except DatasetError as error:
        raise DatasetError(f"{error}{hint(tree, FORMATS)}") from error
    unread = naming_photos(tree)
    if unread is None or split_folders == "tags":
        return loaded
    if unread.beside:
        lists = lists_of_splits(tree)
        if lists and not any(one.split for one in loaded.annotations):
            raise DatasetError(
                f"Expected to know which photos are for testing in {tree.root}: {unread.told(tree)}, and "
                f"{lists[0]} seems to say the splits; they are not read. Put test photos into test/<tag>/, "
                "or write a table with the columns file,tag,subset. Set `ingest.format: folder` to learn "
                "from all photos."
            )
        return replace(loaded, notes=(*loaded.notes, unread_note(tree, unread)))
    raise DatasetError(
        f"Expected to know what the tags are in {tree.root}: {unread.told(tree)}, in a form that "
        f"is not read, and the folders may be tags. Export one of these from the tool: {', '.join(FORMATS)}; "
        "or write a table with the columns file,tag. If the folders are the tags, set "
        "`ingest.format: folder`."
    )


def _attempt(tree: Tree, name: str, documents: Sequence[str], *, tagged: bool) -> Loaded:
    try:
        return FORMATS[name].load(tree, documents)
    except DatasetError as error:
        if not tagged:
            raise
        raise DatasetError(
            f"{error} If the folders are the tags, set `ingest.format: folder`; "
            f"then {documents[0]} is not read."
        ) from error


def _accounted(tree: Tree, name: str, loaded: Loaded) -> Reading:
    for document in tree.read:
        project_path(tree.path(document), tree.root)  # its name will be in files and messages
    unlabelled = tuple(_unlabelled(tree, loaded))
    if tree.document is not None:
        one, said = (tree.document,), loaded.annotations
        return Reading(said, tree.root, name, loaded.layout, loaded.notes, (), (), one, {}, unlabelled)
    named = {str(one.path) for one in loaded.annotations}
    photos, unlisted, litter = [], [], tree.litter
    images = set(tree.images)
    for file in tree.files:
        if f"{tree.root}/{file}" in named:
            photos.append(file)
        elif file in images:
            unlisted.append(file)
        elif file not in tree.read:
            litter[file] = "of another kind"
    notes = loaded.notes
    if unlisted:
        count = counted(len(unlisted), "photo")
        found = f"{count} {'without a tag' if name == FOLDER else 'without an annotation'}"
        notes = (*notes, Note("unlisted-photo", found, tuple(unlisted)))
    return Reading(
        loaded.annotations,
        tree.root,
        name,
        loaded.layout,
        notes,
        tuple(photos),
        tuple(unlisted),
        tuple(sorted(tree.read)),
        dict(sorted(litter.items())),
        unlabelled,
    )


def _unlabelled(tree: Tree, loaded: Loaded) -> Iterator[str]:
    """Photos of which nothing is said; a file that says that there is no object has said something."""
    for one in loaded.annotations:
        name = tree.name(one.path)
        said = one.tags or _LINE.sub("", one.source) in tree.read
        if name in loaded.unlabelled or not said:
            yield name
