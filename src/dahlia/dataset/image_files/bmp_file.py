"""BMP: rows of pixels behind a header; colours in any bits of a pixel; runs.

Source of the runs: Microsoft, "Bitmap Compression" (BI_RLE8, BI_RLE4).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.dataset.image_files.image_header import ImageHeader, truncated

_RAW, _BITFIELDS, _ALPHA_BITFIELDS = 0, 3, 6
_CORE, _WITH_ALPHA_MASK = 12, 56  # bytes of headers: the oldest, and the first that has four masks
_ROWS = 256  # at work at once
_MADE = 8  # bytes per pixel of the rows that are made of masks or runs, and of the file around them
_RUNS = {(1, 8), (2, 4)}  # compressions, and the bits that they are of


@dataclass
class _Bitmap:
    """The fields of a BMP's header; `rows` is the place of the first row in the file."""

    width: int
    height: int
    bits: int
    compression: int
    rows: int
    header: int
    top_down: bool

    @property
    def stride(self) -> int:
        return (self.width * self.bits + 31) // 32 * 4

    @property
    def has_masks(self) -> bool:
        return self.bits in (16, 32) and self.compression in (_BITFIELDS, _ALPHA_BITFIELDS)

    @property
    def has_runs(self) -> bool:
        return (self.compression, self.bits) in _RUNS

    @property
    def last(self) -> int:
        """Bytes of a row without what fills it up to four."""
        return -(-self.width * self.bits // 8)


def read_bmp(data: bytes) -> ImageHeader:
    """The header. A file is cut off where only the bytes that fill up its last row are missing.

    Raises:
        ImageError: `truncated`.
    """
    bitmap = _bitmap(data)
    cut_off = False
    if bitmap.compression in (_RAW, _BITFIELDS, _ALPHA_BITFIELDS) and bitmap.width > 0 and bitmap.height:
        needed = bitmap.rows + bitmap.stride * (bitmap.height - 1) + bitmap.last
        if len(data) < needed:
            raise truncated("BMP", len(data))
        cut_off = len(data) < bitmap.rows + bitmap.stride * bitmap.height
    made = _MADE * bitmap.width * bitmap.height if bitmap.has_masks or bitmap.has_runs else 0
    return ImageHeader("BMP", bitmap.width, bitmap.height, coefficients=made, cut_off=cut_off)


def tidy_bmp(data: bytes) -> bytes:
    """A BMP with whole rows, without runs, and with a byte for each colour in place of masks.

    Transparency that leaves nothing to see is none: many programs write zeros there.

    Raises:
        ImageError: `truncated`.
    """
    bitmap = _bitmap(data)
    if bitmap.has_runs:
        return _without_runs(data, bitmap)
    data += bytes(bitmap.stride - bitmap.last)
    if not bitmap.has_masks:
        return data
    colours = _with_bytes(data, bitmap)
    height = -bitmap.height if bitmap.top_down else bitmap.height
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, bitmap.width, height, 1, 32, _BITFIELDS, 0, 0, 0, 0, 0)
    head += masks + bytes(108 - len(head) - len(masks))
    return b"BM" + struct.pack("<III", 0, 0, 14 + len(head)) + head + colours


def _without_runs(data: bytes, bitmap: _Bitmap) -> bytes:
    try:
        rows = unpacked(data[bitmap.rows :], bitmap.width, bitmap.height, bitmap.bits)
    except (IndexError, ValueError):
        raise truncated("BMP", len(data)) from None
    whole = np.pad(rows, ((0, 0), (0, -bitmap.width % 4)))
    head = bytearray(data[: bitmap.rows])
    struct.pack_into("<HI", head, 28, 8, _RAW)
    return bytes(head) + whole.tobytes()


def _bitmap(data: bytes) -> _Bitmap:
    rows, header = struct.unpack_from("<II", data, 10)
    if header == _CORE:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        return _Bitmap(width, height, bits, _RAW, rows, header, top_down=False)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    return _Bitmap(width, abs(height), bits, compression, rows, header, top_down=height < 0)


def _with_bytes(data: bytes, bitmap: _Bitmap) -> bytes:
    """The rows in their order, as blue, green, red and opacity."""
    masks = list(struct.unpack_from("<3I", data, 54))
    has_alpha = bitmap.header >= _WITH_ALPHA_MASK or bitmap.compression == _ALPHA_BITFIELDS
    masks += struct.unpack_from("<I", data, 66) if has_alpha else (0,)
    if not any(masks):
        masks = [0xFF0000, 0xFF00, 0xFF, 0]
    kind = np.dtype("<u2" if bitmap.bits == 16 else "<u4")
    shape, strides = (bitmap.height, bitmap.width), (bitmap.stride, kind.itemsize)
    values: npt.NDArray[np.unsignedinteger] = np.ndarray(shape, kind, data, bitmap.rows, strides)
    made = np.empty((*shape, 4), np.uint8)
    for top in range(0, bitmap.height, _ROWS):
        some = values[top : top + _ROWS]
        for place, mask in zip((2, 1, 0, 3), masks, strict=True):
            made[top : top + _ROWS, :, place] = _scaled(some, mask & (1 << bitmap.bits) - 1)
    if not made[..., 3].any():
        made[..., 3] = 255
    return made.tobytes()


def _scaled(values: npt.NDArray[np.unsignedinteger], mask: int) -> npt.NDArray[np.uint8]:
    """The bits of a mask as 0 to 255; zeros where it has none."""
    if not mask:
        return np.zeros(values.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    found = (values & mask) >> shift
    if most > 255:
        return (found >> (most.bit_length() - 8)).astype(np.uint8)
    table: npt.NDArray[np.uint8] = np.round(np.arange(most + 1) * (255 / most)).astype(np.uint8)
    return np.asarray(table[found], np.uint8)


_END_OF_LINE, _END, _JUMP = 0, 1, 2


def unpacked(data: bytes, width: int, height: int, bits: int) -> npt.NDArray[np.uint8]:
    """(H, W) places in the palette, the image's last row first; 0 where nothing is said.

    Args:
        data: from the first run on.
        width: pixels.
        height: pixels.
        bits: of a place, 4 or 8.

    Raises:
        IndexError: the data stops before its end, and before the last row.
    """
    rows = np.zeros((height, width), np.uint8)
    x = y = position = 0
    while y < height:
        count, value = data[position], data[position + 1]
        position += 2
        if count:
            pair = (value >> 4, value & 15) if bits == 4 else (value, value)
            rows[y, x : x + count : 2], rows[y, x + 1 : x + count : 2] = pair
            x += count
        elif value == _END_OF_LINE:
            x, y = 0, y + 1
        elif value == _END:
            break
        elif value == _JUMP:
            x, y = x + data[position], y + data[position + 1]
            position += 2
        else:
            length = -(-value * bits // 8)
            given = np.frombuffer(data, np.uint8, length, position)
            if bits == 4:
                given = np.stack([given >> 4, given & 15], axis=1).ravel()
            room = max(0, min(value, width - x))
            rows[y, x : x + room] = given[:room]
            x += value
            position += length + length % 2
    return rows
