"""Why a database and a storage are not used together, and the ways on."""

from __future__ import annotations

import shlex
from pathlib import Path

from dahlia.errors import ConfigError

_OWN = "check database.url and storage.url with `dahlia config`"
_WAYS = {
    "restore": "`dahlia restore FILE` brings back the last backup, into an empty database: move dahlia.db "
    "and the files beside it that end in -wal and -shm away first",
    "rescue": "`dahlia rescue` makes a server of what is stored, where there is no backup",
    "adopt": "`dahlia adopt` makes the two belong together as they are",
    "prefix": "a new server needs a storage.url (a folder or a prefix) of its own",
    "old": "put the right database back, with its -wal file if it has one",
}


class PairingError(ConfigError):
    """Database and storage do not belong together; no file was changed.

    Args:
        found: what was found.
        ways: keys of the ways on, besides checking the settings.
        backup: the newest backup that is known.
    """

    def __init__(self, found: str, *ways: str, backup: Path | None = None) -> None:
        listed = "".join(f"\n  - {_WAYS[way]}" for way in ways)
        if backup:
            listed = listed.replace("dahlia restore FILE", f"dahlia restore {shlex.quote(str(backup))}")
        super().__init__(f"{found} Nothing was deleted or overwritten. First {_OWN}; otherwise:{listed}")
        self._found, self._ways = found, ways

    def with_backup(self, backup: Path | None) -> PairingError:
        """The same, naming the newest backup."""
        return PairingError(self._found, *self._ways, backup=backup)
