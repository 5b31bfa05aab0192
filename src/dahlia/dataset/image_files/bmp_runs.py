"""BMP's compression by runs: places in a palette, which may leave pixels out.

Source: Microsoft, "Bitmap Compression" (BI_RLE8, BI_RLE4).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
