"""The proof: the artefact is run on real images, and must say what the trained model says."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import load, to_tensor_layout
from dahlia.dataset.photos import read_photo
from dahlia.errors import VerificationError
from dahlia.modeling.reference import Reference

Batch = npt.NDArray[np.float32]
Run = Callable[[Batch], Batch]
_LATENCY_RUNS = 20


@dataclass(frozen=True)
class Comparison:
    """Two ways of computing the same probabilities on N images.

    Attributes:
        images: N.
        largest: the largest absolute difference of a probability.
        mean: the mean absolute difference.
        agreement: the share of images with the same top tag.
        worst: the path of the image that differs most.
    """

    images: int
    largest: float
    mean: float
    agreement: float
    worst: str


def compare(
    reference: Reference, artefact: Run, paths: Mapping[str, str], root: Path, size: int
) -> Comparison:
    """Run the artefact on the photos of the reference, one at a time, as its users will.

    Args:
        reference: what the trained module said.
        artefact: the file that users get, loaded by its own runtime.
        paths: the file of each image id, relative to `root`.
        root: the project folder.
        size: input edge in pixels.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
        VerificationError: there is no image, or an output has another shape.
    """
    if not reference.ids:
        raise VerificationError(
            "An export is proven on real images, and the bundle names none. Run `dvc repro train`."
        )
    pixels = to_tensor_layout([load(_photo(name, paths, root), size) for name in reference.ids])
    expected = reference.probabilities
    received = np.concatenate([artefact(image[None]) for image in pixels])
    if expected.shape != received.shape:
        raise VerificationError(
            f"The artefact answers with shape {received.shape}, the trained model with {expected.shape}. "
            "Run `dvc repro export` again; if it stays, the bundle and the export are of two trainings."
        )
    difference = np.abs(expected.astype(np.float64) - received)
    # NaN compares as small with everything: an artefact that gives it must not pass.
    difference[~np.isfinite(difference)] = np.inf
    return Comparison(
        images=len(reference.ids),
        largest=float(difference.max()),
        mean=float(difference.mean()),
        agreement=float((expected.argmax(1) == received.argmax(1)).mean()),
        worst=paths[reference.ids[int(difference.max(1).argmax())]],
    )


def _photo(name: str, paths: Mapping[str, str], root: Path) -> bytes:
    if name not in paths:
        raise VerificationError(
            f"The image {name[:12]} that the model was asked about is not in the manifest any more. Run "
            "`dvc repro` to train on what is there."
        )
    return read_photo(root / paths[name], name)


def require(comparison: Comparison, limit: float, artefact: str) -> None:
    """Refuse an artefact whose largest difference exceeds `limit`.

    Raises:
        VerificationError: it does; the message names the image that differs most.
    """
    if not comparison.largest <= limit:
        raise VerificationError(
            f"{artefact} does not compute what the trained model computes: probabilities may differ by "
            f"{limit:g} and differ by up to {comparison.largest:.3g}, most on {comparison.worst}. Nothing "
            "was written. Choose another opset or backbone, and report the backbone's name."
        )


def latency(artefact: Run, size: int) -> float:
    """The median time of one image, in milliseconds, over 20 runs after a first."""
    image = np.zeros((1, 3, size, size), np.float32)
    artefact(image)
    times = []
    for _ in range(_LATENCY_RUNS):
        start = time.perf_counter()
        artefact(image)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def evidence(comparison: Comparison, limit: float, **more: object) -> dict[str, object]:
    """What `verification.json` says."""
    return {
        "images": comparison.images,
        "largest_difference": comparison.largest,
        "mean_difference": comparison.mean,
        "top_tag_agreement": comparison.agreement,
        "limit": limit,
        "image_that_differs_most": comparison.worst,
        **more,
    }
