"""How an export is proven, by the kind of its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from dahlia.export.box_proof import BOX_LIMITS, box_photos, compare_boxes, require_boxes
from dahlia.export.formats import Precision
from dahlia.export.port import DetectorPort, Opened, OpenedDetector, Port
from dahlia.export.verify import LIMITS, Limit, compare, latency, require, verification_set
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard
from dahlia.modeling.detection.reference import load_box_reference
from dahlia.modeling.reference import load_reference


class Compared(Protocol):
    """What came of comparing an artifact with the trained model."""

    @property
    def images(self) -> int:
        """On how many photos."""

    def figures(self) -> dict[str, object]:
        """For `verification.json`."""

    def words(self, limit: Limit) -> str:
        """For people who watch."""


@dataclass(frozen=True)
class Judged:
    """An artifact that computes what the trained model computes.

    Attributes:
        comparison: with the trained model.
        runtime: what ran it.
        milliseconds: the median latency of one image in that runtime, on this machine.
    """

    comparison: Compared
    runtime: str
    milliseconds: float


@dataclass(frozen=True)
class Prover:
    """How exports of a kind are proven.

    Attributes:
        reference: what the trained model said of photos, from a bundle; it has their `ids`.
        usual: how many of them a file must answer alike, where nothing else is said.
        photos: reads at most so many of them; takes the reference, the card, the manifest, and the root.
        limits: what is allowed of a precision.
        opened: opens an artifact; takes the port, and the artifact's folder.
        judge: opens an artifact and compares it; takes the port, the artifact's folder, the photos, the card,
            what is allowed, and the artifact's name.
    """

    reference: Callable[[Path], Any]
    usual: int
    photos: Callable[..., Any]
    limits: Mapping[Precision, Limit]
    opened: Callable[[Port, Path], AbstractContextManager[Any]]
    judge: Callable[[Port, Path, Any, ModelCard, Limit, str], Judged]


def _opened_classifier(port: Port, folder: Path) -> AbstractContextManager[Opened]:
    return port.opened(folder)


def _opened_detector(port: Port, folder: Path) -> AbstractContextManager[OpenedDetector]:
    return cast(DetectorPort, port).opened_detector(folder)


def _judge_classifier(
    port: Port, folder: Path, photos: Any, card: ModelCard, limit: Limit, artifact: str
) -> Judged:
    with _opened_classifier(port, folder) as opened:
        comparison = compare(photos, opened, card, limit)
        require(comparison, limit, artifact)
        return Judged(comparison, opened.runtime, latency(opened.run, card.input.size))


def _judge_detector(
    port: Port, folder: Path, photos: Any, card: ModelCard, limit: Limit, artifact: str
) -> Judged:
    with _opened_detector(port, folder) as opened:
        comparison = compare_boxes(photos, opened, card, limit)
        require_boxes(comparison, limit, artifact)
        return Judged(comparison, opened.runtime, latency(opened.find, card.input.size))


_CLASSIFIER = Prover(load_reference, 64, verification_set, LIMITS, _opened_classifier, _judge_classifier)
PROOFS: dict[Kind, Prover] = {
    "multiclass": _CLASSIFIER,
    "multilabel": _CLASSIFIER,
    "detection": Prover(load_box_reference, 24, box_photos, BOX_LIMITS, _opened_detector, _judge_detector),
}
"""How an artifact's answers are compared with the trained model's."""
