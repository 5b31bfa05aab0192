"""The proof: the artifact is run on real photos, and must say what the trained model says.

The photos are chosen here, as are those that quantisation learns ranges from.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import Pixels, load
from dahlia.dataset.manifest import read_photo
from dahlia.dataset.records import ImageRecord
from dahlia.errors import VerificationError
from dahlia.export.formats import Precision
from dahlia.export.port import Batch, Opened
from dahlia.modeling.card import ModelCard
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.reference import ClassReference, spread, whole_photos

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

    def figures(self) -> dict[str, object]:
        """For `verification.json`."""
        return {
            "images": self.images,
            "largest_difference": self.largest,
            "mean_difference": self.mean,
            "image_that_differs_most": self.worst,
            "top_tag_agreement": self.agreement,
            "accuracy": {
                "images": self.judged,
                "of": self.judged_on,
                "trained_model": self.before,
                "artefact": self.after,
            },
        }

    def words(self, limit: Limit) -> str:
        """For people who watch."""
        allowed = f"{limit.accuracy:.0%} of accuracy" if limit.difference is None else f"{limit.difference:g}"
        return (
            f"{self.images} images, largest difference {self.largest:.1e} (limit {allowed}), top tag agrees "
            f"on {self.agreement:.0%}"
        )


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
    require_labels(opened.labels, card)
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


def require_labels(labels: tuple[str, ...], card: ModelCard) -> None:
    """Refuse an artifact of other tags.

    Raises:
        VerificationError: they are not the model's, or in another order.
    """
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


def require(comparison: Comparison, limit: Limit, artifact: str) -> None:
    """Refuse an artifact that does not compute what the trained model computes.

    Raises:
        VerificationError: it exceeds the limit; the message names the photo that differs most.
    """
    worst = f"{comparison.largest:.3g}, most on {comparison.worst}"
    if limit.difference is not None and not comparison.largest <= limit.difference:
        raise VerificationError(
            f"{artifact} does not compute what the trained model computes: probabilities may differ by "
            f"{limit.difference:g} and differ by up to {worst}. {ADVICE}"
        )
    if limit.difference is not None and comparison.flipped:
        raise VerificationError(
            f"{artifact} gives {comparison.flipped} another top tag than the trained model, which was sure "
            f"of it by more than {limit.difference:g}. {ADVICE}"
        )
    if not np.isfinite(comparison.largest):
        raise VerificationError(
            f"{artifact} gives what is no number: probabilities differ by up to {worst}. {ADVICE}"
        )
    if limit.accuracy is not None and comparison.before - comparison.after > limit.accuracy + 1e-9:
        raise VerificationError(
            f"{artifact} may lose {limit.accuracy:.0%} of accuracy and loses "
            f"{comparison.before - comparison.after:.1%} on {comparison.judged} {comparison.judged_on} "
            f"({comparison.before:.1%} before, {comparison.after:.1%} after); probabilities differ by up to "
            f"{worst}. Nothing was written. Take the flavour float16, or add photos: they tell its ranges."
        )


ADVICE = (
    "Nothing was written. Choose another flavour or `domain.backbone.architecture`, and report the "
    "backbone's name."
)


def latency(artifact: Callable[[Batch], object], size: int) -> float:
    """The median time of one image, in milliseconds, over 20 runs after a first, or those of two seconds."""
    image = np.zeros((1, 3, size, size), np.float32)
    artifact(image)
    times: list[float] = []
    while len(times) < _LATENCY_RUNS and sum(times) < _LATENCY_SECONDS:
        start = time.perf_counter()
        artifact(image)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


CALIBRATION_PHOTOS = 128
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class VerificationSet:
    """N photos, and what the trained model says of them.

    Attributes:
        paths: of the files, relative to the project folder.
        pixels: (N, 3, size, size) float32 RGB, 0 to 255.
        expected: (N, K) probabilities of the trained model.
        truth: (N, K) whether a photo has a tag.
        held_out: (N,) whether a photo is of the user's own test set, which training never saw.
    """

    paths: tuple[str, ...]
    pixels: Batch
    expected: Batch
    truth: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]


def verification_set(
    reference: ClassReference, card: ModelCard, records: Sequence[ImageRecord], root: Path, count: int
) -> VerificationSet:
    """Read photos that the trained model was asked about.

    Args:
        reference: of the bundle.
        card: of the bundle.
        records: the manifest; photos that it names no more are left out.
        root: the project folder.
        count: the most photos; those of the test set come first, the others are spread evenly over all.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
        VerificationError: none of the photos is left.
    """
    chosen = asked_photos(reference.ids, records, count)
    rows = [reference.ids.index(record.id) for record in chosen]
    tags = [tag.name for tag in card.tags]
    return VerificationSet(
        paths=tuple(record.path for record in chosen),
        pixels=whole_photos(chosen, root, card.input.size),
        expected=reference.probabilities[rows],
        truth=np.array([[tag in record.tags for tag in tags] for record in chosen], bool),
        held_out=np.array([record.subset == "test" for record in chosen], bool),
    )


def asked_photos(asked: Sequence[str], records: Sequence[ImageRecord], count: int) -> list[ImageRecord]:
    """At most `count` of the photos that the trained model was asked about and that are still there.

    Args:
        asked: their ids.
        records: the manifest.
        count: those of the test set come first, the others are spread evenly over all.

    Raises:
        VerificationError: none is left.
    """
    by_id = {record.id: record for record in records}
    known = [name for name in asked if name in by_id]
    if not known:
        raise VerificationError(
            "An export is proven on photos that the trained model was asked about, and the manifest has none "
            f"of its {len(asked)}. Run `dvc repro` to train on the photos that are there."
        )
    held_out = [name for name in known if by_id[name].subset == "test"]
    picked = spread(held_out, count)
    picked += spread([name for name in known if by_id[name].subset != "test"], count - len(picked))
    return [by_id[name] for name in picked]


def calibration_photos(card: ModelCard, records: Sequence[ImageRecord], root: Path) -> list[Pixels]:
    """At most `CALIBRATION_PHOTOS` training photos, (size, size, 3) RGB each, as many of each tag as can be.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
    """
    training = [record for record in records if record.subset != "test"]
    by_tag = ([record for record in training if tag.name in record.tags] for tag in card.tags)
    chosen = (one_of_each_in_turn(by_tag, lambda record: record.id) or training)[:CALIBRATION_PHOTOS]
    return [load(read_photo(root / record.path, record.id), card.input.size) for record in chosen]


def one_of_each_in_turn(groups: Iterable[Iterable[_Item]], identity: Callable[[_Item], str]) -> list[_Item]:
    """The first item of each group, then the second of each, and so on; each item once.

    Args:
        groups: the items of each tag, say; an item may be in several.
        identity: what tells that two items are the same.
    """
    in_turn = (item for row in zip_longest(*groups) for item in row if item is not None)
    return list({identity(item): item for item in in_turn}.values())
