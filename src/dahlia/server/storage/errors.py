"""Faults of the storage, in words that name neither a credential nor a query."""

from __future__ import annotations

import errno
import re

from dahlia.errors import DahliaError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TOO_MANY = {errno.EMFILE, errno.ENFILE}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_USER = re.compile(r"(?<=//)[^/@\s]+@")
_QUERY = re.compile(r"(?<=\S)\?[^\s\"']*")


class StorageError(DahliaError):
    """Files that cannot be written or read."""


class NotThere(StorageError):  # noqa: N818
    """A file that was asked for and is not stored."""


def not_there(place: str, key: str) -> NotThere:
    """There is no such file."""
    return NotThere(
        f"Expected the file {key} in {place}, received none. Upload it again, or restore it from a backup."
    )


def disk_fault(place: str, error: Exception) -> StorageError:
    """What a folder's disk reports."""
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", None)
    if is_full(error):
        advice = "Free some space there, then try again."
    elif number in _TOO_MANY:
        advice = "Allow the server more open files (`ulimit -n`, LimitNOFILE), or try again later."
    elif number in _FORBIDDEN:
        advice = "Mount it writable and let the server's user write there, then try again."
    else:
        advice = "Look after the disk and its permissions, then try again."
    return StorageError(
        f"Expected {place} to take and give files, received: {reason or type(error).__name__}. {advice} "
        "What was stored is unchanged."
    )


def is_full(error: Exception) -> bool:
    """Whether a disk has no room left; no bucket says so."""
    return getattr(error, "errno", None) in _FULL


def remote_fault(place: str, error: Exception) -> StorageError:
    """What a bucket, or the way to it, reports."""
    reason = scrub(str(error)).strip().rstrip(".") or type(error).__name__
    return StorageError(
        f"Expected {place} to take and give files, received: {reason}. Check that it exists, its endpoint "
        "(AWS_ENDPOINT_URL for s3://), the credentials and the network, then try again."
    )


def scrub(text: str) -> str:
    """A text without user names, passwords and queries of the URLs in it."""
    return _QUERY.sub("", _USER.sub("", text))
