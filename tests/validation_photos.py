"""Generated photos and parameters for the tests of inspection, validation and folds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dahlia.params import IngestParams, Params, ProjectParams, SplitParams, ValidateParams
from dahlia.project import shipped_domains

PROJECT = {"name": "Garden", "classification": "multiclass", "negative_tag": "Nothing", "seed": 7}
VALIDATE = {
    "on_error": "stop",
    "several_tags": "error",
    "max_bytes": 300_000,
    "max_edge": 1000,
    "max_aspect_ratio": 4.0,
    "min_edge": 128,
    "min_images_per_tag": 5,
    "advised_images_per_tag": 6,
    "max_imbalance": 3.0,
    "near_duplicate_bits": 4,
    "min_region_edge": 0.01,
    "advised_boxes_per_tag": 15,
}


def make_params(**changed: Any) -> Params:
    """The sections that ingest, validate and split read; `changed` replaces values by key.

    `domain` among them is the choice in `conf/domain`.
    """
    return Params.model_construct(
        project=ProjectParams(**_merged(PROJECT, changed)),
        ingest=IngestParams(**_merged({"format": "auto", "source": "photos", "workers": 0}, changed)),
        validate_=ValidateParams(**_merged(VALIDATE, changed)),
        split=SplitParams(**_merged({"folds": 5}, changed)),
        domain=shipped_domains()[changed.get("domain", "general_compact")],
    )


def photo(seed: int, width: int = 200, height: int = 160) -> Image.Image:
    """Coloured clouds with some grain: sharp, neither dark nor bright, unlike those of other seeds."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 10, 3), np.uint8)).resize((width, height))
    grain = rng.integers(-30, 31, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    """The image's file."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _merged(values: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    return {key: changed.get(key, value) for key, value in values.items()}
