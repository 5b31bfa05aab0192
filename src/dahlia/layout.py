"""Where the pipeline's artifacts are, relative to the project folder."""

from __future__ import annotations

from pathlib import Path

PARAMS = Path("params.yaml")
DATASET = Path("data/dataset")
MANIFEST = DATASET / "manifest.parquet"
INSPECTION = DATASET / "inspection.parquet"
SOURCE = DATASET / "source.json"
EXCLUDED = DATASET / "excluded.parquet"
FOLDS = DATASET / "folds.parquet"
ENVIRONMENT = Path("models/environment.json")
ENVIRONMENT_LINKS = Path(".dahlia/environment")  # into the installation
BUNDLE = Path("models/bundle")
PHOTOS = "photos.zip"  # in a bundle, and beside the model that is served
PREDICTIONS = Path("models/predictions.parquet")
HISTORY = Path("models/history.csv")
LEARNING_CURVE = Path("models/learning_curve.json")
EXPORTS = Path("exports")
SERVABLE = EXPORTS / "onnx"  # `model.onnx` and `model.json`, which the service loads
REPORTS = Path("reports")
VALIDATION = REPORTS / "validation.json"
VALIDATION_PAGE = REPORTS / "validation.html"
EVALUATION = REPORTS / "evaluation.json"
EVALUATION_PAGE = REPORTS / "evaluation.html"
METRICS = REPORTS / "metrics.json"
PLOTS = REPORTS / "plots"
ITERATION = REPORTS / "iteration.json"
FEATURE_CACHE = Path(".dahlia/features")
GRAPH_CACHE = Path(".dahlia/graphs")
PRETRAINING = Path(".dahlia/pretraining")
TRIALS = Path(".dahlia/trials")
ADVANCED = Path(".dahlia/advanced")
DETECTION = Path(".dahlia/detection")
STAGE_TIMES = Path(".dahlia/stage-times")
STORED = Path(".dahlia/predictions")  # what the service keeps of what it was asked

_COPIES = ((".dvc", "tmp", "exps"), TRIALS.parts)


def home(root: Path) -> Path:
    """The project folder: `root` itself, or the project that it is a copy of.

    A queued experiment of DVC and a trial run in a copy inside the project. What outlives them, the
    iterations and the caches, is the project's.
    """
    resolved = root.resolve()
    for parts in _COPIES:
        for folder in resolved.parents:
            if folder.parts[-len(parts) :] == parts:
                return folder.parents[len(parts) - 1]
    return resolved
