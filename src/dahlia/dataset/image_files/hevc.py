"""HEVC: the size and depth that a picture's own header says, and how many pictures there are.

A container may say another size than the picture in it, and a few bytes may hold a picture more; the decoder
believes the pictures.

Source: ITU-T H.265, sections 7.3.1 to 7.3.3; ISO/IEC 14496-15, section 8.3.3 for the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator

from dahlia.dataset.image_files.bit_reader import BitReader

_SEQUENCE = 33  # the kind of unit that says the size
_PICTURE = 32  # kinds below it are parts of pictures
_HEADER_BYTES = 128  # of a sequence's, more than its size lies behind


def hevc_sizes(configuration: bytes, data: bytes) -> list[tuple[int, int, int]]:
    """Width, height and bits of each header of a sequence, in the configuration or the data.

    Raises:
        IndexError: it is damaged.
        ValueError: the data is more than one picture.
    """
    length_bytes = (configuration[21] & 3) + 1
    found, pictures = [], 0
    for unit in (*_configured(configuration), *_units(data, length_bytes)):
        kind = unit[0] >> 1 & 63
        if kind == _SEQUENCE:
            found.append(_size(unit[2:]))
        elif kind < _PICTURE and unit[2] & 0x80:
            pictures += 1
    if pictures != 1:
        raise ValueError(pictures)
    return found


def _configured(configuration: bytes) -> Iterator[bytes]:
    position = 23
    for _ in range(configuration[22]):
        count = int.from_bytes(configuration[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            length = int.from_bytes(configuration[position : position + 2], "big")
            yield _unit(configuration, position + 2, length)
            position += 2 + length


def _units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + length_bytes], "big")
        position += length_bytes
        yield _unit(data, position, length)
        position += length


def _unit(data: bytes, position: int, length: int) -> bytes:
    if length < 2 or position + length > len(data):
        raise IndexError(length)
    return data[position : position + min(length, _HEADER_BYTES)]


def _size(sequence: bytes) -> tuple[int, int, int]:
    bits = BitReader(sequence.replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 96)
    if layers:
        described = [(bits.take(1), bits.take(1)) for _ in range(8)][:layers]
        for has_profile, has_level in described:
            bits.take(88 * has_profile + 8 * has_level)
    bits.exponential()
    if bits.exponential() == 3:  # colours as fine as brightness
        bits.take(1)
    width, height = bits.exponential(), bits.exponential()
    if bits.take(1):  # a window
        for _ in range(4):
            bits.exponential()
    return width, height, 8 + max(bits.exponential(), bits.exponential())
