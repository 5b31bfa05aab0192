"""Tensors by their names: in files of safetensors, and their fingerprint."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, "Tensor"]
COUNTER = "num_batches_tracked"  # of batch normalisation in training; features do not depend on it


def read_safetensors(path: Path) -> Tensors:
    """The tensors of a file; floating-point numbers of any precision as float32.

    Raises:
        WeightsError: it is not there, or is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise WeightsError(
            f"{path} was expected and is not there. Correct `backbone.weights`, or use `bundled`."
        ) from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is not a safetensors file ({error}). Pickled checkpoints are not read: convert it with "
            "safetensors, or use `bundled`."
        ) from error
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors.

    Raises:
        OSError: the file cannot be written, with the number that the system gives.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata=metadata)
    except SafetensorError as error:
        # A full disk is one of these too, with its number in the text alone.
        found = re.search(r"os error (\d+)", str(error))
        number = int(found.group(1)) if found else errno.EIO
        raise OSError(number, os.strerror(number)) from error


def weights_fingerprint(architecture: str, normalisation: object, tensors: Tensors) -> str:
    """SHA-256 over the architecture, the normalisation, and every tensor's name, shape and bytes."""
    digest = hashlib.sha256(json.dumps([architecture, normalisation]).encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().numpy()
        digest.update(f"{name}{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
