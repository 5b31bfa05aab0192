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
from typing import Any

from filelock import FileLock, Timeout

from dahlia import __version__, layout
from dahlia.dataset.records import ImageRecord
from dahlia.errors import ExportError
from dahlia.export.formats import COMPACT, Format
from dahlia.export.packing import PROOF, add_companions, add_manifest, add_proof, title, write_zip
from dahlia.export.port import Source
from dahlia.export.proofs import PROOFS, Compared
from dahlia.export.verify import Limit, calibration_photos
from dahlia.files import staged_directory, staged_file, write_json
from dahlia.modeling.card import ModelCard, load_card
from dahlia.modeling.reference import MOST_IMAGES
from dahlia.params import ExportParams


@dataclass(frozen=True)
class ExportInputs:
    """What an export is made from and verified on.

    Attributes:
        source: what writers start from.
        verification_set: reads at most so many photos, and what the model says of them.
    """

    source: Source
    verification_set: Callable[[int], Any]


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

    comparison: Compared
    limit: Limit
    runtime: str
    bytes: int
    milliseconds_per_image: float

    def document(self, form: Format) -> dict[str, object]:
        """As JSON, keys in reading order."""
        return {
            "format": form.family,
            "flavour": form.flavour,
            **self.comparison.figures(),
            "limit": asdict(self.limit),
            "bytes": self.bytes,
            "milliseconds_per_image": round(self.milliseconds_per_image, 2),
            "runtime": self.runtime,
            "versions": {"dahlia": __version__} | {name: version(name) for name in form.libraries},
        }

    def sentence(self, form: Format) -> str:
        """For people who watch."""
        return f"{form.name}, {self.comparison.words(self.limit)}, {self.bytes / 1e6:.1f} MB"


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
    prover = PROOFS[card.kind]
    reference = prover.reference(bundle)
    source = Source(
        bundle,
        card,
        cache=graphs or layout.home(root) / layout.GRAPH_CACHE,
        photos=cache(lambda: calibration_photos(card, records, root)),
    )
    return ExportInputs(source, cache(lambda count: prover.photos(reference, card, records, root, count)))


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
        add_manifest(made, form, inputs.source.card, iteration, datetime.now(UTC))
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
    card = inputs.source.card
    prover = PROOFS[card.kind]
    limit = prover.limits[form.precision]
    asked = params.verification_images or prover.usual
    photos = inputs.verification_set(asked if limit.accuracy is None else MOST_IMAGES)
    judged = prover.judge(form.load_port(), folder, photos, card, limit, title(form))
    return Proof(judged.comparison, limit, judged.runtime, _bytes(folder), judged.milliseconds)


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
            f"domains`), for example `dahlia params domain={COMPACT[card.kind]}`, and train again."
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
    lock = FileLock(locks / f"{name}.lock")
    try:
        locks.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ExportError(
            f"{form.name} is being exported to {target} by another process. Wait until it is done."
        ) from error
    except OSError as error:
        raise ExportError(
            f"Expected to be allowed to write into {locks}, where converted graphs are kept: "
            f"{error.strerror or error}. Export as the user who trained, or change the folder's permissions."
        ) from error
    try:
        yield
    finally:
        lock.release()
