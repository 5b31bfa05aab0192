"""Where the windows of convolutions and pools lie, and what padding that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Windows:
    """Windows over the axes of an image, all with torch's meaning.

    Attributes:
        sizes: of the image.
        counts: how many windows lie along each axis.
        kernel: the taps of a window.
        stride: from one window to the next.
        padding: how far the first window begins before the image.
        dilation: from one tap to the next.
    """

    sizes: tuple[int, ...]
    counts: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def pads(self) -> Pads:
        """What is read before and behind the image, along each axis."""
        return tuple(
            (self.padding[axis], max(0, self._reach(axis) - self.padding[axis] - self.sizes[axis]))
            for axis in range(len(self.sizes))
        )

    @property
    def same(self) -> bool:
        """Whether TensorFlow's own rule, `SAME`, puts the windows there."""
        return all(self._same(axis) for axis in range(len(self.sizes)))

    def _same(self, axis: int) -> bool:
        missing = max(0, self._reach(axis) - self.sizes[axis])
        fits = self.counts[axis] == -(-self.sizes[axis] // self.stride[axis])
        return fits and self.padding[axis] == missing // 2

    def _reach(self, axis: int) -> int:
        """From the first place of the first window to the last of the last."""
        window = (self.kernel[axis] - 1) * self.dilation[axis] + 1
        return (self.counts[axis] - 1) * self.stride[axis] + window


def windows(
    sizes: Sequence[int],
    counts: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int] = (1,),
) -> Windows:
    """As torch's arguments say: a single number is meant for every axis, no stride is that of the kernel."""
    each = len(sizes)

    def wide(given: Sequence[int]) -> tuple[int, ...]:
        return tuple(given) if len(given) == each else tuple(given) * each

    return Windows(
        tuple(sizes),
        tuple(counts),
        wide(kernel),
        wide(stride or kernel),
        wide(padding),
        wide(dilation),
    )
