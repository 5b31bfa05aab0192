"""Where a workspace has what other projects do not; see `dahlia.layout` for the rest."""

from __future__ import annotations

from pathlib import Path

DATA = Path("data")
IMAGES = DATA / "images"
ANNOTATIONS = DATA / "annotations.csv"
FOLDS = DATA / "folds.csv"  # in Git, where `data/dataset/folds.parquet` is not
ARRIVING = Path(".dahlia/arriving")
DVC_NOTES = Path(".dahlia/dvc")
LOG = Path(".dahlia/pipeline.log")
