"""Lightning's checkpoints as safetensors: tensors as they are, everything else as JSON in the header."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from dahlia.errors import TrainingError
from dahlia.files import staged_file

_HEADER = "state"
_TENSOR, _PAIRS, _TUPLE = "tensor", "dict", "tuple"


class SafetensorsCheckpoints(CheckpointIO):
    """Writes a checkpoint whole or not at all, and reads it without pickle.

    A checkpoint may hold tensors, and dicts, lists and tuples of numbers, texts, booleans and None.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to the file `path`.

        Raises:
            TrainingError: it holds something that cannot be kept.
            DahliaError: the file cannot be written.
        """
        tensors: dict[str, torch.Tensor] = {}
        state = json.dumps(_packed(checkpoint, tensors))
        with staged_file(Path(path)) as staged:
            _write(tensors, staged, state)

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read what `save_checkpoint` wrote.

        Raises:
            TrainingError: the file is missing or damaged.
        """
        try:
            with safe_open(str(path), "pt") as file:
                state = json.loads(file.metadata()[_HEADER])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            unpacked: dict[str, Any] = _unpacked(state, tensors)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"The checkpoint {path} cannot be read ({error}). Delete it, and training starts again."
            ) from error
        return unpacked

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the file, if it is there."""
        Path(path).unlink(missing_ok=True)


def _write(tensors: dict[str, torch.Tensor], path: Path, state: str) -> None:
    try:
        save_file(tensors, path, metadata={_HEADER: state})
    except SafetensorError as error:
        # A full disk is one of these too, with its number in the text alone.
        found = re.search(r"os error (\d+)", str(error))
        number = int(found.group(1)) if found else errno.EIO
        raise OSError(number, os.strerror(number)) from error


def _packed(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # Tensors that share memory, as tied weights do, cannot lie in one file.
        kept = value.detach().cpu().clone()
        tensors[name] = kept.contiguous()
        # Another layout may mean another kernel, whose sums differ in the last bit.
        strides = None if kept.stride() == torch.empty(kept.shape, device="meta").stride() else kept.stride()
        return {_TENSOR: [name, strides]}
    if isinstance(value, dict):
        return {_PAIRS: [[_packed(key, tensors), _packed(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {_TUPLE: [_packed(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_packed(item, tensors) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TrainingError(
        f"A checkpoint may hold tensors, numbers and texts, received {type(value).__name__}. Keep it out of "
        "the state."
    )


def _unpacked(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == _TENSOR:
        name, strides = content
        tensor = tensors[name]
        return tensor if strides is None else _laid_out(tensor, strides)
    if kind == _TUPLE:
        return tuple(_unpacked(item, tensors) for item in content)
    return {_unpacked(key, tensors): _unpacked(item, tensors) for key, item in content}


def _laid_out(tensor: torch.Tensor, strides: list[int]) -> torch.Tensor:
    expected = 1
    for stride, edge in sorted(zip(strides, tensor.shape, strict=True)):
        if edge > 1 and stride != expected:
            raise ValueError(f"strides {strides} do not fit the shape {list(tensor.shape)}")
        expected *= edge
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)
