"""The files of iterations that are deleted."""

from __future__ import annotations

import logging
import shutil

from dahlia.server.context import Server
from dahlia.server.predictions.model_files import MODELS
from dahlia.server.storage.errors import StorageError
from dahlia.server.storage.names import EXPORTS, iteration_prefix

_logger = logging.getLogger("dahlia.server")


def discard_files(server: Server, iteration_id: str) -> None:
    """Delete what a deleted iteration left; what cannot be deleted now, cleaning deletes later.

    Predictions under way have its model in memory. Copies on other machines go when their servers start next.
    """
    shutil.rmtree(server.settings.server.home / MODELS / iteration_id, ignore_errors=True)
    try:
        for prefix in (iteration_prefix(iteration_id), f"{EXPORTS}/{iteration_id}"):
            server.storage.delete_folder(prefix)
    except StorageError as error:
        _logger.warning("Files of the deleted iteration %s are deleted later. %s", iteration_id, error)
