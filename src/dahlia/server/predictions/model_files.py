"""Models of iterations on this machine, brought from the storage when they are first loaded."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from dahlia.server.storage.names import servable_prefix
from dahlia.server.storage.storage import Storage
from dahlia.serving.models.sources import Servable

MODELS = "cache/models"
"""The folder in the server's home."""


class ModelFiles:
    """Copies of what trainings put into the storage.

    Args:
        storage: where it is.
        folder: of this machine; safe to delete while nothing runs.
    """

    def __init__(self, storage: Storage, folder: Path) -> None:
        self._storage = storage
        self._folder = folder
        self._lock = threading.Lock()

    def servable(self, iteration: str, number: int) -> Servable:
        """Where the files of an iteration are once they are brought."""
        return Servable(number, iteration, self._folder / iteration)

    def bring(self, servable: Servable, *, again: bool = False) -> bool:
        """Bring an iteration's files, unless they are here.

        Args:
            servable: of this folder.
            again: replace those that are here, because they cannot be used.

        Returns:
            Whether they were brought.

        Raises:
            StorageError: the storage does not have them, or cannot be used.
        """
        with self._lock:
            if servable.folder.exists() and not again:
                return False
            self._storage.fetch_folder(servable_prefix(servable.id), servable.folder)
            return True

    def forget(self, is_known: Callable[[str], bool]) -> None:
        """Delete the files of iterations that are not known any more, and what a kill left half brought."""
        if not self._folder.exists():
            return
        with self._lock:
            for folder in self._folder.iterdir():
                if not is_known(folder.name):
                    shutil.rmtree(folder, ignore_errors=True)
