"""The keys of files: where each kind lies in the storage, and that no key leaves it."""

from __future__ import annotations

import re
import unicodedata
from uuid import UUID

from dahlia.server.storage.backend import StorageError

IMAGES = "images"
THUMBNAILS = "thumbnails"
RESIZED = "resized"
ITERATIONS = "iterations"
EXPORTS = "exports"
HISTORIES = "histories"
IDENTITY = "identity.json"
"""Which server's files these are; see `dahlia.server.ownership`."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
STAGED = ".staged"  # where files lie until they are whole; no key
MAX_KEY = 1024  # bytes; what S3 takes
MAX_NAME = 255  # bytes; what file systems take


def image_key(sha256: str, suffix: str) -> str:
    """An image as it was uploaded: `images/ab/abcdef....jpg`.

    Args:
        sha256: of its bytes, in lower-case hexadecimal.
        suffix: of its format, with the dot.

    Raises:
        StorageError: one of the two is something else.
    """
    if not _SUFFIX.fullmatch(suffix):
        raise StorageError(f"Expected a suffix such as .jpg, received {suffix!r}. Give the format's own.")
    return _sharded(IMAGES, sha256, suffix)


def thumbnail_key(sha256: str) -> str:
    """An image's thumbnail."""
    return _sharded(THUMBNAILS, sha256, ".jpg")


def resized_key(sha256: str) -> str:
    """An image scaled down for looking at it."""
    return _sharded(RESIZED, sha256, ".jpg")


def iteration_prefix(iteration: str) -> str:
    """The folder of what an iteration's training left."""
    return f"{ITERATIONS}/{iteration}"


def servable_prefix(iteration: str) -> str:
    """The folder of an iteration's `model.onnx` and `model.json`, with the server's own ids."""
    return f"{iteration_prefix(iteration)}/servable"


def export_key(iteration: str, name: str) -> str:
    """A file that an iteration was exported to."""
    return f"{EXPORTS}/{iteration}/{name}"


def history_key(project: str) -> str:
    """A project's Git history."""
    return f"{HISTORIES}/{project}.bundle"


def sha256_of_key(key: str) -> str:
    """The SHA-256 that names a file of content, an image's or a thumbnail's; empty for another key."""
    name = key.rpartition("/")[2].partition(".")[0]
    return name if _SHA256.fullmatch(name) else ""


def is_id(text: str) -> bool:
    """Whether a text is a UUID as the server writes it."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def check_key(key: str) -> str:
    """The key, if a file may have it.

    Raises:
        StorageError: it is empty, absolute, has empty parts, `.` or `..`, a backslash or a control
            character, is too long, or begins with the reserved name.
    """
    problem = _problem(key)
    if problem:
        raise StorageError(
            f"Expected a key such as images/ab/abcd.jpg, received {key[:80]!r}, which {problem}. Use names "
            "joined by single slashes."
        )
    return key


def check_prefix(prefix: str) -> str:
    """The prefix without a slash at its end; empty for everything.

    Raises:
        StorageError: see `check_key`.
    """
    prefix = prefix.removesuffix("/")
    return check_key(prefix) if prefix else ""


def _sharded(folder: str, sha256: str, suffix: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise StorageError(
            f"Expected a SHA-256 in lower-case hexadecimal, received {sha256[:80]!r}. Hash the bytes."
        )
    return f"{folder}/{sha256[:2]}/{sha256}{suffix}"


def _problem(key: str) -> str:
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "has an empty part, . or .. in it"
    if "\\" in key or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in key):
        return "has a backslash or a control character in it"
    if parts[0] == STAGED:
        return "begins with a reserved name"
    if len(key.encode()) > MAX_KEY or any(len(part.encode()) > MAX_NAME for part in parts):
        return f"is longer than {MAX_KEY} bytes, or has a part longer than {MAX_NAME}"
    return ""
