"""JPEG: markers, scans, and what the decoder only warns of."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

from dahlia.dataset.image_files.image_header import ImageHeader, orientation_of, truncated, unreadable

USUAL_SCANS = 16
MAX_SCANNED = 1_500_000_000  # pixels of all scans together; decoding takes about 15 ns for each
MAX_SCANS = 200  # a progressive JPEG has about ten; thousands of tiny scans cost hours to decode

_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_BLOCK = 8 * 8 * 2  # bytes of the coefficients of 8 x 8 samples
_NOT_SENT = 99
_FEW_ZEROS = 16  # scans may end with some
_END = b"\xff\xd9"
_LEAST = 2  # bytes of a scan; without any libjpeg decodes grey, and does not say so
_ADOBE, _JFIF, _COMMENT = 0xEE, 0xE0, 0xFE


def read_jpeg(data: bytes) -> ImageHeader:
    """The header. Without its end marker a file is cut off, if all of its scans have begun.

    Raises:
        ImageError: `truncated` or `unreadable`.
    """
    height = width = components = scans = coefficients = 0
    is_progressive = False
    names, sent = b"", list[bytes]()
    orientation, position = 1, 2
    while marker := _MARKER.search(data, position):
        code, position = marker[1][0], marker.end()
        if code == 0xD9 and not (scans and components):
            raise unreadable("JPEG", "has no image in it")
        if code == 0xD9:
            kept = coefficients if is_progressive or scans > 1 else 0
            return ImageHeader("JPEG", width, height, orientation, components, kept)
        if code in (0x01, 0xD8):
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if 0xC0 <= code <= 0xCF and code not in _NOT_FRAMES and not components:
            height, width, components = struct.unpack_from(">HHB", data, position + 3)
            described = data[position + 8 :][: 3 * components]
            coefficients = jpeg_coefficients(width, height, described)
            is_progressive = code in _PROGRESSIVE
            names = described[::3]
        elif code == 0xE1 and data[position + 2 : position + 8] == b"Exif\0\0":
            orientation = orientation_of(data[position + 8 : position + length])
        elif code == 0xDA:
            scans += 1
            sent.append(data[position + 2 : position + length])
        if scans > MAX_SCANS:
            raise unreadable("JPEG", f"has more than {MAX_SCANS} scans")
        if scans > USUAL_SCANS and scans * width * height > MAX_SCANNED:
            raise unreadable(
                "JPEG", f"has {scans} scans of {width}x{height} pixels, which take long to decode"
            )
        position += length
    if len(data) - position < _LEAST or not _are_all_sent(names, sent, is_progressive):
        raise truncated("JPEG", len(data))
    kept = coefficients if is_progressive or scans > 1 else 0
    return ImageHeader("JPEG", width, height, orientation, components, kept, cut_off=True)


def with_end(data: bytes) -> bytes:
    """A JPEG that was cut off, with an end marker; what lacks pixels then is found by libjpeg.

    Many zeros at its end are those of a disk, not of the image: decoded they would be pixels.
    """
    zeros = len(data) - len(data.rstrip(b"\0"))
    return data[: len(data) - zeros + 2] + _END if zeros > _FEW_ZEROS else data + _END


def tidy_jpeg(data: bytes) -> bytes:
    """A JPEG without what libjpeg only warns of, and the pixels do not need.

    That is stray bytes between the segments of its header, notes and colour profiles, and an unknown revision
    of JFIF.
    """
    kept, position = [data[:2]], 2
    while marker := _MARKER.search(data, position):
        code, start = marker[1][0], marker.start()
        if code == 0xDA:
            kept.append(data[start:])
            break
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        if code == _JFIF and data[start + 4 : start + 9] == b"JFIF\0":
            kept.append(data[start : start + 9] + b"\1" + data[start + 10 : position])
        elif not (0xE0 <= code <= 0xEF or code == _COMMENT) or code == _ADOBE:
            kept.append(data[start:position])
    return b"".join(kept)


def jpeg_coefficients(width: int, height: int, components: bytes) -> int:
    """Bytes of all coefficients; a component is its number, its sampling factors, and its table."""
    factors = [(each >> 4 or 1, each & 15 or 1) for each in components[1::3]]
    across, down = (max((pair[axis] for pair in factors), default=1) for axis in (0, 1))
    units = -(-width // (8 * across)) * -(-height // (8 * down))  # of so many blocks of each component
    return _BLOCK * units * sum(h * v for h, v in factors)


def _are_all_sent(names: bytes, scans: Sequence[bytes], is_progressive: bool) -> bool:
    """Whether all coefficients of all components come in these scans, to their last bits."""
    left = {name: [_NOT_SENT] * 64 for name in names}
    for scan in scans:
        chosen, parameters = scan[1 : 1 + 2 * scan[0] : 2], scan[1 + 2 * scan[0] :]
        first, last, bits = (parameters + bytes(3))[:3] if is_progressive else (0, 63, 0)
        for name in chosen:
            for place in range(first, min(last, 63) + 1):
                left.get(name, [0] * 64)[place] = bits & 15
    return bool(left) and not any(any(bits) for bits in left.values())
