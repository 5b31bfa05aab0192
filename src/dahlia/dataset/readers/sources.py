"""What the readers share: names, paths that stay inside, one annotation per file."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp"})

_LITTER_NAMES = frozenset({"thumbs.db", "desktop.ini", "readme", "license", "__macosx"})
_LITTER_SUFFIXES = frozenset(
    {
        ".txt",
        ".md",
        ".rst",
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".xml",
        ".yaml",
        ".yml",
        ".html",
        ".dvc",
        ".ini",
    }
)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden, text, or left behind by a desktop."""
    lower = name.lower()
    return name.startswith(".") or lower in _LITTER_NAMES or Path(lower).suffix in _LITTER_SUFFIXES


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder that is not litter, linked folders included, in no order."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [name for name in folders if not is_litter(name)]
        if real not in seen:
            yield from (Path(place, name) for name in names if not is_litter(name))
        seen.add(real)


def images_below(folder: Path) -> Iterator[Path]:
    """The files below a folder that have the suffix of an accepted image."""
    return (path for path in files_below(folder) if path.suffix.lower() in IMAGE_SUFFIXES)


def tag_name(text: str, where: str) -> str:
    """A tag as it is spelt everywhere: without outer spaces, in Unicode's composed form (NFC).

    Raises:
        DatasetError: nothing is left.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise DatasetError(f"{where}: expected the name of a tag, received {text!r}. Fill it in.")
    return name


def number(text: object, where: str) -> float:
    """A finite number.

    Raises:
        DatasetError: it is something else.
    """
    if isinstance(text, (str, int, float)) and not isinstance(text, bool):
        try:
            value = float(text)
        except (ValueError, OverflowError):
            value = math.nan
        if math.isfinite(value):
            return value
    raise DatasetError(f"{where}: expected a number, received {text!r}. Correct it there.")


def path_inside(root: Path, name: str, where: str, *, below: Sequence[str] = ("",)) -> Path:
    """The file that a source names, as an absolute path inside the source; it may not exist.

    Links inside the source may lead anywhere: the folder's owner made them.

    Args:
        root: the source's folder, resolved.
        name: as written; both kinds of slash are understood.
        where: the place in the source, for messages.
        below: folders under `root` in which to look, the first one being the answer where none has it.

    Raises:
        DatasetError: the name is empty, cannot be a file's, or leads outside `root`.
    """
    name = name.strip()
    if not name or "\0" in name:
        raise DatasetError(f"{where}: expected the name of a file, received {name!r}. Fill it in.")
    candidates = [_joined(root / folder, name) for folder in below]
    strays = [path for path in candidates if path == root or not path.is_relative_to(root)]
    if _DRIVE.match(name) or strays:
        raise DatasetError(
            f"{where}: expected a file inside {root}, received {name!r}, which does not lead there. "
            "Copy the file there, and name it relative to that folder."
        )
    # os.path.exists, unlike Path.exists, has an answer for names that are too long.
    return next((path for path in candidates if os.path.exists(path)), candidates[0])  # noqa: PTH110


def merge(annotations: Iterable[Annotation]) -> list[Annotation]:
    """One annotation per file, sorted by path; tags and regions keep their order.

    Raises:
        DatasetError: a file is said to be both train and test.
    """
    grouped: dict[Path, list[Annotation]] = {}
    for annotation in annotations:
        grouped.setdefault(annotation.path, []).append(annotation)
    return [_join(path, grouped[path]) for path in sorted(grouped, key=Path.as_posix)]


def tags_of(tags: Iterable[str], regions: Iterable[Region] = ()) -> tuple[str, ...]:
    """Tags without repetition in order, those of the regions included."""
    return tuple(dict.fromkeys([*tags, *(region.tag for region in regions)]))


def only_file(source: Path, suffixes: Sequence[str], folders: Sequence[str] = ("",)) -> Path:
    """The annotation file: `source` itself, or the only file with such a suffix in a folder.

    Raises:
        DatasetError: there is none, or more than one.
    """
    if not source.is_dir():
        return source
    found = files_with(source, suffixes, folders)
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found[:5]) or "none"
    raise DatasetError(
        f"Expected exactly one {' or '.join(suffixes)} file in {source}, found {names}. "
        "Set `ingest.source` to the file that is meant."
    )


def files_with(source: Path, suffixes: Sequence[str], folders: Sequence[str] = ("",)) -> list[Path]:
    """The files of a folder, and of folders in it, that have such a suffix and are not hidden; sorted."""
    places = [source / folder for folder in folders if (source / folder).is_dir()]
    return sorted(
        path
        for place in places
        for path in place.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )


def bytes_of(path: Path, max_bytes: int | None = None) -> bytes:
    """A file's content.

    Raises:
        DatasetError: it cannot be read, or has more than `max_bytes`.
    """
    try:
        size = path.stat().st_size
        if max_bytes is None or size <= max_bytes:
            return path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path} could not be read: {error.strerror}. Check its name and rights."
        ) from error
    raise DatasetError(f"{path}: expected at most {max_bytes:,} bytes, received {size:,}. Take it out.")


def text_of(path: Path) -> str:
    """A text file: UTF-8, with or without a mark, or UTF-16 with one.

    Raises:
        DatasetError: it cannot be read, or is encoded otherwise.
    """
    data = bytes_of(path)
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DatasetError(f"{path}:{line}: expected UTF-8 text. Save the file again as UTF-8.") from error


def _joined(folder: Path, name: str) -> Path:
    if "\\" in name and not os.path.exists(folder / name):  # noqa: PTH110
        name = name.replace("\\", "/")
    if name.startswith("/"):
        folder, name = Path(name).parent.resolve(), Path(name).name
    return Path(os.path.normpath(folder / name))


def _join(path: Path, parts: list[Annotation]) -> Annotation:
    first = parts[0]
    for part in parts:
        if part.subset != first.subset:
            raise DatasetError(
                f"{part.source}: {path.name} is in `{part.subset}` here and in `{first.subset}` at "
                f"{first.source}. Keep one of the two."
            )
    regions = tuple(region for part in parts for region in part.regions)
    tags = tags_of((tag for part in parts for tag in part.tags), regions)
    return Annotation(path, tags, regions, first.subset, first.source)
