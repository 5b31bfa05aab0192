"""The folders in which projects are trained: laid out from a snapshot, run, collected.

A workspace is the project folder that `dahlia init` lays out, filled by the server and owned by one worker at
a time. Nothing here knows the database.
"""

from __future__ import annotations

from dahlia.server.workspaces.laying import lay_out
from dahlia.server.workspaces.outcome import Outcome, collect, personalise
from dahlia.server.workspaces.progress import Progress, estimate_seconds, stage_seconds
from dahlia.server.workspaces.repository import commit, head, restore_history, save_history
from dahlia.server.workspaces.running import run_pipeline
from dahlia.server.workspaces.snapshot import Photo, Snapshot, check_tag_name, pipeline_name, spelling
from dahlia.server.workspaces.workspace import Cancelled, PipelineError, occupied

__all__ = [
    "Cancelled",
    "Outcome",
    "Photo",
    "PipelineError",
    "Progress",
    "Snapshot",
    "check_tag_name",
    "collect",
    "commit",
    "estimate_seconds",
    "head",
    "lay_out",
    "occupied",
    "personalise",
    "pipeline_name",
    "restore_history",
    "run_pipeline",
    "save_history",
    "spelling",
    "stage_seconds",
]
