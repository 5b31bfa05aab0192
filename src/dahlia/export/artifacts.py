"""Exports, each proven before it appears."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from dahlia import __version__, layout
from dahlia.dataset.records import ImageRecord
from dahlia.errors import ExportError
from dahlia.export.formats import Format
from dahlia.export.packing import PROOF, add_companions, add_manifest, add_proof, title, write_zip
from dahlia.export.port import Source
from dahlia.export.verify import (
    LIMITS,
    PROOFS,
    Comparison,
    Limit,
    VerificationSet,
    calibration_photos,
    latency,
    require,
    verification_set,
)
from dahlia.files import staged_directory, staged_file, write_json
from dahlia.modeling.card import ModelCard, load_card
from dahlia.modeling.reference import MOST_IMAGES, load_reference
from dahlia.params import ExportParams


@dataclass(frozen=True)
class ExportInputs:
    """What an export is made from and verified on.

    Attributes:
        source: what writers start from.
        verification_set: reads at most so many photos, and what the model says of them.
    """

    source: Source
    verification_set: Callable[[int], VerificationSet]


@dataclass(frozen=True)
class Proof:
    """That an artifact computes what the trained model computes; `verification.json`.

    Attributes:
        comparison: with the trained model.
        limit: what was allowed.
        runtime: what ran it.
        bytes: of all files of the artifact.
        milliseconds_per_image: the median latency of one image in that runtime, on this machine.
    """

    comparison: Comparison
    limit: Limit
    runtime: str
    bytes: int
    milliseconds_per_image: float

    def document(self, form: Format) -> dict[str, object]:
        """As JSON, keys in reading order."""
        one = self.comparison
        return {
            "format": form.family,
            "flavour": form.flavour,
            "images": one.images,
            "largest_difference": one.largest,
            "mean_difference": one.mean,
            "image_that_differs_most": one.worst,
            "top_tag_agreement": one.agreement,
            "accuracy": {
                "images": one.judged,
                "of": one.judged_on,
                "trained_model": one.before,
                "artefact": one.after,
            },
            "limit": asdict(self.limit),
            "bytes": self.bytes,
            "milliseconds_per_image": round(self.milliseconds_per_image, 2),
            "runtime": self.runtime,
            "versions": {"dahlia": __version__} | {name: version(name) for name in form.libraries},
        }

    def sentence(self, form: Format) -> str:
        """For people who watch."""
        one = self.comparison
        return (
            f"{form.name}, {one.images} images, largest difference {one.largest:.1e}{_allowed(self.limit)}, "
            f"top tag agrees on {one.agreement:.0%}, {self.bytes / 1e6:.1f} MB"
        )


def _allowed(limit: Limit) -> str:
    if limit.difference is not None:
        return f" (limit {limit.difference:g})"
    return f" (limit {limit.accuracy:.0%} of accuracy)"


def export_inputs(
    bundle: Path, records: Sequence[ImageRecord], root: Path, graphs: Path | None = None
) -> ExportInputs:
    """What is needed to write and prove exports of a bundle.

    Args:
        bundle: the trained model.
        records: the manifest, to find the photos that the trained model was asked about.
        root: the project folder.
        graphs: a folder for converted graphs, where it is not the project's own.

    Raises:
        DatasetError: the bundle's answers cannot be read.
        TrainingError: the bundle is not whole.
    """
    card = load_card(bundle)
    reference = load_reference(bundle)
    source = Source(
        bundle,
        card,
        cache=graphs or layout.home(root) / layout.GRAPH_CACHE,
        photos=cache(lambda: calibration_photos(card, records, root)),
    )
    return ExportInputs(source, cache(lambda count: verification_set(reference, card, records, root, count)))


def write_export(form: Format, folder: Path, inputs: ExportInputs, params: ExportParams) -> Proof:
    """Write an export with its proof into a folder, replaced whole, or nothing.

    Raises:
        ExportError: it cannot be written, or is being written by another process.
        VerificationError: it computes something else than the trained model.
    """
    with _alone(folder, form, inputs.source.cache), staged_directory(folder) as staged:
        _write(form, staged, inputs)
        proof = prove(form, staged, inputs, params)
        write_json(staged / PROOF, proof.document(form))
    return proof


def write_download(
    form: Format, path: Path, inputs: ExportInputs, params: ExportParams, iteration: str
) -> Proof:
    """Write an export's zip, proven from its own files, or nothing.

    Args:
        form: which.
        path: of the zip; `verification.json` lies in it and, under its name, beside it.
        inputs: what it is made from.
        params: how many photos.
        iteration: the iteration's id, for `cvexport.manifest`.

    Raises:
        ExportError: see `write_export`.
    """
    with (
        _alone(path, form, inputs.source.cache),
        staged_file(path) as packed,
        _scratch(path) as folder,
    ):
        made, unpacked = folder / "made", folder / "unpacked"
        made.mkdir()
        _write(form, made, inputs)
        add_manifest(made, form, iteration, datetime.now(UTC))
        write_zip(packed, made)
        with zipfile.ZipFile(packed) as content:
            content.extractall(unpacked)
        proof = prove(form, unpacked, inputs, params)
        add_proof(packed, proof.document(form))
    write_json(path.with_suffix(f".{PROOF}"), proof.document(form))
    return proof


def prove(form: Format, folder: Path, inputs: ExportInputs, params: ExportParams) -> Proof:
    """Open an export as its users do, and compare it with the trained model.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
        VerificationError: it computes something else, or none of the photos is left.
    """
    limit = LIMITS[form.precision]
    photos = inputs.verification_set(params.verification_images if limit.accuracy is None else MOST_IMAGES)
    card = inputs.source.card
    with form.load_port().opened(folder) as opened:
        comparison = PROOFS[card.kind](photos, opened, card, limit)
        require(comparison, limit, title(form))
        milliseconds = latency(opened.run, card.input.size)
        runtime = opened.runtime
    return Proof(comparison, limit, runtime, _bytes(folder), milliseconds)


def require_allowed(form: Format, card: ModelCard, allowed: Sequence[str]) -> None:
    """Refuse what the domain does not export.

    Args:
        form: what is asked for.
        card: of the model.
        allowed: families of formats; none for a domain that is not compact.

    Raises:
        ExportError: the domain does not have it.
    """
    if not allowed:
        raise ExportError(
            f"{card.domain} is a domain that is served, not exported. Choose a compact one (`dahlia "
            "domains`), for example `dahlia params domain=general_compact`, and train again."
        )
    if form.family not in allowed:
        raise ExportError(
            f"{card.domain} is exported as {', '.join(allowed)}, not as {form.family}. Add it to "
            "`domain.exports`, or choose one of these."
        )


def _write(form: Format, folder: Path, inputs: ExportInputs) -> None:
    form.load_port().write(folder, inputs.source, form.flavour)
    add_companions(folder, form, inputs.source.card)


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    # Beside the target: a disk that is full is then found to be so before the last step.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as name:
        yield Path(name)


def _bytes(folder: Path) -> int:
    return sum(part.stat().st_size for part in folder.rglob("*") if part.is_file())


@contextmanager
def _alone(target: Path, form: Format, locks: Path) -> Iterator[None]:
    # The system drops the lock with the process, however that ends.
    name = hashlib.sha256(str(target.resolve()).encode()).hexdigest()[:16]
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{name}.lock")
    try:
        with lock.acquire(timeout=0):
            yield
    except Timeout as error:
        raise ExportError(
            f"{form.name} is being exported to {target} by another process. Wait until it is done."
        ) from error
