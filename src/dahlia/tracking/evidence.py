"""What the earlier stages left behind, gathered for one run."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from dahlia import layout
from dahlia.errors import TrackingError
from dahlia.files import sha256_of
from dahlia.modeling.card import ModelCard, load_card
from dahlia.params import Params
from dahlia.provenance import StageTime, stage_times

TAG_METRICS = "tag/"
TIME_METRICS = "seconds/"
TAG_FIGURES = ("ap", "precision", "recall")

_REQUIRED = {
    layout.BUNDLE / "model.safetensors": "train",
    layout.EVALUATION: "evaluate",
    layout.METRICS: "evaluate",
    layout.EXPORTS: "export",
}
_REPORTS = (
    layout.PREDICTIONS,
    layout.EVALUATION,
    layout.METRICS,
    layout.EVALUATION_PAGE,
    layout.VALIDATION,
    layout.VALIDATION_PAGE,
    layout.PLOTS,
)
_PROOF, _LATENCY = "verification.json", "milliseconds_per_image"
_MAX_PARAMETER = 6000  # MLflow's limit on a parameter's value


@dataclass(frozen=True)
class Curve:
    """A metric over the steps of training."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Evidence:
    """Everything that a run records.

    Attributes:
        card: the bundle's `model.json`.
        parameters: `params.yaml`, keys joined by dots, values as text.
        metrics: figures of the whole model, and `tag/<tag>/<figure>` for each tag.
        curves: of `models/history.csv`, where training wrote one.
        times: when the stages wrote what is there, as far as that is known.
        files: files and folders to keep, each with the artifact folder that it goes to.
        servable: the ONNX export, which the model holds.
        photos: of the bundle, to compare other ways of computing the model; None where it has none.
        fingerprint: SHA-256 over bundle, exports and evaluation: equal exactly when these are.
    """

    card: ModelCard
    parameters: dict[str, str]
    metrics: dict[str, float]
    curves: tuple[Curve, ...]
    times: dict[str, StageTime]
    files: tuple[tuple[Path, str], ...]
    servable: Path
    photos: Path | None
    fingerprint: str


def gather(root: Path, params: Params, *, exported: bool = True) -> Evidence:
    """Read what the stages before `track` wrote into the project folder `root`.

    Args:
        root: the project folder.
        params: what it was made with.
        exported: whether there must be exports; a trial has none.

    Raises:
        TrackingError: something that a run must hold is missing or cannot be read.
        TrainingError: the bundle's `model.json` is missing or does not fit.
    """
    card = load_card(root / layout.BUNDLE)
    for name, stage in _REQUIRED.items():
        if not (root / name).exists() and (exported or name != layout.EXPORTS):
            raise TrackingError(f"{root / name} was expected and is not there. Run `dvc repro {stage}`.")
    # A folder of a format that was taken out of the list may still be there; it is of another model.
    exports = tuple(root / layout.EXPORTS / name for name in params.export.formats)
    return Evidence(
        card=card,
        parameters=_parameters(params),
        metrics=_overall(_read_json(root / layout.METRICS))
        | _tag_metrics(_read_json(root / layout.EVALUATION)),
        curves=_curves(root / layout.HISTORY),
        times=stage_times(root, params.export.formats),
        files=_files(root, exports),
        servable=root / layout.SERVABLE,
        photos=photos if (photos := root / layout.BUNDLE / layout.PHOTOS).exists() else None,
        fingerprint=_fingerprint(root, exports),
    )


def flatten(value: object, prefix: str = "", separator: str = ".") -> Iterator[tuple[str, object]]:
    """The leaves of nested mappings, with their keys joined by `separator`."""
    if not isinstance(value, Mapping):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from flatten(inner, f"{prefix}{separator}{key}" if prefix else str(key), separator)


def _parameters(params: Params) -> dict[str, str]:
    leaves = flatten(params.model_dump(mode="json", by_alias=True))
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in leaves}
    return {key: text[:_MAX_PARAMETER] for key, text in texts.items()}


def _overall(metrics: object) -> dict[str, float]:
    figures = metrics if isinstance(metrics, Mapping) else {}
    return _numbers({_metric_name(str(key)): value for key, value in figures.items()})


def _tag_metrics(evaluation: object) -> dict[str, float]:
    held_out = evaluation.get("held_out") if isinstance(evaluation, Mapping) else None
    tags = held_out.get("tags", []) if isinstance(held_out, Mapping) else []
    named = [tag for tag in tags if isinstance(tag, Mapping) and "tag" in tag]
    names = _distinct([_metric_name(str(tag["tag"])) for tag in named])
    return _numbers(
        {
            f"{TAG_METRICS}{name}/{figure}": _value(tag.get(figure))
            for name, tag in zip(names, named, strict=True)
            for figure in TAG_FIGURES
        }
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """The same names, but one that is there already has a number after it: `x_y` and `x_y 2`."""
    taken: list[str] = []
    for name in names:
        numbered = chain([name], (f"{name} {number}" for number in count(2)))
        taken.append(next(one for one in numbered if one not in taken and (one == name or one not in names)))
    return taken


def _value(estimate: object) -> object:
    return estimate.get("value") if isinstance(estimate, Mapping) else estimate


def _numbers(values: Mapping[str, object]) -> dict[str, float]:
    return {
        key: float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _metric_name(name: str) -> str:
    # MLflow takes what is a path in its shortest spelling: no empty part, and none that is a dot.
    parts = re.sub(r"[^\w./ -]|\.\.", "_", name).split("/")
    return "/".join("_" if part in ("", ".") else part for part in parts)


def _curves(path: Path) -> tuple[Curve, ...]:
    if not path.exists():
        return ()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in (rows[0] if rows else ()) if name != "step"]
        return tuple(
            Curve(
                _metric_name(name), tuple((int(row["step"]), float(row[name])) for row in rows if row[name])
            )
            for name in names
        )
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise TrackingError(
            f"{path} was expected to hold numbers under `step` and further columns ({error}). "
            "Run `dvc repro train` to make it again."
        ) from error


def _files(root: Path, exports: tuple[Path, ...]) -> tuple[tuple[Path, str], ...]:
    reports = [(root / name, "reports") for name in _REPORTS if (root / name).exists()]
    folders = [
        (root / layout.BUNDLE, "bundle"),
        *((path, "exports") for path in exports if path != root / layout.SERVABLE),
    ]
    return (*(folder for folder in folders if folder[0].is_dir()), *reports)


def _fingerprint(root: Path, exports: tuple[Path, ...]) -> str:
    parts = [
        path for folder in (root / layout.BUNDLE, *exports) for path in folder.rglob("*") if path.is_file()
    ]
    digest = hashlib.sha256()
    for path in [*sorted(parts), root / layout.EVALUATION]:
        digest.update(f"{path.relative_to(root).as_posix()}\0{_content(path)}\n".encode())
    return digest.hexdigest()


def _content(path: Path) -> str:
    if path.name == _PROOF:  # its latency differs every time
        proof = _read_json(path)
        kept = (
            {name: value for name, value in proof.items() if name != _LATENCY}
            if isinstance(proof, dict)
            else proof
        )
        return json.dumps(kept, sort_keys=True)
    return sha256_of(path)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrackingError(f"{path} is not JSON ({error}). Run `dvc repro evaluate` again.") from error
