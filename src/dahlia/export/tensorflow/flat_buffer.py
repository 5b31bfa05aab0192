"""The metadata of a file of LiteRT: put into it, and read from it."""

from __future__ import annotations

import io
import struct
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import flatbuffers
from flatbuffers.number_types import UOffsetTFlags
from flatbuffers.table import Table

from dahlia.errors import VerificationError
from dahlia.export.tensorflow.metadata import IDENTIFIER

_ENTRY = "TFLITE_METADATA"
_MODEL_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16
_TENSOR_AXIS_LABELS = 2


def put_metadata(model: bytes, metadata: bytes) -> bytes:
    """The model with the tables in its buffer `TFLITE_METADATA`."""
    schema: Any = import_module("tensorflow.lite.python.schema_py_generated")
    tables = schema.ModelT.InitFromPackedBuf(model)
    tables.buffers = [_Aligned(schema, buffer.data) for buffer in tables.buffers]
    tables.buffers.append(_Aligned(schema, metadata))
    entry = schema.MetadataT(_ENTRY, len(tables.buffers) - 1)
    tables.metadata = [*(tables.metadata or []), entry]
    builder = flatbuffers.Builder(len(model) + len(metadata) + 1024)
    builder.Finish(tables.Pack(builder), _MODEL_IDENTIFIER)
    return bytes(builder.Output())


class _Aligned:
    """A buffer at a multiple of 16 bytes, as the schema asks for and the generated code forgets."""

    def __init__(self, schema: Any, data: Any) -> None:
        self.schema = schema
        self.data = b"" if data is None else bytes(data)

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the name that the generated code calls
        vector = 0
        if self.data:
            builder.StartVector(1, len(self.data), _ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            vector = builder.EndVector()
        self.schema.BufferStart(builder)
        if self.data:
            self.schema.BufferAddData(builder, vector)
        return int(self.schema.BufferEnd(builder))


def read_metadata(model: bytes) -> bytes:
    """The tables in the model's buffer `TFLITE_METADATA`.

    Raises:
        VerificationError: there are none, or the file is damaged.
    """
    schema: Any = import_module("tensorflow.lite.python.schema_py_generated")
    try:
        tables = schema.Model.GetRootAsModel(model, 0)
        for entry in (tables.Metadata(number) for number in range(tables.MetadataLength())):
            if entry.Name() == _ENTRY.encode():
                content = bytes(tables.Buffers(entry.Buffer()).DataAsNumpy())
                if content[4:8] == IDENTIFIER:
                    return content
    except (struct.error, IndexError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(str(error)) from error
    raise _damaged(f"it has no {_ENTRY}")


def read_labels_of(path: Path) -> tuple[str, ...]:
    """The labels that the metadata of a file names for the last axis of the first answer.

    Raises:
        VerificationError: the file is missing, is damaged, or carries no labels.
    """
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return tuple(archive.read(_labels_file(read_metadata(content))).decode().split("\n"))
    except (OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise _damaged(f"{path.name}: {error}") from error


def _labels_file(metadata: bytes) -> str:
    """From the model by its first subgraph (slot 3) and its first output (3) to the files (6)."""
    try:
        (start,) = struct.unpack_from("<I", metadata)
        answer = _children(_children(Table(metadata, start), 3)[0], 3)[0]
        for file in _children(answer, 6):
            kind, name = file.Offset(8), file.Offset(4)
            if kind and name and metadata[file.Pos + kind] == _TENSOR_AXIS_LABELS:
                return bytes(file.String(file.Pos + name)).decode()
    except (struct.error, IndexError) as error:
        raise _damaged(str(error)) from error
    raise _damaged("its metadata names no labels")


def _children(table: Any, slot: int) -> list[Any]:
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return []
    start = table.Vector(offset)
    width = UOffsetTFlags.bytewidth
    places = (start + width * number for number in range(table.VectorLen(offset)))
    return [Table(table.Bytes, table.Indirect(place)) for place in places]


def _damaged(what: str) -> VerificationError:
    return VerificationError(
        f"A file of LiteRT was expected to carry its labels in its metadata: {what}. Export again."
    )
