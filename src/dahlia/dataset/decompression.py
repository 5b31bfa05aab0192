"""Decompressing what archives hold, never more at once than is asked for."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

_XZ_MEMORY = 256 * 1024 * 1024  # bytes for decompressing; `xz -9` takes 65 MB
_STEP = 1 << 20

Opener = Callable[[Path], Iterator[bytes]]
"""Gives a file uncompressed, in parts."""


def _parts_of_gzip(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        yield from iter(lambda: file.read(_STEP), b"")


def _parts_of_bz2(path: Path) -> Iterator[bytes]:
    with bz2.open(path) as file:
        yield from iter(lambda: file.read(_STEP), b"")


def _parts_of_xz(path: Path) -> Iterator[bytes]:
    """Not by `lzma.open`, which gives a file all the memory that it asks for."""
    with path.open("rb") as file:
        while packed := file.read(_STEP).lstrip(b"\0"):  # zeros may follow a stream
            decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            while not decoder.eof:
                yield decoder.decompress(packed, _STEP)
                packed = file.read(_STEP) if decoder.needs_input else b""
                if decoder.needs_input and not packed:
                    raise EOFError("it stops before its end")
            file.seek(-len(decoder.unused_data), os.SEEK_CUR)


TARS: dict[str, Opener | None] = {
    ".tar": None,
    **dict.fromkeys((".tar.gz", ".tgz"), _parts_of_gzip),
    **dict.fromkeys((".tar.bz2", ".tbz2"), _parts_of_bz2),
    **dict.fromkeys((".tar.xz", ".txz"), _parts_of_xz),
}


def decompressed(data: bytes, method: int, most: int) -> bytes:
    """At most `most` bytes of a member of a ZIP.

    Args:
        data: as it is in the archive.
        method: one of the constants of `zipfile`.
        most: bytes.

    Raises:
        NotImplementedError: the method is not known.
        Exception: the data is damaged; each library has its own.
    """
    if method == zipfile.ZIP_STORED:
        return data[:most]
    if method == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
    if method == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor().decompress(data, most)
    if method == zipfile.ZIP_LZMA:
        return _of_lzma(data, most)
    raise NotImplementedError(f"compressed by method {method}, which is not known")


def _of_lzma(data: bytes, most: int) -> bytes:
    """See APPNOTE.TXT, 5.8.8: version, length of the properties, properties, content."""
    packed, dictionary = struct.unpack_from("<4xBI", data)
    rest, lc = divmod(packed, 9)
    pb, lp = divmod(rest, 5)
    # Nothing lies further back than the content is long, so no more memory is needed.
    size = max(4096, min(dictionary, most))
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters).decompress(data[9:], most)
