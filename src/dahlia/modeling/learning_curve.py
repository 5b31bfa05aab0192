"""How often held-out images were right when fewer were learned from: what training hands to evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from dahlia.errors import TrainingError
from dahlia.files import load_json, write_text
from dahlia.kinds import Classification

HALF = 0.5


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FoldOutcomes(_Part):
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


class LearningCurve(_Part):
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
