from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from serving_helpers import IDS, PROJECT_ID

from dahlia.serving.metrics import Metrics
from dahlia.serving.models.loading import Servable
from dahlia.serving.models.publications import Published

PUBLISHED = Published(PROJECT_ID, "v1", Servable(1, IDS[1], Path()))
LABELS = {"project": PROJECT_ID, "name": "v1"}


def test_what_is_counted() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.answered(PUBLISHED, 0.5)
    metrics.answered(PUBLISHED, 0.25)
    metrics.refused("429")
    metrics.kept(PUBLISHED, True)
    metrics.kept(PUBLISHED, False)
    metrics.under_way(3)
    metrics.loaded(2, 1000)
    assert registry.get_sample_value("dahlia_prediction_seconds_count", LABELS) == 2
    assert registry.get_sample_value("dahlia_prediction_seconds_sum", LABELS) == 0.75
    assert registry.get_sample_value("dahlia_refusals_total", {"code": "429"}) == 1
    assert registry.get_sample_value("dahlia_predictions_stored_total", LABELS) == 1
    assert registry.get_sample_value("dahlia_predictions_not_stored_total", LABELS) == 1
    assert registry.get_sample_value("dahlia_predictions_under_way") == 3
    assert registry.get_sample_value("dahlia_models_loaded") == 2
    assert registry.get_sample_value("dahlia_models_bytes") == 1000


def test_what_killed_processes_left_is_forgotten_but_not_what_they_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for process in (ended.pid, os.getpid()):
        for kind in ("counter", "gauge_livesum", "histogram"):
            (tmp_path / f"{kind}_{process}.db").touch()
    Metrics(CollectorRegistry())
    left = {path.name for path in tmp_path.iterdir()}
    assert f"gauge_livesum_{ended.pid}.db" not in left
    assert len(left) == 5
