"""The photo that a task of Label Studio is about: uploads, local files, and addresses of storage."""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.json_documents import Entry
from dahlia.dataset.readers.litter import IMAGE_SUFFIXES
from dahlia.dataset.readers.tree import Tree
from dahlia.errors import DatasetError

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an upload
_DROPPED = re.compile(r"[^-\w.]")  # what it takes out of the name


class TaskPhotos:
    """Finds photos by what tasks call them.

    Args:
        tree: the source.
        places: folders in which to look first.
    """

    def __init__(self, tree: Tree, finder: PhotoFinder, places: Sequence[str]) -> None:
        self._tree = tree
        self._finder = finder
        self._places = places
        self._renamed: dict[Path, str] = {}

    def find(self, name: str, upload: object, where: str) -> tuple[Path, str]:
        """The file, and a hint if it is not there; see `PhotoFinder.find`.

        Args:
            name: `/data/upload/1/1a2b3c4d-cat.jpg`, `/data/local-files/?d=cats/1.jpg`, `s3://photos/1.jpg`,
                or a path.
            upload: the task's `file_upload`, which names the file as well.
            where: the place in the source, for messages.

        Raises:
            DatasetError: the photo is inside the JSON file; the name cannot be a file's; or it fits a file
                that an upload of another name fits too.
        """
        if name.startswith("data:"):
            raise DatasetError(
                f"{where}: expected the name of a file, received the photo itself ({name[:30]}...). Save the "
                "photos as files, and name them there."
            )
        names = list(
            dict.fromkeys([*_spellings(name), *_spellings(upload if isinstance(upload, str) else "")])
        )
        for one in names:
            if (path := self._finder.known(one, self._places)) is not None:
                return path, ""
        bases = [PurePosixPath(one.replace("\\", "/")).name for one in names]
        for base in bases:
            if (path := self._original(base)) is not None:
                self._claim(path, base, where)
                return path, ""
        return self._finder.find(next(filter(None, bases), name), where, self._places)

    def _claim(self, path: Path, base: str, where: str) -> None:
        other = self._renamed.setdefault(path, base)
        if other != base:
            raise DatasetError(
                f"{where}: expected a photo of its own for each upload, but {other} and {base} both fit "
                f"{self._tree.name(path)}. Give the files the names of the uploads."
            )

    def _original(self, base: str) -> Path | None:
        """The file that was uploaded under a name, which Label Studio changed."""
        if not _UPLOADED.match(base):
            return None
        name = _UPLOADED.sub("", base, count=1)
        if (path := self._finder.known(name, self._places)) is not None:
            return path
        found = self._by_upload.get(name.casefold(), [])
        return self._tree.path(found[0]) if len(found) == 1 else None

    @cached_property
    def _by_upload(self) -> dict[str, list[str]]:
        """Photos by the name that Label Studio gives them."""
        names: dict[str, list[str]] = defaultdict(list)
        for name in self._tree.images:
            base = PurePosixPath(name).name.strip().replace(" ", "_")
            names[_DROPPED.sub("", base).casefold()].append(name)
        return names


def photo_of(data: Entry) -> str | None:
    """The photo in a task's data: `image`, else the first text that looks like one."""
    image = data.get("image")
    if isinstance(image, str) and image.strip():
        return image.strip()
    texts = [value.strip() for value in data.values() if isinstance(value, str)]
    return next((text for text in texts if _is_photo(text)), None)


def _is_photo(text: str) -> bool:
    if "\n" in text or len(text) > 4096:
        return text.startswith("data:image/")
    names = [text, *_spellings(text)]
    return any(PurePosixPath(name.split("?")[0]).suffix.lower() in IMAGE_SUFFIXES for name in names)


def _spellings(name: str) -> Iterator[str]:
    """What a name may mean: a local file, a file in storage, an upload; else what it says."""
    try:
        address = urlsplit(name)
        query = parse_qs(address.query)
    except ValueError:  # such as a bracket that is not closed
        yield name
        return
    if "local-files" in address.path and query.get("d"):
        yield query["d"][0]
    elif query.get("fileuri"):
        yield from _spellings(_decoded(query["fileuri"][0]))
    elif "/upload/" in address.path or address.path.startswith("upload/"):
        if not address.path.startswith("/"):
            yield name  # a folder of the source may have this name
        yield unquote(address.path.rpartition("/")[2])
    elif address.scheme and address.netloc:
        yield f"{address.netloc}{unquote(address.path)}"
        yield name
    elif name:
        yield name


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return text
