"""A small project on disk, for the tests of the stages that read and divide images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dahlia.params import IngestParams, Params, ProjectParams, SplitParams, ValidateParams
from dahlia.project import shipped_domains
from dahlia.stages import ingest, validate

SECTIONS: dict[str, dict[str, Any]] = {
    "project": {"name": "Garden", "classification": "multiclass", "negative_tag": None, "seed": 7},
    "ingest": {"format": "auto", "source": "data/photos", "workers": 0},
    "validate": {
        "on_error": "stop",
        "several_tags": "error",
        "max_bytes": 6_000_000,
        "max_edge": 10240,
        "max_aspect_ratio": 25.0,
        "min_edge": 256,
        "min_images_per_tag": 5,
        "advised_images_per_tag": 50,
        "max_imbalance": 3.0,
        "near_duplicate_bits": 4,
        "min_region_edge": 0.01,
    },
    "split": {"folds": 5},
}


def make_params(**changed: Any) -> Params:
    """The sections that ingest, validate and split read; `changed` replaces values by key.

    `domain` among them is the choice in `conf/domain`.
    """
    sections = {
        name: {key: changed.get(key, value) for key, value in values.items()}
        for name, values in SECTIONS.items()
    }
    return Params.model_construct(
        project=ProjectParams(**sections["project"]),
        ingest=IngestParams(**sections["ingest"]),
        validate_=ValidateParams(**sections["validate"]),
        split=SplitParams(**sections["split"]),
        domain=shipped_domains()[changed.get("domain", "general_compact")],
    )


def plant(root: Path, **counts: int) -> Path:
    """Photos in `data/photos/<tag>/`, no two alike; `test_<tag>` fills `data/photos/test/<tag>/`."""
    for place, (tag, count) in enumerate(sorted(counts.items())):
        folder = root / "data" / "photos" / tag.replace("test_", "test/")
        folder.mkdir(parents=True, exist_ok=True)
        for n in range(count):
            pixels = np.random.default_rng([place, n]).integers(0, 256, (8, 10, 3), np.uint8)
            Image.fromarray(pixels).resize((64, 48), Image.Resampling.NEAREST).save(folder / f"{n}.jpg")
    return root


def prepare(root: Path, params: Params) -> Path:
    """Run the stages before `split`."""
    ingest.run(params, root)
    validate.run(params, root)
    return root
