"""Region proposals: boxes of things of any kind in a photo, before any training.

What finds them is a detector of one tag, "a thing", that `dahlia proposals` trained on composed scenes. Its
graph ships with Dahlia; neither torch nor a project is needed.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import numpy as np

from dahlia.boxes import Boxes, no_boxes, within
from dahlia.dataset.imaging import Pixels, squash, to_tensor_layout
from dahlia.errors import DahliaError, WeightsError, runtime_errors
from dahlia.files import sha256_of
from dahlia.modeling.detection.outputs import given
from dahlia.serving.models.sessions import Sessions

GRAPH = Path(__file__).parent / "region_proposals" / "proposals.onnx"
SIZE = 416
"""Edge in pixels of what the graph sees."""
PLACES, SCORES = "places", "scores"
MOST = 50
"""Proposals for a photo; a person looks at each."""
OVERLAP = 0.6
"""Of two boxes that overlap by more than this, the one with the lower score goes."""
LEAST = 0.02
"""The lowest score of a proposal: on pictures of nothing, black or of one pixel, all are lower."""
DIGESTS = "SHA256SUMS"
_REMEDY = "Install Dahlia again."
_lock = threading.Lock()


class Proposer:
    """A graph that proposes regions; safe to use from several threads.

    Args:
        graph: `data` float32 (N, 3, SIZE, SIZE) RGB, 0 to 255, to `places` (N, P, 4) left, top, width,
            height as fractions, and `scores` (N, P, 1); its digest is in `SHA256SUMS` beside it.
        threads: threads of one photo.

    Raises:
        WeightsError: it is missing, damaged, or cannot be loaded.
    """

    def __init__(self, graph: Path = GRAPH, threads: int = 1) -> None:
        digest = _listed(graph)
        if not graph.is_file() or sha256_of(graph) != digest:
            raise _unusable(f"{graph.name} is missing or damaged, expected SHA-256 {digest}")
        try:
            self._sessions = Sessions(graph, threads)
        except runtime_errors() as error:
            raise _unusable(f"ONNX Runtime cannot load {graph.name}") from error

    def proposed(self, photo: Pixels, most: int = MOST) -> Boxes:
        """Boxes of the things in a photo.

        Args:
            photo: (H, W, 3) uint8 RGB, upright, of any size: decoded as for a prediction.
            most: at most so many boxes.

        Returns:
            Boxes within the photo, the highest score first, all of tag 0. A score says how sure the graph
            is that a box is right, 0 to 1; it is not calibrated on photos like these. A photo in which
            nothing stands out may have no box.

        Raises:
            DahliaError: the runtime has no memory left.
        """
        if most < 1:
            return no_boxes()
        batch = to_tensor_layout([squash(photo, SIZE)])
        try:
            (places,), (scores,) = self._sessions.run((PLACES, SCORES), batch)
        except runtime_errors() as error:
            raise DahliaError(
                f"Expected boxes of the photo, received an error of ONNX Runtime "
                f"({str(error).splitlines()[0]}). If memory is short, try again later."
            ) from error
        whole = within(given(places, scores, overlap=OVERLAP, least=LEAST, most=most))
        return whole.where(np.flatnonzero(whole.places[:, 2:].min(1, initial=1.0) > 0))


def proposed(photo: Pixels, most: int = MOST) -> Boxes:
    """What the shipped graph proposes; see `Proposer.proposed`.

    Raises:
        WeightsError: its file is missing or damaged.
        DahliaError: the runtime has no memory left.
    """
    with _lock:
        proposer = _shipped()
    return proposer.proposed(photo, most)


@functools.cache
def _shipped() -> Proposer:
    return Proposer()


def _listed(graph: Path) -> str:
    path = graph.parent / DIGESTS
    try:
        lines = path.read_text("utf-8").splitlines()
        digests = {name: digest for digest, name in (line.split("  ") for line in lines)}
        return digests[graph.name]
    except (OSError, ValueError, LookupError) as error:
        raise _unusable(f"{DIGESTS} was expected to have the digest of {graph.name}, and has not") from error


def _unusable(reason: str) -> WeightsError:
    # Without paths: clients of a server read it.
    return WeightsError(f"Regions cannot be proposed: {reason}. {_REMEDY}")
