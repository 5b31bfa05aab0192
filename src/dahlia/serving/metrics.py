"""What the service counts, for Prometheus.

Labels are a project's id and a publish name that exist, and codes of errors that the service itself gives, so
no client can make the metrics grow.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from dahlia.serving.models.publications import Published

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Counters and histograms of one process; `/metrics` adds the processes up.

    Args:
        registry: where they are registered; the process's own where left out.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        _forget_the_dead()
        labels = ("project", "name")
        self._seconds = Histogram(
            "dahlia_prediction_seconds",
            "Time from a request's first byte to its answer",
            labels,
            buckets=_SECONDS,
            registry=registry,
        )
        self._refused = Counter(
            "dahlia_refusals", "Requests refused, by the code of the error", ("code",), registry=registry
        )
        self._stored = Counter(
            "dahlia_predictions_stored", "Predictions kept with their image", labels, registry=registry
        )
        self._not_stored = Counter(
            "dahlia_predictions_not_stored",
            "Predictions answered and not kept, because the disk lagged or was full",
            labels,
            registry=registry,
        )
        self._under_way, self._models, self._memory = (
            Gauge(name, text, multiprocess_mode="livesum", registry=registry)
            for name, text in (
                ("dahlia_predictions_under_way", "Predictions that wait or are computed"),
                ("dahlia_models_loaded", "Models in memory, of all processes"),
                ("dahlia_models_bytes", "Memory that models take, of all processes"),
            )
        )
        self._runtimes = Gauge(
            "dahlia_models_chosen",
            "Times that a model was given a runtime other than ONNX Runtime in float32, of all processes",
            ("runtime",),
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._known: dict[tuple[str, str], Histogram] = {}

    def under_way(self, count: int) -> None:
        """So many predictions wait or are computed."""
        self._under_way.set(count)

    def answered(self, published: Published, seconds: float) -> None:
        """A prediction was answered."""
        key = published.project, published.name
        if (histogram := self._known.get(key)) is None:
            histogram = self._known[key] = self._seconds.labels(*key)
        histogram.observe(seconds)

    def refused(self, code: str) -> None:
        """A request was refused."""
        self._refused.labels(code).inc()

    def loaded(self, count: int, memory: int) -> None:
        """So many models are in memory, and take so many bytes."""
        self._models.set(count)
        self._memory.set(memory)

    def chosen(self, runtime: str) -> None:
        """A model was given a runtime."""
        self._runtimes.labels(runtime).inc()

    def kept(self, published: Published, stored: bool) -> None:
        """A prediction was to be kept."""
        counter = self._stored if stored else self._not_stored
        counter.labels(published.project, published.name).inc()


def _forget_the_dead() -> None:
    # A process that was killed leaves its gauges in the folder that the processes share.
    import psutil  # type: ignore[import-untyped]

    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    for path in Path(folder).glob("gauge_live*_*.db") if folder else ():
        process = int(path.stem.rpartition("_")[2])
        if not psutil.pid_exists(process):
            path.unlink(missing_ok=True)
