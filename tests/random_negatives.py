"""A negative set for networks that have none, and trainings that take it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from dahlia.dataset.imaging import RULES
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.negative_set import NegativeRecord, NegativeSet
from dahlia.params import Params
from dahlia.training import recipes

PHOTOS, AXES = 60, 16


def random_negatives(backbone: Backbone, size: int) -> NegativeSet:
    """Features of no photo, each part of unit length as a backbone's are."""
    rng = np.random.default_rng(0)
    parts = [np.abs(rng.normal(size=(PHOTOS, count))) for count in backbone.parts]
    features = np.concatenate([part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts], 1)
    axes = np.linalg.qr(rng.normal(size=(backbone.features, AXES)))[0]
    centre = features.mean(0)
    record = NegativeRecord(
        architecture=backbone.architecture,
        fingerprint=backbone.fingerprint,
        size=size,
        rules=RULES,
        sources={"numbers": PHOTOS},
        licence="none needed",
        dahlia_version="0.1.0",
    )
    return NegativeSet(centre, axes, (features - centre) @ axes, record)


@contextmanager
def with_random_negatives() -> Iterator[None]:
    """Let every training have a negative set, unless its parameters want none."""

    def found(params: Params, backbone: Backbone) -> NegativeSet | None:
        wanted = params.project.negatives != "none"
        return random_negatives(backbone, params.domain.input.size) if wanted else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "find_negatives", found)
        yield
