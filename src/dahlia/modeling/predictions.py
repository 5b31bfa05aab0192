"""What training hands to evaluation: held-out predictions of tags, and the learning curve.

Predictions of another form, such as boxes, are another class beside this one; readers know the kind. The
learning curve says how often held-out images were right when fewer were learned from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from dahlia.dataset.manifest import TEST_FOLD, opened_table
from dahlia.errors import DatasetError, TrainingError
from dahlia.files import load_json, staged_file, write_text
from dahlia.kinds import Classification, Kind
from dahlia.modeling.scene_predictions import ScenePredictions

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("truth", pa.list_(pa.bool_()), nullable=False),
        pa.field("probabilities", pa.list_(pa.float64()), nullable=False),
        pa.field("uncalibrated", pa.list_(pa.float64()), nullable=False),
        pa.field("scene", pa.int32(), nullable=False),
        pa.field("new_scene", pa.list_(pa.float64()), nullable=False),
    ]
)
LATER = ("scene", "new_scene")  # columns of `SCHEMA` that files of earlier versions do not have
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class ClassPredictions:
    """Predictions for N images and K tags, each by a model that did not see the image.

    Attributes:
        ids: N image ids (see `ImageRecord.id`).
        tags: K tag names in the order of the columns.
        kind: `multiclass` (rows sum to 1, or less with a gate; at least one true tag each) or `multilabel`.
        fold: (N,) the fold that was held out; `TEST_FOLD` for the user's own test set, which is
            predicted by the final model.
        truth: (N, K) bool.
        probabilities: (N, K) calibrated, 0 to 1. The temperature of a row was chosen without it.
        uncalibrated: (N, K) the same before calibration.
        new_scenes: what models say that saw no image of the same scene; None where no scenes were looked for.
        gated: whether the models have a gate, which lowers all probabilities of what looks like no tag.
    """

    ids: tuple[str, ...]
    tags: tuple[str, ...]
    kind: Kind
    fold: npt.NDArray[np.int32]
    truth: npt.NDArray[np.bool_]
    probabilities: npt.NDArray[np.float64]
    uncalibrated: npt.NDArray[np.float64]
    new_scenes: ScenePredictions | None = None
    gated: bool = False

    def where(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> ClassPredictions:
        """The rows for which a mask (N,) holds, or those with these numbers, in their order."""
        return replace(
            self,
            ids=tuple(self.ids[row] for row in np.arange(len(self.ids))[rows]),
            fold=self.fold[rows],
            truth=self.truth[rows],
            probabilities=self.probabilities[rows],
            uncalibrated=self.uncalibrated[rows],
            new_scenes=self.new_scenes and self.new_scenes.where(rows),
        )

    def by_id(self) -> ClassPredictions:
        """All rows, in the order of their ids."""
        return self.where(np.argsort(np.array(self.ids), kind="stable"))

    @property
    def held_out(self) -> ClassPredictions:
        """The out-of-fold rows."""
        return self.where(self.fold != TEST_FOLD)

    @property
    def test(self) -> ClassPredictions:
        """The rows of the user's own test set; often none."""
        return self.where(self.fold == TEST_FOLD)


def save_predictions(path: Path, predictions: ClassPredictions) -> None:
    """Write Parquet; tags and kind travel in the schema's metadata."""
    header: dict[str, object] = {
        "tags": predictions.tags,
        "classification": predictions.kind,
        "gated": predictions.gated,
    }
    columns = {
        "id": pa.array(predictions.ids, pa.string()),
        "fold": pa.array(predictions.fold, pa.int32()),
        "truth": _lists(predictions.truth),
        "probabilities": _lists(predictions.probabilities),
        "uncalibrated": _lists(predictions.uncalibrated),
    }
    if predictions.new_scenes is not None:
        header["named_scenes"] = predictions.new_scenes.named
        columns["scene"] = pa.array(predictions.new_scenes.scene, pa.int32())
        columns["new_scene"] = _lists(predictions.new_scenes.probabilities)
    schema = pa.schema([field for field in SCHEMA if field.name in columns])
    table = pa.Table.from_arrays(
        list(columns.values()), schema=schema.with_metadata({"dahlia": json.dumps(header)})
    )
    with staged_file(path) as staged:
        pq.write_table(table, staged, compression="zstd")


