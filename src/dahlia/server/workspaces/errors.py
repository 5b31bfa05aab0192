"""What ends a training in a workspace."""

from __future__ import annotations

from dahlia.errors import DahliaError, TrainingError


class PipelineError(TrainingError):
    """The pipeline failed.

    Args:
        message: the reason, for the user.
        output: the last lines that the pipeline printed, for the operator.
    """

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class Cancelled(DahliaError):  # noqa: N818 (nothing went wrong)
    """The training was ended on request."""
