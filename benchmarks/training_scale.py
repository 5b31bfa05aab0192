"""Training on many photos: seconds, memory, and whether the processor waits for photos.

    python benchmarks/training_scale.py --sizes 1000 10000

Photos are JPEGs of 512 pixels, all different (see `ingest.py`). Each size runs in a process of its own: the
quick recipe with all its views, then `STEPS` steps of fine-tuning, or an epoch where that is shorter, of
which the table says how long they waited for their photos. Memory is the peak of the process, and of its
largest loader, which shares most of it with the process.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.table import Table

from ingest import write_images

STEPS = 60
BASES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    table = Table("photos", "quick s", "MB", "fine-tuning s/step", "of it waiting", "MB", "a loader's MB")
    for size in parser.parse_args().sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_images(Path(folder) / "photos", size, BASES)
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                table.add_row(f"{size:,}", *pool.submit(measured, Path(folder)).result())
    Console().print(table)


def measured(root: Path) -> list[str]:
    """The cells of a row."""
    from dahlia.composition import compose
    from dahlia.config import check_params
    from dahlia.modeling.backbones import load_backbone
    from dahlia.modeling.classifier import Classifier
    from dahlia.training.fine_tuning.tuner import FineTuner
    from dahlia.training.fine_tuning.tuning_data import PhotoMemory
    from dahlia.training.recipes import train, tuning_data
    from dahlia.training.trainer import make_trainer
    from packs import divided, survey

    params = check_params(compose(Path(__file__).parents[1], ["training=advanced"]), "conf/")
    tuning = params.training.fine_tuning
    assert tuning is not None
    data = divided(survey(root / "photos", root / "work", params), params, 0)
    quick = params.model_copy(update={"training": params.training.model_copy(update={"fine_tuning": None})})
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        train(data, quick, root / "work")
    seconds, memory = time.perf_counter() - start, peak(resource.RUSAGE_SELF)

    domain = params.domain
    backbone = load_backbone(domain.backbone.architecture, domain.backbone.weights, domain.input.smoothing)
    learned, photos = tuning_data(data, params, root / "work"), PhotoMemory(params.domain.input.size)
    photos.fill(learned.ids, learned.paths, lambda: False)
    model = Classifier(backbone, len(data.tags), "multiclass").eval()
    waiting = Waiting()
    trainer = make_trainer(params.trainer, max_epochs=1, max_steps=STEPS, callbacks=[waiting])
    trainer.fit(FineTuner(model, learned, photos, tuning, epochs=1, where="the benchmark"))
    return [
        f"{seconds:.0f}",
        f"{memory:.0f}",
        f"{(waiting.waited + waiting.worked) / waiting.steps:.3f}",
        f"{waiting.waited / (waiting.waited + waiting.worked):.1%}",
        f"{peak(resource.RUSAGE_SELF):.0f}",
        f"{peak(resource.RUSAGE_CHILDREN):.0f}",
    ]


class Waiting(pl.Callback):
    """Seconds between steps and in them; the first step, which starts the loaders, is left out."""

    def __init__(self) -> None:
        self.waited = self.worked = 0.0
        self.steps = 0
        self.since: float | None = None

    def on_train_batch_start(self, *_: Any) -> None:
        """A batch has come."""
        now = time.perf_counter()
        if self.since is not None:
            self.waited += now - self.since
        self.began = now

    def on_train_batch_end(self, *_: Any) -> None:
        """A step is made."""
        now = time.perf_counter()
        if self.since is not None:
            self.worked += now - self.began
            self.steps += 1
        self.since = now


def peak(who: int) -> float:
    """MB."""
    return resource.getrusage(who).ru_maxrss / 1000


if __name__ == "__main__":
    main()
