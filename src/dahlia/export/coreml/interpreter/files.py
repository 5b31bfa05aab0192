"""Core ML's files on disk: the message of a model, the weights beside it, and the values in both."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from dahlia.errors import VerificationError

_ALIAS = "dahlia.export.coreml.interpreter._coremltools_proto"
# A blob begins with this record: a mark, the kind of its numbers, their bytes, and where they lie.
_RECORD = struct.Struct("<IIQQ")
_MARK = 0xDEADBEEF
_WRITTEN = {
    "floats": np.float32,
    "ints": np.int32,
    "bools": np.bool_,
    "longInts": np.int64,
    "doubles": np.float64,
}
_PACKAGED = ("mlProgram", "pipeline")
_ALONE = ("neuralNetworkClassifier", "neuralNetwork", "pipeline")
_KINDS = {1: np.float16, 2: np.float32, 3: np.uint8, 4: np.int8, 6: np.int16, 7: np.uint16, 14: np.int32}


def read_model(path: Path) -> tuple[Any, Weights]:
    """The `Model` message of a `.mlpackage` or `.mlmodel`, and where its weights are.

    Raises:
        VerificationError: something is missing or damaged.
    """
    root = _root(path) if path.suffix == ".mlpackage" else path
    model = messages().Model_pb2.Model()
    try:
        model.ParseFromString(root.read_bytes())
    except (OSError, DecodeError) as error:
        raise VerificationError(
            f"{root} was expected to be a Core ML model and cannot be read: {error}. Export again."
        ) from error
    kind = model.WhichOneof("Type")
    expected = _PACKAGED if path.suffix == ".mlpackage" else _ALONE
    if kind not in expected:
        raise VerificationError(
            f"{path} was expected to hold one of {', '.join(expected)} and holds a {kind}. Export again."
        )
    return model, Weights(root.parent)


def _root(package: Path) -> Path:
    manifest = package / "Manifest.json"
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        entries = content["itemInfoEntries"]
        return package / "Data" / str(entries[content["rootModelIdentifier"]]["path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerificationError(
            f"{manifest} was expected to say where the program lies and does not ({error!r}). Export again."
        ) from error


@functools.cache
def messages() -> Any:
    """The package of generated classes: `Model_pb2`, `MIL_pb2`, `NeuralNetwork_pb2`, `FeatureTypes_pb2`.

    Raises:
        VerificationError: coremltools is not installed.
    """
    # `find_spec` of a package at the top imports nothing.
    found = importlib.util.find_spec("coremltools")
    if found is None or found.origin is None:
        raise VerificationError(
            "Core ML's files are read with coremltools, which is missing. Run `pip install coremltools`."
        )
    folder = Path(found.origin).parent / "proto"
    spec = importlib.util.spec_from_file_location(
        _ALIAS, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise VerificationError(f"{folder} was expected to hold Core ML's schema. Install coremltools again.")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_ALIAS] = package
    spec.loader.exec_module(package)
    return package


class Weights:
    """The folder that a program's `@model_path/weights/...` names.

    Args:
        folder: where the file of the program lies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, bytes] = {}

    def read(self, name: str, offset: int) -> npt.NDArray[Any]:
        """The numbers of one blob, flat, of the type in which they are kept.

        Raises:
            VerificationError: the file is missing, is cut short, or has no blob there.
        """
        content = self._content(name)
        if offset + _RECORD.size > len(content):
            raise _cut_short(name, offset + _RECORD.size, len(content))
        mark, kind, length, place = _RECORD.unpack_from(content, offset)
        if mark != _MARK or kind not in _KINDS:
            raise VerificationError(
                f"{name} was expected to hold weights at byte {offset}, of a kind that is known here, and "
                f"does not (mark {mark:#x}, kind {kind}). Export again."
            )
        if place + length > len(content):
            raise _cut_short(name, place + length, len(content))
        kept = np.dtype(_KINDS[kind])
        return np.frombuffer(content, kept, length // kept.itemsize, place)

    def _content(self, name: str) -> bytes:
        if name not in self._files:
            path = self._folder / name.removeprefix("@model_path/")
            try:
                self._files[name] = path.read_bytes()
            except OSError as error:
                raise VerificationError(
                    f"{path} was expected to hold the program's weights and cannot be read: {error}. Export "
                    "again."
                ) from error
        return self._files[name]


def _cut_short(name: str, expected: int, received: int) -> VerificationError:
    return VerificationError(
        f"{name} was expected to have at least {expected} bytes and has {received}: it is cut short. Export "
        "again."
    )


def value_of(value: Any, weights: Weights) -> Any:
    """A `MIL.Value` as a numpy array, a number, a truth value, a text, or a list of texts.

    Numbers of half precision are given as float32, with nothing lost.

    Raises:
        VerificationError: it is of a type that is not known here, or the weights are not whole.
    """
    kind = value.type.WhichOneof("type")
    if kind == "listType":
        return [value_of(item, weights) for item in value.immediateValue.list.values]
    if kind != "tensorType":
        raise VerificationError(
            f"The program holds a value of the type {kind}, expected tensors and lists. Export again."
        )
    if value.WhichOneof("value") == "blobFileValue":
        numbers = weights.read(value.blobFileValue.fileName, value.blobFileValue.offset)
    else:
        numbers = _immediate(value)
    shape = shape_of(value.type)
    if isinstance(numbers, list):
        return numbers if shape else numbers[0]
    if numbers.size != int(np.prod(shape, dtype=np.int64)):
        raise VerificationError(
            f"A value of the program was expected to have the shape {shape} and has {numbers.size} numbers. "
            "Export again."
        )
    if numbers.dtype == np.float16:
        numbers = numbers.astype(np.float32)
    return numbers.reshape(shape) if shape else numbers[0].item()


def _immediate(value: Any) -> Any:
    tensor = value.immediateValue.tensor
    kind = tensor.WhichOneof("value")
    if kind is None:
        return np.zeros(0, np.float32)
    if kind == "bytes":
        return np.frombuffer(tensor.bytes.values, _bytes_type(value.type.tensorType.dataType))
    values = getattr(tensor, kind).values
    if kind == "strings":
        return [str(text) for text in values]
    return np.array(values, _WRITTEN[kind])


def _bytes_type(kind: int) -> npt.DTypeLike:
    names = messages().MIL_pb2.DataType
    known = {
        "FLOAT16": np.float16,
        "INT8": np.int8,
        "UINT8": np.uint8,
        "INT16": np.int16,
        "UINT16": np.uint16,
        "UINT32": np.uint32,
    }
    name = names.Name(kind)
    if name not in known:
        raise VerificationError(
            f"The program holds numbers of the type {name}, expected one of {', '.join(known)}. Export again."
        )
    return known[name]


def shape_of(kind: Any) -> tuple[int, ...]:
    """The shape that a `MIL.ValueType` of a tensor declares."""
    return tuple(int(dimension.constant.size) for dimension in kind.tensorType.dimensions)
