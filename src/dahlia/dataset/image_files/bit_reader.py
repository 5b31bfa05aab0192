"""Bits of a video's header, in their order."""

from __future__ import annotations


class BitReader:
    """Reads numbers of any count of bits.

    Args:
        data: from its first byte's highest bit.

    Raises:
        IndexError: from any method, where `data` ends.
    """

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """A number of so many bits."""
        self._left -= count
        if self._left < 0:
            raise IndexError(count)
        return self._value >> self._left & (1 << count) - 1

    def exponential(self) -> int:
        """A number in the exponential Golomb code of order 0: `ue(v)` of HEVC, `uvlc()` of AV1."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise IndexError(zeros)
        return (1 << zeros) - 1 + self.take(zeros)
