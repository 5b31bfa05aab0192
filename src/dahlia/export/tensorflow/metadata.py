"""The metadata of a LiteRT file, written and read: tables of `metadata_schema.fbs` (`M001`), and the labels.

The schema is that of https://github.com/tensorflow/tflite-support. The tables lie in a buffer of the model
named `TFLITE_METADATA`; the files that they name are appended to the model as a zip, uncompressed.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import flatbuffers
from flatbuffers.number_types import UOffsetTFlags
from flatbuffers.table import Table

from dahlia.errors import VerificationError
from dahlia.export.port import LABELS, output_of
from dahlia.export.tensorflow.graph import INPUT
from dahlia.modeling.card import ModelCard

IDENTIFIER = b"M001"
ANSWER = "probability"
# Numbers of the schema.
_TENSOR_AXIS_LABELS = 2
_FEATURE, _IMAGE = 1, 2
_NORMALISATION = 1
_RGB, _UNKNOWN_COLOURS = 1, 0
_ENTRY = "TFLITE_METADATA"
_MODEL_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16


def describe(card: ModelCard) -> bytes:
    """The tables: the model, its image, and its probabilities with `labels.txt` as the names of the axis.

    The schema knows red, green, blue and grey alone. A model that takes blue, green, red is said to be of
    unknown colours, and the text says which: readers that feed red first should not believe they fit.
    """
    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        7,
        {
            2: _vector(builder, [_image(builder, card)]),
            3: _vector(builder, [_answer(builder, card)]),
        },
    )
    texts = {
        0: card.project,
        1: f"Says which of {len(card.tags)} tags fit a photo. Domain {card.domain}.",
        2: card.data_fingerprint[:16],
        4: f"The owner of the project {card.project}, with Dahlia {card.dahlia_version}",
        5: _licence(card),
        7: "1.0.0",
    }
    strings = {slot: builder.CreateString(text) for slot, text in texts.items()}
    builder.Finish(_table(builder, 8, strings | {3: _vector(builder, [graph])}), IDENTIFIER)
    return bytes(builder.Output())


def _licence(card: ModelCard) -> str:
    backbone = card.backbone
    start = backbone.source or f"{backbone.weights} {backbone.architecture}"
    licence = f" ({backbone.licence})" if backbone.licence else ""
    return (
        f"The model is its owner's. It started from the weights `{start}`, whose licence{licence} counts too."
    )


def _image(builder: Any, card: ModelCard) -> int:
    size, order = card.input.size, card.channels
    edges = _table(builder, 2, {}, whole={0: size, 1: size})
    image = _table(builder, 2, {1: edges}, small={0: _RGB if order == "RGB" else _UNKNOWN_COLOURS})
    normalise = _table(builder, 2, {0: _floats(builder, [0]), 1: _floats(builder, [1])})
    unit = _table(builder, 2, {1: normalise}, small={0: _NORMALISATION})
    colours = "red, green, blue" if order == "RGB" else "blue, green, red"
    fields = {
        0: builder.CreateString(INPUT),
        1: builder.CreateString(
            f"A photo, resized to {size} x {size} pixels, each as {colours} from 0 to 255. Scaling is inside."
        ),
        3: _table(builder, 3, {1: image}, small={0: _IMAGE}),
        4: _vector(builder, [unit]),
        5: _table(builder, 2, {0: _floats(builder, [255]), 1: _floats(builder, [0])}),
    }
    return _table(builder, 7, fields)


def _answer(builder: Any, card: ModelCard) -> int:
    file = {0: builder.CreateString(LABELS), 1: builder.CreateString("The tags, in the order of the axis.")}
    labels = _table(builder, 4, file, small={2: _TENSOR_AXIS_LABELS})
    meaning = output_of(card).meaning
    fields = {
        0: builder.CreateString(ANSWER),
        1: builder.CreateString(f"{meaning[0].upper()}{meaning[1:]}."),
        3: _table(builder, 3, {1: _table(builder, 0, {})}, small={0: _FEATURE}),
        5: _table(builder, 2, {0: _floats(builder, [1]), 1: _floats(builder, [0])}),
        6: _vector(builder, [labels]),
    }
    return _table(builder, 7, fields)


def _table(
    builder: Any,
    slots: int,
    offsets: Mapping[int, int],
    *,
    small: Mapping[int, int] | None = None,
    whole: Mapping[int, int] | None = None,
) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in (whole or {}).items():
        builder.PrependUint32Slot(slot, number, 0)
    for slot, number in (small or {}).items():
        builder.PrependUint8Slot(slot, number, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, numbers: Sequence[float]) -> int:
    builder.StartVector(4, len(numbers), 4)
    for number in reversed(numbers):
        builder.PrependFloat32(number)
    return int(builder.EndVector())


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


def with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """Append `labels.txt` as readers of the metadata expect it; the same labels give the same bytes."""
    entry = zipfile.ZipInfo(LABELS)
    entry.external_attr = 0o644 << 16
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(entry, "\n".join(labels).encode())
    return file.getvalue()


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
