"""Memory for decoding: many small images at a time, or few large ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dahlia.dataset.headers import ImageHeader

TOTAL = 640 * 1024 * 1024  # bytes; the largest image that is taken needs about as much
# Bytes per pixel that a decoder needs. A progressive JPEG keeps its coefficients, two bytes for each of three
# colours; Pillow four bytes per pixel; WebP's decoder several canvases.
_NEEDS = {"JPEG": 6, "PNG": 4, "BMP": 4, "GIF": 4, "WEBP": 20}


class Room:
    """Lets threads in as long as their needs fit together; one that fits nowhere goes alone.

    Args:
        total: bytes.
    """

    def __init__(self, total: int = TOTAL) -> None:
        self._total = total
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, need: int) -> Iterator[None]:
        """Wait until `need` bytes are free, and hold them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + need <= self._total)
            self._used += need
        try:
            yield
        finally:
            with self._changed:
                self._used -= need
                self._changed.notify_all()


def need_of(header: ImageHeader) -> int:
    """Bytes that decoding takes at most."""
    return header.width * header.height * _NEEDS[header.format]
