"""What more photos would bring a detector: held-out figures after learning from fewer of them."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from dahlia.errors import TrainingError
from dahlia.files import load_json, write_text


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CurvePoint(_Record):
    """One size of the training set.

    Attributes:
        photos: that were learned from, the mean of the folds.
        average_precision: mean over the tags, at an intersection over union of 0.5, on held-out photos.
    """

    photos: float = Field(gt=0)
    average_precision: float = Field(ge=0, le=1)


class BoxCurve(_Record):
    """The learning curve of a detector; it has no points where there was no time to measure it.

    Attributes:
        recipe: that the points were trained with.
        points: by rising number of photos.
    """

    format: int = Field(default=1, ge=1, le=1)
    recipe: str
    points: tuple[CurvePoint, ...] = ()


def save_box_curve(path: Path, curve: BoxCurve) -> None:
    """Write JSON; the same curve gives the same bytes."""
    write_text(path, curve.model_dump_json(indent=1) + "\n")


def load_box_curve(path: Path) -> BoxCurve:
    """Read what `save_box_curve` wrote.

    Raises:
        TrainingError: the file is missing or does not fit.
    """
    return load_json(path, BoxCurve, what="a detector's learning curve", stage="train", error=TrainingError)
