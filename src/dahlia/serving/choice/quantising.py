"""The graph of a model in 8 bits, made where it is served: what is worth it depends on the processor."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dahlia import layout
from dahlia.files import unfinished
from dahlia.imports import is_there
from dahlia.serving.choice.one_process import OneProcess, last_line
from dahlia.serving.models.runtimes import QUANTISER

MODULE: Final = "dahlia.export.onnx.served_int8"
_SECONDS = 10.0

_logger = logging.getLogger("bentoml.dahlia")


def make_graph(process: OneProcess, folder: Path, outputs: Sequence[str], target: Path) -> Path | None:
    """Make the graph of 8 bits.

    Args:
        process: makes it: the service has neither the package nor the memory.
        folder: of the model; without photos nothing is made.
        outputs: names of those that the graph is to have.
        target: the file.

    Returns:
        The file; None where it cannot be made. The log says why.
    """
    photos = folder / layout.PHOTOS
    if not photos.exists() or not is_there(QUANTISER):
        lacking = photos if is_there(QUANTISER) else f"the package {QUANTISER}"
        _logger.info("No graph of 8 bits can be made without %s.", lacking)
        return None
    target.unlink(missing_ok=True)
    _, errors = process.run(MODULE, [str(folder.resolve()), str(target), *outputs], _SECONDS)
    for left in unfinished(target):  # by a process that was killed; no other one makes graphs now
        left.unlink(missing_ok=True)
    if target.exists():
        return target
    _logger.info("No graph of 8 bits was made of %s: %s", folder, last_line(errors))
    return None
