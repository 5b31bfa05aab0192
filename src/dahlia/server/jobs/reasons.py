"""Why a job failed, as clients read it: where the server keeps its files is not for them."""

from __future__ import annotations

import re
from pathlib import Path

_PART = r"[^\s/'\"“”‘’()<>\[\]:;,]+"
# Folders before a name; the slashes of an address follow a colon, a letter or a slash.
_FOLDERS = re.compile(rf"(?<![\w/:.~-])/(?:{_PART}/)+(?=\.?\w)")


def without_folders(reason: str, *known: Path) -> str:
    """Leave of each absolute path its last part, or, below a known folder, the part below.

    Args:
        reason: a sentence that may name files.
        known: folders of the server; their names may have spaces, by which paths are not recognised.
    """
    for folder in sorted(
        {name for one in known for name in (one, one.resolve())}, key=lambda one: -len(str(one))
    ):
        reason = reason.replace(f"{folder}/", "").replace(str(folder), folder.name)
    return _FOLDERS.sub("", reason)
