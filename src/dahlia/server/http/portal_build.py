"""Where the portal's built files are, and the files themselves, as they are sent.

A wheel carries them beside the package; a checkout has them where `make portal` writes them.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

PAGE = "index.html"
_PACKAGE = Path(__file__).parents[2]
_PLACES = (_PACKAGE / "portal", _PACKAGE.parents[1] / "portal" / "dist")
_HASHED = "assets"  # the folder of files whose names have a hash of their content
_WORTH_COMPRESSING = 1024
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_COMPRESSED = {".woff2", ".png", ".jpg", ".webp"}


@dataclass(frozen=True)
class BuiltFile:
    """A file of the build.

    Attributes:
        content: its bytes.
        media_type: by its name.
        hashed: whether its name tells its content, so that it never changes.
        compresses: whether it is worth compressing.
    """

    content: bytes
    media_type: str
    hashed: bool
    compresses: bool

    @cached_property
    def etag(self) -> str:
        """Names its content."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes | None:
        """As gzip, made on first use; None where it would save little."""
        return gzip.compress(self.content, 9, mtime=0) if self.compresses else None


class PortalBuild:
    """The files of a build, each read when it is first asked for, and again when it has changed.

    Args:
        folder: that has them; None to look where builds are.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._places = (folder,) if folder else _PLACES
        self._read: dict[Path, tuple[tuple[int, int], BuiltFile]] = {}

    def file(self, name: str) -> BuiltFile | None:
        """A file of the build; None where there is none of this name, or no build.

        Args:
            name: its path in the build, with slashes.
        """
        try:
            path = self._path(name)
            if path is None:
                return None
            status = path.stat()
            version = (status.st_mtime_ns, status.st_size)
            known = self._read.get(path)
            if known is None or known[0] != version:
                known = self._read[path] = (version, _file(name, path.read_bytes()))
        except OSError:  # a new build takes its place, or no file system has such names
            return None
        return known[1]

    def _path(self, name: str) -> Path | None:
        parts = name.split("/")
        if any(part.startswith(".") or not part or "\\" in part or "\0" in part for part in parts):
            return None
        for folder in self._places:
            if (folder / PAGE).is_file():
                path = folder.joinpath(*parts).resolve()
                return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
        return None


def _file(name: str, content: bytes) -> BuiltFile:
    suffix = PurePosixPath(name).suffix
    return BuiltFile(
        content,
        _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream",
        hashed=name.startswith(f"{_HASHED}/"),
        compresses=suffix not in _COMPRESSED and len(content) > _WORTH_COMPRESSING,
    )
