"""The user's cache folder: what can be made again, and saves time where it is there.

Others may write to a folder that is shared, so nothing in it is believed unchecked.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


def user_cache(name: str) -> Path:
    """The folder `dahlia/NAME` in the user's cache folder: `XDG_CACHE_HOME` if absolute, else `~/.cache`.

    It may not be there, nor possible to make: what keeps files in it works without them too.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))  # only an absolute one counts, as its standard says
    if not base.is_absolute():
        try:
            base = Path("~/.cache").expanduser()
        except RuntimeError:  # a user without a home has no cache
            base = Path(os.devnull)
    return base / "dahlia" / name


def is_own_file(path: Path, most: int) -> bool:
    """Whether a file is the user's own, no link, and of no more than `most` bytes."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    own = getattr(os, "geteuid", lambda: facts.st_uid)()
    return stat.S_ISREG(facts.st_mode) and facts.st_uid == own and facts.st_size <= most


def is_own_folder(path: Path) -> bool:
    """Whether a folder is the user's own, no link, and nobody else may write to it."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    own = getattr(os, "geteuid", lambda: facts.st_uid)()
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == own and not facts.st_mode & 0o022
