"""Which names files may have: relative paths that cannot leave the storage."""

from __future__ import annotations

import unicodedata

from dahlia.server.storage.errors import StorageError

STAGED = ".staged"  # where files lie until they are whole; no key
MAX_KEY = 1024  # bytes; what S3 takes
MAX_NAME = 255  # bytes; what file systems take


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
