"""What torch makes of the trained model, kept for the other flavours of one export.

Following a network takes half of the time of a conversion, and gives all four flavours the same. It stays in
the memory of the process, which ends with the export.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

from torch import nn

from dahlia.errors import TrainingError
from dahlia.export.coreml.convert import followed
from dahlia.export.port import Source
from dahlia.files import sha256_of

_kept: dict[str, Any] = {}
_lock = threading.Lock()


def followed_once(source: Source, module: Callable[[], nn.Module]) -> Any:
    """See `followed`; of one model once.

    Args:
        source: the trained model.
        module: makes what is followed; always the same of one model.

    Raises:
        ExportError: torch cannot follow it.
        TrainingError: the bundle is not whole.
    """
    name = _fingerprint(source)
    with _lock:
        if name not in _kept:
            graph = followed(module(), source.card)
            _kept.clear()  # one is as large as the model
            _kept[name] = graph
        return _kept[name]


def _fingerprint(source: Source) -> str:
    weights = source.bundle / "model.safetensors"
    try:
        content = sha256_of(weights)
    except OSError as error:
        raise TrainingError(
            f"{weights} could not be read ({error}). Run `dvc repro train` to train it again."
        ) from error
    return hashlib.sha256(f"{content}\n{source.card.model_dump_json()}".encode()).hexdigest()
