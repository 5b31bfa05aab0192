"""What the training of a detector hands to evaluation: boxes, found by models that did not see the photo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dahlia.boxes import Boxes
from dahlia.dataset.manifest import TEST_FOLD, opened_table
from dahlia.errors import DatasetError
from dahlia.files import staged_file

_NUMBERS, _COLUMNS = pa.list_(pa.float32()), pa.list_(pa.int32())
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("true_tags", _COLUMNS, nullable=False),
        pa.field("true_places", _NUMBERS, nullable=False),
        pa.field("tags", _COLUMNS, nullable=False),
        pa.field("places", _NUMBERS, nullable=False),
        pa.field("scores", _NUMBERS, nullable=False),
        pa.field("uncalibrated", _NUMBERS, nullable=False),
    ]
)


@dataclass(frozen=True)
class BoxPredictions:
    """Boxes in N photos, each photo looked at by a model that did not see it.

    Attributes:
        ids: N image ids (see `ImageRecord.id`).
        tags: K names; columns of `Boxes.tags`.
        fold: (N,) the fold that was held out; `TEST_FOLD` for the user's own test set, which the final model
            looked at.
        truth: of each photo the boxes that people drew; their scores are 1.
        found: of each photo what was found, after suppression, the highest score first; scores are
            calibrated without the photo.
        uncalibrated: of each photo (M,) the scores of the same boxes before calibration.
    """

    ids: tuple[str, ...]
    tags: tuple[str, ...]
    fold: npt.NDArray[np.int32]
    truth: tuple[Boxes, ...]
    found: tuple[Boxes, ...]
    uncalibrated: tuple[npt.NDArray[np.float32], ...]

    def where(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> BoxPredictions:
        """The photos for which a mask (N,) holds, or those with these numbers, in their order."""
        chosen = np.arange(len(self.ids))[rows].tolist()
        return replace(
            self,
            ids=tuple(self.ids[row] for row in chosen),
            fold=self.fold[rows],
            truth=tuple(self.truth[row] for row in chosen),
            found=tuple(self.found[row] for row in chosen),
            uncalibrated=tuple(self.uncalibrated[row] for row in chosen),
        )

    def by_id(self) -> BoxPredictions:
        """All photos, in the order of their ids."""
        return self.where(np.argsort(np.array(self.ids), kind="stable"))

    @property
    def held_out(self) -> BoxPredictions:
        """The out-of-fold photos."""
        return self.where(self.fold != TEST_FOLD)

    @property
    def test(self) -> BoxPredictions:
        """The photos of the user's own test set; often none."""
        return self.where(self.fold == TEST_FOLD)


def save_box_predictions(path: Path, predictions: BoxPredictions) -> None:
    """Write Parquet, a row per photo; the tags travel in the schema's metadata."""
    columns = [
        pa.array(predictions.ids, pa.string()),
        pa.array(predictions.fold, pa.int32()),
        _lists([one.tags for one in predictions.truth], _COLUMNS),
        _lists([one.places for one in predictions.truth], _NUMBERS),
        _lists([one.tags for one in predictions.found], _COLUMNS),
        _lists([one.places for one in predictions.found], _NUMBERS),
        _lists([one.scores for one in predictions.found], _NUMBERS),
        _lists(predictions.uncalibrated, _NUMBERS),
    ]
    header = {"tags": predictions.tags, "classification": "detection"}
    schema = SCHEMA.with_metadata({"dahlia": json.dumps(header)})
    with staged_file(path) as staged:
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), staged, compression="zstd")


def load_box_predictions(path: Path) -> BoxPredictions:
    """Read what `save_box_predictions` wrote.

    Raises:
        DatasetError: the file is missing or damaged, or has another schema.
    """
    with opened_table(path, SCHEMA, "dvc repro train") as file:
        try:
            tags = json.loads(file.schema_arrow.metadata[b"dahlia"])["tags"]
            rows = file.read().to_pydict()
            return BoxPredictions(
                ids=tuple(rows["id"]),
                tags=tuple(tags),
                fold=np.array(rows["fold"], np.int32),
                truth=tuple(map(_boxes, rows["true_tags"], rows["true_places"])),
                found=tuple(map(_boxes, rows["tags"], rows["places"], rows["scores"])),
                uncalibrated=tuple(np.array(row, np.float32) for row in rows["uncalibrated"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"Expected boxes with the names of their tags in {path}, received others ({error}). Run "
                "`dvc repro train` to make them again."
            ) from error


def _boxes(tags: list[int], places: list[float], scores: list[float] | None = None) -> Boxes:
    given = [1.0] * len(tags) if scores is None else scores
    return Boxes(
        np.array(tags, np.int32), np.array(places, np.float32).reshape(-1, 4), np.array(given, np.float32)
    )


def _lists(rows: Sequence[npt.NDArray[Any]], kind: pa.DataType) -> pa.Array:
    return pa.array([row.ravel().tolist() for row in rows], kind)
