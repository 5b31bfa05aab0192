"""The built-in negative set: features of photos that belong to no project, for a backbone and an input size.

Features alone are kept, never photos, and of those what lies along a few hundred axes: the directions in
which everyday photos differ most, without those along which features move where a photo is enlarged from few
pixels. The corpus has small photos, and without the latter a gate would learn that blurred photos are none.
`dahlia negatives` makes such a file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from dahlia.dataset.imaging import RULES
from dahlia.errors import WeightsError
from dahlia.files import sha256_of, staged_file, write_text

SETS = Path(__file__).parent / "negative_sets"
_RECORD = "dahlia"
_DIGESTS = "SHA256SUMS"
_REMEDY = "Install Dahlia again, or set `project.negatives` to none."
_LEVELS = 127
_DIGITS = 16  # of the fingerprint, in the names of files
Values = npt.NDArray[np.float64]


class NegativeRecord(BaseModel):
    """What a negative set is of, and where it is from.

    Attributes:
        architecture: of the backbone.
        fingerprint: of the backbone: its weights, smoothing and what is read of it.
        size: input edge, pixels.
        rules: of decoding and resizing (`dahlia.dataset.imaging.RULES`).
        view: in which the photos were seen.
        sources: where photos came from, and how many from each.
        licence: of the photos, as far as it is known.
        dahlia_version: that made it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    fingerprint: str
    size: PositiveInt
    rules: int
    view: str = "plain"
    sources: dict[str, int]
    licence: str
    dahlia_version: str


@dataclass(frozen=True)
class NegativeSet:
    """Photos of everything else.

    Attributes:
        centre: (D,) where the axes meet.
        axes: (D, R) columns of unit length, nearly orthogonal.
        places: (M, R) the photos along the axes.
        record: what it is.
    """

    centre: Values
    axes: Values
    places: Values
    record: NegativeRecord

    def along(self, features: npt.NDArray[np.floating]) -> Values:
        """(..., D) features to (..., R) places along the axes."""
        return np.asarray((features - self.centre) @ self.axes)


def negative_set(fingerprint: str, size: int, folder: Path = SETS) -> NegativeSet | None:
    """The set of a backbone and input size; None where the folder lists none.

    Raises:
        WeightsError: its file is missing or damaged, or of another backbone, size or way of decoding.
    """
    path = folder / set_name(fingerprint, size)
    digest = _listed(folder).get(path.name)
    if digest is None:
        return None
    if not path.is_file() or sha256_of(path) != digest:
        raise WeightsError(
            f"The negative set {path} is missing or damaged, expected SHA-256 {digest}. {_REMEDY}"
        )
    found = read_negative_set(path)
    record = found.record
    expected, received = (fingerprint, size, RULES), (record.fingerprint, record.size, record.rules)
    if expected != received:
        raise WeightsError(
            f"The negative set {path} was expected to be of backbone {fingerprint[:_DIGITS]} at {size} px, "
            f"decoding {RULES}, and is of {record.fingerprint[:_DIGITS]} at {record.size} px, decoding "
            f"{record.rules}. {_REMEDY}"
        )
    return found


def list_sets(folder: Path) -> None:
    """Write the digests of a folder's sets: the gate of a damaged one would be wrong without a word."""
    lines = [f"{sha256_of(path)}  {path.name}\n" for path in sorted(folder.glob("*.safetensors"))]
    write_text(folder / _DIGESTS, "".join(lines))


def _listed(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / _DIGESTS).read_text("utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ") for line in lines)}
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{folder / _DIGESTS} was expected to list negative sets, and cannot be read ({error}). {_REMEDY}"
        ) from error


def set_name(fingerprint: str, size: int) -> str:
    """The name of a set's file."""
    return f"{fingerprint[:_DIGITS]}-{size}.safetensors"


def save_negative_set(folder: Path, made: NegativeSet) -> Path:
    """Write a set into a folder: axes in 16 bits, places in 8 with a step per axis. Returns its file."""
    from safetensors.numpy import save_file

    steps = np.maximum(np.abs(made.places).max(0), 1e-12) / _LEVELS
    tensors = {
        "centre": made.centre.astype(np.float32),
        "axes": made.axes.astype(np.float16),
        "places": np.round(made.places / steps).astype(np.int8),
        "steps": steps.astype(np.float32),
    }
    # safetensors writes the memory as it is, whatever the order of the axes.
    tensors = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    path = folder / set_name(made.record.fingerprint, made.record.size)
    folder.mkdir(parents=True, exist_ok=True)
    with staged_file(path) as staged:
        save_file(tensors, staged, metadata={_RECORD: made.record.model_dump_json()})
    list_sets(folder)
    return path


def read_negative_set(path: Path) -> NegativeSet:
    """Read a file of `save_negative_set`, whatever it is of.

    Raises:
        WeightsError: it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            record = NegativeRecord.model_validate(json.loads((file.metadata() or {})[_RECORD]))
            tensors = {name: file.get_tensor(name) for name in ("centre", "axes", "places", "steps")}
    except (SafetensorError, OSError, LookupError, ValueError, ValidationError) as error:
        raise WeightsError(
            f"{path} is not a whole negative set ({' '.join(str(error).split())[:200]}). {_REMEDY}"
        ) from error
    places = tensors["places"].astype(np.float64) * tensors["steps"]
    return NegativeSet(
        tensors["centre"].astype(np.float64), tensors["axes"].astype(np.float64), places, record
    )
