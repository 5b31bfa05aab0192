"""The server's state is for its own user: folders of mode 0700, files of 0600."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_OTHERS = 0o077
_ANYBODY = 0o007
_ROOT = Path("/")

_logger = logging.getLogger("dahlia.server")


@contextmanager
def private() -> Iterator[None]:
    """What this process and those that it starts write meanwhile is for their user alone.

    For a command's main thread, before others start: the umask is the whole process's.
    """
    before = os.umask(_OTHERS)
    os.umask(before | _OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def close(places: Iterable[Path]) -> None:
    """Take folders and files away from other users, where an earlier version or another umask gave them.

    What a group may use, and nobody else, was shared by somebody's choice and stays so; a warning says it.

    Args:
        places: whose contents nobody reaches once they are closed; those that are not there are passed over.
    """
    closed = [
        f"{path} (was {mode:04o})" for path in places if (mode := _open_mode(path)) and _taken(path, mode)
    ]
    if closed:
        _logger.warning("Closed to other users of this machine, who could read them: %s.", ", ".join(closed))


def warn_of_readers(path: Path) -> None:
    """Warn of a private file of the operator's own that any user may read; its mode stays as it is."""
    mode = _open_mode(path)
    if mode & _ANYBODY:
        _logger.warning(
            "All users of this machine may use %s (mode %04o); `chmod o= %s` ends that.", path, mode, path
        )


def _open_mode(path: Path) -> int:
    """The mode of what others may use; 0 where they may not, or nothing is there."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0  # who opens it says what is wrong with it
    return mode if mode & _OTHERS else 0


def _taken(path: Path, mode: int) -> bool:
    """Whether others may not use it any more."""
    if mode & _ANYBODY == 0:
        _logger.warning("The group of %s may use it (mode %04o); `chmod go= %s` ends that.", path, mode, path)
        return False
    if mode & stat.S_ISVTX or path == _ROOT:
        _logger.warning(
            "All users of this machine may use %s (mode %04o). Give the server a folder of its own with "
            "DAHLIA_SERVER_HOME.", path, mode,
        )  # fmt: skip
        return False
    try:
        path.chmod(mode & ~_OTHERS)
    except OSError as error:
        _logger.warning(
            "Other users of this machine may use %s (mode %04o), which cannot be changed: %s. Run `chmod go= "
            "%s` as its owner.", path, mode, error.strerror, path,
        )  # fmt: skip
        return False
    return True
