"""The modules of torch that graphs are made of, by the kind of their model, and what the graphs answer."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from dahlia.export.port import Source, detector_of
from dahlia.export.tensorflow.answers import GRID, PROBABILITIES, Answer, boxes
from dahlia.kinds import Kind
from dahlia.modeling.detection.answers import CornerAnswer, GridAnswer


class _ChannelsLast(nn.Module):
    """A grid as TensorFlow has it, (N, H, W, channels)."""

    def __init__(self, answer: GridAnswer) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, pixels: Tensor) -> Tensor:
        grid: Tensor = self.answer(pixels)
        return grid.permute(0, 2, 3, 1)


def _classifier(source: Source) -> tuple[nn.Module, Answer]:
    return source.module(), PROBABILITIES


def _detector(source: Source) -> tuple[nn.Module, Answer]:
    detector, how = source.detector(), detector_of(source.card)
    if how.output == "grid":
        return _ChannelsLast(GridAnswer(detector)).eval(), GRID
    return CornerAnswer(detector).eval(), boxes(how, len(source.card.tags))


MODULES: dict[Kind, Callable[[Source], tuple[nn.Module, Answer]]] = {
    "multiclass": _classifier,
    "multilabel": _classifier,
    "detection": _detector,
}
