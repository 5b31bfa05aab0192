"""Evaluations of all kinds, as they are kept: read by the word that says their kind, and told as a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, RootModel

from dahlia.errors import EvaluationError
from dahlia.evaluation.detection.figures import BoxEvaluation
from dahlia.evaluation.detection.summary import box_summary_table
from dahlia.evaluation.figures import Evaluation
from dahlia.evaluation.summary import summary_table
from dahlia.files import load_json
from dahlia.kinds import Kind

if TYPE_CHECKING:
    from rich.table import Table


class _Saved(RootModel[Annotated[Evaluation | BoxEvaluation, Field(discriminator="classification")]]):
    pass


SUMMARIES: dict[Kind, Callable[[Any], Table]] = {
    "multiclass": summary_table,
    "multilabel": summary_table,
    "detection": box_summary_table,
}


def load_saved(path: Path) -> Evaluation | BoxEvaluation:
    """Read `reports/evaluation.json`.

    Raises:
        EvaluationError: the file is missing, or was written by another version.
    """
    return load_json(path, _Saved, what="an evaluation", stage="evaluate", error=EvaluationError).root


def summary_of(evaluation: Evaluation | BoxEvaluation) -> Table:
    """The table of its kind; for a terminal."""
    return SUMMARIES[evaluation.classification](evaluation)
