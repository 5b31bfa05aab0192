"""The metadata of a LiteRT file, put into it and read: its description, and the labels.

The tables of the description lie in a buffer of the model named `TFLITE_METADATA`; the files that they name
are appended to the model as a zip, uncompressed.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flatbuffers.number_types import UOffsetTFlags
from flatbuffers.table import Table

from dahlia.errors import VerificationError
from dahlia.export.port import LABELS
from dahlia.export.tensorflow.description import AXIS_LABELS, DESCRIPTIONS, IDENTIFIER, VALUE_LABELS
from dahlia.export.tensorflow.flat_buffers import packed, schema, unpacked

_NAMING = (DESCRIPTIONS, AXIS_LABELS, VALUE_LABELS)
_ENTRY = "TFLITE_METADATA"


def put_metadata(model: bytes, metadata: bytes) -> bytes:
    """The model with the tables in its buffer `TFLITE_METADATA`."""
    tables = unpacked(model)
    held = schema().BufferT()
    held.data = metadata
    tables.buffers.append(held)
    entry = schema().MetadataT(_ENTRY, len(tables.buffers) - 1)
    tables.metadata = [*(tables.metadata or []), entry]
    return packed(tables)


def with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """Append `labels.txt` as readers of the metadata expect it; the same labels give the same bytes."""
    entry = zipfile.ZipInfo(LABELS)
    entry.external_attr = 0o644 << 16
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(entry, "\n".join(labels).encode())
    return file.getvalue()


def read_labels_of(path: Path) -> tuple[str, ...]:
    """The labels that the metadata of a file names for one of its answers.

    Raises:
        VerificationError: the file is missing, is damaged, or carries no labels.
    """
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return tuple(archive.read(_labels_file(read_metadata(content))).decode().split("\n"))
    except (OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise _damaged(f"{path.name}: {error}") from error


def read_metadata(model: bytes) -> bytes:
    """The tables in the model's buffer `TFLITE_METADATA`.

    Raises:
        VerificationError: there are none, or the file is damaged.
    """
    try:
        tables = schema().Model.GetRootAsModel(model, 0)
        for entry in (tables.Metadata(number) for number in range(tables.MetadataLength())):
            if entry.Name() == _ENTRY.encode():
                content = bytes(tables.Buffers(entry.Buffer()).DataAsNumpy())
                if content[4:8] == IDENTIFIER:
                    return content
    except (struct.error, IndexError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(str(error)) from error
    raise _damaged(f"it has no {_ENTRY}")


def _labels_file(metadata: bytes) -> str:
    """From the model by its first subgraph (slot 3) and its outputs (3) to their files (6)."""
    try:
        (start,) = struct.unpack_from("<I", metadata)
        answers = _children(_children(Table(metadata, start), 3)[0], 3)
        for file in (file for answer in answers for file in _children(answer, 6)):
            kind, name = file.Offset(8), file.Offset(4)
            if kind and name and metadata[file.Pos + kind] in _NAMING:
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
