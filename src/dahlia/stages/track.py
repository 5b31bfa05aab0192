"""Stage `track`: an MLflow run and a version in the registry for what the pipeline made."""

from __future__ import annotations

from pathlib import Path

from dahlia.params import Params
from dahlia.tracking.record import record


def run(params: Params, root: Path) -> None:
    """Record the iteration; nothing new is made where exactly this was recorded before."""
    record(root, params)
