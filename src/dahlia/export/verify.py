"""The proof: the artifact is run on real photos, and must say what the trained model says."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.formats import Precision
from dahlia.export.photos import VerificationSet
from dahlia.export.port import Batch, Opened, Run
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard
from dahlia.modeling.likelihoods import LIKELIHOODS

_LATENCY_RUNS = 20
_LATENCY_SECONDS = 2.0


@dataclass(frozen=True)
class Comparison:
    """Two ways of computing the same probabilities on N photos.

    Attributes:
        images: N.
        largest: the largest absolute difference of a probability.
        mean: the mean absolute difference.
        agreement: the share of photos with the same top tag.
        flipped: the path of a photo whose top tag differs although the trained model preferred its own by
            more than the limit; None where there is none.
        worst: the path of the photo that differs most.
        before: the share that the trained model has right, of the photos that `judged_on` names.
        after: the share that the artifact has right, of the same.
        judged: how many photos these are.
        judged_on: `test photos`, or `photos trained on` where there is no test set.
    """

    images: int
    largest: float
    mean: float
    agreement: float
    flipped: str | None
    worst: str
    before: float
    after: float
    judged: int
    judged_on: str


@dataclass(frozen=True)
class Limit:
    """What is allowed of a precision.

    Attributes:
        difference: the largest difference in probability; None allows any.
        accuracy: the largest loss of accuracy, as a share; None allows any.
    """

    difference: float | None
    accuracy: float | None


LIMITS: dict[Precision, Limit] = {
    "float32": Limit(1e-4, None),
    "float16": Limit(1e-2, None),
    "int8": Limit(None, 0.01),
}


def compare(photos: VerificationSet, opened: Opened, card: ModelCard, limit: Limit) -> Comparison:
    """Run the artifact on photos, one at a time, as its users will.

    Args:
        photos: photos and what the trained model says of them.
        opened: the file that users get, in its own runtime.
        card: of the trained model.
        limit: below which a preference of the trained model is none.

    Raises:
        VerificationError: the labels are not the model's, an output has another shape, or it cannot be run.
    """
    _require_labels(opened.labels, card)
    received = np.concatenate([opened.run(image[None]) for image in photos.pixels])
    expected = photos.expected
    if expected.shape != received.shape:
        raise VerificationError(
            f"The artifact answers with shape {received.shape}, the trained model with {expected.shape}. "
            "Run `dvc repro export` again; if it stays, the bundle and the export are of two trainings."
        )
    difference = np.abs(expected.astype(np.float64) - received)
    # NaN compares as small with everything: an artifact that gives it must not pass.
    difference[~np.isfinite(difference)] = np.inf
    accuracy = LIKELIHOODS[card.kind].accuracy
    judged = photos.held_out if photos.held_out.any() else np.ones_like(photos.held_out)
    return Comparison(
        images=len(photos.paths),
        largest=float(difference.max()),
        mean=float(difference.mean()),
        agreement=float((expected.argmax(1) == received.argmax(1)).mean()),
        flipped=_flipped(photos, received, limit.difference or 0.0),
        worst=photos.paths[int(difference.max(1).argmax())],
        before=accuracy(expected[judged], photos.truth[judged]),
        after=accuracy(received[judged], photos.truth[judged]),
        judged=int(judged.sum()),
        judged_on="test photos" if photos.held_out.any() else "photos trained on",
    )


def _require_labels(labels: tuple[str, ...], card: ModelCard) -> None:
    expected = tuple(tag.name for tag in card.tags)
    if labels != expected:
        raise VerificationError(
            f"The artifact names its columns {', '.join(labels)}; the trained model has "
            f"{', '.join(expected)}. It is of another training: run `dvc repro export` again."
        )


def _flipped(photos: VerificationSet, received: Batch, margin: float) -> str | None:
    if photos.expected.shape[1] < 2:
        return None
    ranked = np.sort(photos.expected, axis=1)
    sure = ranked[:, -1] - ranked[:, -2] > margin
    rows = np.flatnonzero(sure & (photos.expected.argmax(1) != received.argmax(1)))
    return photos.paths[rows[0]] if len(rows) else None


PROOFS: dict[Kind, Callable[[VerificationSet, Opened, ModelCard, Limit], Comparison]] = {
    "multiclass": compare,
    "multilabel": compare,
}
"""How an artifact's answers are compared with the trained model's."""


def require(comparison: Comparison, limit: Limit, artifact: str) -> None:
    """Refuse an artifact that does not compute what the trained model computes.

    Raises:
        VerificationError: it exceeds the limit; the message names the photo that differs most.
    """
    worst = f"{comparison.largest:.3g}, most on {comparison.worst}"
    if limit.difference is not None and not comparison.largest <= limit.difference:
        raise VerificationError(
            f"{artifact} does not compute what the trained model computes: probabilities may differ by "
            f"{limit.difference:g} and differ by up to {worst}. {_ADVICE}"
        )
    if limit.difference is not None and comparison.flipped:
        raise VerificationError(
            f"{artifact} gives {comparison.flipped} another top tag than the trained model, which was sure "
            f"of it by more than {limit.difference:g}. {_ADVICE}"
        )
    if not np.isfinite(comparison.largest):
        raise VerificationError(
            f"{artifact} gives what is no number: probabilities differ by up to {worst}. {_ADVICE}"
        )
    if limit.accuracy is not None and comparison.before - comparison.after > limit.accuracy + 1e-9:
        raise VerificationError(
            f"{artifact} may lose {limit.accuracy:.0%} of accuracy and loses "
            f"{comparison.before - comparison.after:.1%} on {comparison.judged} {comparison.judged_on} "
            f"({comparison.before:.1%} before, {comparison.after:.1%} after); probabilities differ by up to "
            f"{worst}. Nothing was written. Take the flavour float16, or add photos: they tell its ranges."
        )


_ADVICE = (
    "Nothing was written. Choose another flavour or `domain.backbone.architecture`, and report the "
    "backbone's name."
)


def latency(artifact: Run, size: int) -> float:
    """The median time of one image, in milliseconds, over 20 runs after a first, or those of two seconds."""
    image = np.zeros((1, 3, size, size), np.float32)
    artifact(image)
    times: list[float] = []
    while len(times) < _LATENCY_RUNS and sum(times) < _LATENCY_SECONDS:
        start = time.perf_counter()
        artifact(image)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000
