"""What lies beside photos and is none of the dataset: what systems, cameras and editors leave behind.

Such files are passed over and counted; they are neither tags nor errors.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from dahlia.dataset.formats import SUFFIXES

IMAGE_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)

# Folders that say what is in them, and no tag.
PLAIN_FOLDERS = frozenset(
    {
        "images",
        "image",
        "jpegimages",
        "imgs",
        "img",
        "photos",
        "pictures",
        "pics",
        "data",
        "labels",
        "annotations",
        "obj_train_data",
    }
)

_FOLDERS = frozenset(
    {
        "__macosx",
        "__pycache__",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "~snapshot",
        "$recycle.bin",
        "lost+found",
        "system volume information",
        "found.000",
        "network trash folder",
        "temporary items",
        "lightroom previews.lrdata",
    }
)
_FILES = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",
        "icon?",
        "picasa.ini",
        "zbthumbnail.info",
        "albumart.jpg",
        "readme",
        "license",
        "licence",
        "copying",
        "notice",
        "makefile",
        "dockerfile",
    }
)
_TEXTS = frozenset(
    {
        ".txt",
        ".md",
        ".rst",
        ".rtf",
        ".pdf",
        ".doc",
        ".docx",
        ".odt",
        ".csv",
        ".tsv",
        ".xls",
        ".xlsx",
        ".ods",
        ".json",
        ".jsonl",
        ".ndjson",
        ".manifest",
        ".lst",
        ".xml",
        ".yaml",
        ".yml",
        ".toml",
        ".html",
        ".htm",
        ".dvc",
        ".ini",
        ".cfg",
        ".log",
        ".names",
        ".labels",
        ".data",
        ".py",
        ".ipynb",
        ".sh",
        ".bat",
    }
)
_BESIDE = frozenset(
    {
        ".aae",
        ".xmp",
        ".thm",
        ".lrv",
        ".pp3",
        ".dop",
        ".cos",
        ".tmp",
        ".part",
        ".crdownload",
        ".bak",
        ".swp",
        ".cache",
    }
)
_LINKS = frozenset({".lnk", ".url", ".webloc", ".desktop"})
_FILMS = frozenset({".mov", ".mp4", ".m4v"})


def folder_litter(name: str) -> str | None:
    """Why a folder is passed over with all that is in it; None for one that is read."""
    if name.startswith("."):
        return "hidden"
    return "left behind by a system" if name.lower() in _FOLDERS else None


def file_litter(name: str) -> str | None:
    """Why a file is passed over by its name alone; None for one that may be a photo.

    Args:
        name: without folders.
    """
    if name.startswith("."):
        return "hidden"
    lower = name.lower()
    # A colon is what other systems make of the streams that Windows keeps beside a file's content.
    if lower in _FILES - {"readme", "license", "licence", "copying", "notice", "makefile", "dockerfile"}:
        return "left behind by a system"
    if ":zone.identifier" in lower or ":encryptable" in lower or lower.endswith(":$data"):
        return "left behind by a system"
    suffix = PurePosixPath(lower).suffix
    if suffix in _LINKS:
        return "left behind by a system"
    if suffix in _BESIDE or lower.endswith("~") or lower.startswith("~$"):
        return "left behind by a camera or an editor"
    return "text" if suffix in _TEXTS or lower in _FILES else None


def film_litter(name: str, beside: Collection[str]) -> str | None:
    """Why a film is passed over: it is the moving part of a photo of the same name beside it.

    Args:
        name: without folders.
        beside: the stems of the images in its folder, in lower case.
    """
    path = PurePosixPath(name.lower())
    if path.suffix in _FILMS and path.stem in beside:
        return "left behind by a camera or an editor"
    return None


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is passed over."""
    return folder_litter(name) is not None or file_litter(name) is not None
