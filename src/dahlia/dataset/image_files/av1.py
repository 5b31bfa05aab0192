"""AV1: the size that a picture's own header says, its depth, and how many pictures there are.

Source: AV1 Bitstream & Decoding Process Specification, sections 5.3 to 5.5; AV1 in ISOBMFF, section 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from dahlia.dataset.image_files.bit_reader import BitReader

_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6
_MOST_FRAMES = 4  # one for each layer of quality
_HEADER_BYTES = 512


def av1_sizes(configuration: bytes, data: bytes) -> list[tuple[int, int, int]]:
    """Width and height of each header of a sequence, in the configuration or the data; and the bits.

    Raises:
        IndexError: it is damaged.
        ValueError: the data is more than one picture.
    """
    bits = 12 if configuration[2] & 0x40 else 8  # 10 or 12
    found, frames = [], 0
    for kind, unit in (*_units(configuration[4:]), *_units(data)):
        if kind == _SEQUENCE:
            found.append((*_size(unit), bits))
        frames += kind in (_FRAME_HEADER, _FRAME)
    if not 1 <= frames <= _MOST_FRAMES:
        raise ValueError(frames)
    return found


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        head = data[position]
        position += 2 if head & 4 else 1
        length = len(data) - position
        if head & 2:
            length = 0
            for place in range(8):
                byte = data[position]
                position += 1
                length |= (byte & 0x7F) << 7 * place
                if not byte & 0x80:
                    break
        if position + length > len(data):
            raise IndexError(length)
        yield head >> 3 & 15, data[position : position + min(length, _HEADER_BYTES)]
        position += length


def _size(sequence: bytes) -> tuple[int, int]:
    bits = BitReader(sequence)
    bits.take(4)
    if bits.take(1):  # a single picture with a short header
        bits.take(5)
    else:
        _skip_timing(bits)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(across) + 1, bits.take(down) + 1


def _skip_timing(bits: BitReader) -> None:
    delay_bits = 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            bits.exponential()
        if bits.take(1):
            delay_bits = bits.take(5) + 1
            bits.take(42)
    has_delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_delays and bits.take(1):
            bits.take(4)