def load_predictions(path: Path, *, uncalibrated: bool = True, new_scenes: bool = True) -> ClassPredictions:
    """Read what `save_predictions` wrote.

    Args:
        path: the file.
        uncalibrated: False for who does not need them and half of the memory; the calibrated ones then stand
            in their place.
        new_scenes: False for who does not need them; they are then None.

    Raises:
        DatasetError: the file is missing or has another schema.
    """
    with opened_table(path, SCHEMA, "dvc repro train", LATER) as file:
        header = json.loads(file.schema_arrow.metadata[b"dahlia"])
        shape = (file.metadata.num_rows, len(header["tags"]))
        wanted = ("probabilities", "uncalibrated") if uncalibrated else ("probabilities",)
        with_scenes = new_scenes and "scene" in file.schema_arrow.names
        numbers = {name: np.empty(shape[0], np.int32) for name in ("fold", "scene")[: 1 + with_scenes]}
        matrices = {"truth": np.empty(shape, bool)} | {name: np.empty(shape) for name in wanted}
        if with_scenes:
            matrices["new_scene"] = np.empty(shape)
        ids: list[str] = []
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["id", *numbers, *matrices]):
            rows = slice(len(ids), len(ids) + len(batch))
            ids += batch["id"].to_pylist()
            for name, column in numbers.items():
                column[rows] = batch[name]
            for name, matrix in matrices.items():
                values = batch[name].flatten().to_numpy(zero_copy_only=False)
                matrix[rows] = values.reshape(-1, shape[1])
    return ClassPredictions(
        ids=tuple(ids),
        tags=tuple(header["tags"]),
        kind=header["classification"],
        fold=numbers["fold"],
        truth=matrices["truth"],
        probabilities=matrices["probabilities"],
        uncalibrated=matrices[wanted[-1]],
        new_scenes=ScenePredictions(numbers["scene"], matrices["new_scene"], header["named_scenes"])
        if with_scenes
        else None,
        gated=header.get("gated", False),  # files of before there were gates do not say
    )


def load_truth(path: Path) -> dict[str, tuple[str, ...]]:
    """The true tags of each image in what `save_predictions` wrote, without the probabilities.

    Raises:
        DatasetError: the file is missing or damaged, or has another schema.
    """
    with opened_table(path, SCHEMA, "dvc repro train", LATER) as file:
        try:
            tags = json.loads(file.schema_arrow.metadata[b"dahlia"])["tags"]
            return {
                image: tuple(tag for tag, true in zip(tags, row, strict=True) if true)
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["id", "truth"])
                for image, row in zip(batch["id"].to_pylist(), batch["truth"].to_pylist(), strict=True)
            }
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"Expected predictions with the names of their tags in {path}, received others. Run "
                "`dvc repro train` to make them again."
            ) from error


# Lists of Python's own numbers would take ten times the memory: 9 GB for 100,000 images and 500 tags.
def _lists(matrix: npt.NDArray[Any]) -> pa.Array:
    ends = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(ends, pa.array(matrix.ravel()))


HALF = 0.5


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FoldOutcomes(_Record):
    """The images of one fold, judged once per share by a head that learned from that share of the others.

    Attributes:
        fold: which one was held out.
        learned: for each share, the images that were learned from; for a tag, those that have it.
        outcomes: how many images went which way. A key has a digit per share, `1` where the image was
            right: with four shares `0011` was right from the third share on. So images are compared with
            themselves, not only counted.
    """

    fold: int
    learned: tuple[int, ...]
    outcomes: dict[str, PositiveInt]


class LearningCurve(_Record):
    """Outcomes of all images together, and of the images of each tag.

    Attributes:
        recipe: the recipe that won. The heads here are always quick ones.
        classification: `multiclass`: an image is right when its tag is the most probable. `multilabel`: an
            image is right when every tag is, at the threshold; for a tag: when it is found.
        threshold: 0.5, whatever `evaluate.threshold` is; temperature has no say in it.
        shares: of the other folds' images, rising to 1, a half among them. The last is the quick recipe's
            held-out prediction itself.
        tags: K names.
        whole: one per fold.
        by_tag: K rows, one per fold in each; a fold without images of the tag has no outcomes.
    """

    format: Literal[1] = 1
    recipe: Literal["quick", "advanced"]
    classification: Classification
    threshold: float = HALF
    shares: tuple[float, ...] = Field(min_length=2)
    tags: tuple[str, ...]
    whole: tuple[FoldOutcomes, ...] = Field(min_length=1)
    by_tag: tuple[tuple[FoldOutcomes, ...], ...]

    @model_validator(mode="after")
    def _fits_together(self) -> LearningCurve:
        shares = list(self.shares)
        if shares != sorted(set(shares)) or shares[0] <= 0 or shares[-1] != 1 or HALF not in shares:
            raise ValueError(f"expected shares that rise to 1, 0.5 among them, received {shares}")
        if len(self.by_tag) != len(self.tags):
            raise ValueError(f"expected outcomes of {len(self.tags)} tags, received {len(self.by_tag)}")
        for each in (part for folds in (self.whole, *self.by_tag) for part in folds):
            if len(each.learned) != len(self.shares):
                raise ValueError(f"expected {len(self.shares)} counts, received {list(each.learned)}")
            for key in each.outcomes:
                if len(key) != len(self.shares) or set(key) - {"0", "1"}:
                    raise ValueError(f"expected {len(self.shares)} digits 0 or 1, received {key!r}")
        return self


def save_learning_curve(path: Path, curve: LearningCurve) -> None:
    """Write JSON; the same curve gives the same bytes."""
    write_text(path, curve.model_dump_json(indent=1) + "\n")


def load_learning_curve(path: Path) -> LearningCurve:
    """Read what `save_learning_curve` wrote.

    Raises:
        TrainingError: the file is missing or does not fit.
    """
    return load_json(path, LearningCurve, what="a learning curve", stage="train", error=TrainingError)
