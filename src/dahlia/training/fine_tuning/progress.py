"""How far fine-tuning is: what it has finished, on disk, and what is left of its time.

A run that is killed goes on from what it has finished. How many epochs still fit into a budget is told
here.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import numpy.typing as npt
import torch

from dahlia.modeling.classifier import Classifier
from dahlia.params import FineTuningParams, TrainerParams
from dahlia.training.fine_tuning.tuning_data import TuningData
from dahlia.training.quick import QuickResult
from dahlia.training.trainer import SafetensorsCheckpoints, precision

_FORMAT = 3
_PREFIX = "tuning-"


@dataclass(frozen=True)
class Plan:
    """What was decided before the first fold, so that a resumed run decides nothing again.

    Attributes:
        epochs: of the schedule.
        devices: that it runs on.
        splits: parts of a batch where memory is short.
        horizon: epochs after which every run ends; at most `epochs`.
        spent: seconds, up to when this was written.
        views: of each photo that runs learn from where stages are frozen.
    """

    epochs: int
    devices: int
    splits: int
    horizon: int
    spent: float
    views: int = 0


class TuningFolder:
    """The folder of one fine-tuning.

    Args:
        root: where such folders are; those of other data or parameters are deleted.
        key: see `run_key`.
    """

    def __init__(self, root: Path, key: str) -> None:
        self.path = root / f"{_PREFIX}{key[:16]}"
        self.files = SafetensorsCheckpoints()
        for other in root.glob(f"{_PREFIX}*"):
            if other != self.path:
                shutil.rmtree(other, ignore_errors=True)

    def plan(self) -> Plan | None:
        """The plan, if one was made."""
        path = self.path / "plan.safetensors"
        return Plan(**self.files.load_checkpoint(path)) if path.exists() else None

    def save_plan(self, plan: Plan) -> None:
        """Write the plan.

        Raises:
            DahliaError: it cannot be written.
        """
        self.files.save_checkpoint(asdict(plan), self.path / "plan.safetensors")

    def checkpoint(self, run: int) -> Path:
        """Where the run of that number keeps its last epoch."""
        return self.path / f"run-{run}.safetensors"

    def read(self, run: int) -> dict[str, Any] | None:
        """The last epoch of a run, if it has finished one."""
        path = self.checkpoint(run)
        return self.files.load_checkpoint(path) if path.exists() else None

    def logits(self, run: int) -> npt.NDArray[np.float64] | None:
        """(E, n, K) of a finished fold."""
        path = self.path / f"logits-{run}.safetensors"
        if not path.exists():
            return None
        kept: npt.NDArray[np.float64] = self.files.load_checkpoint(path)["logits"].numpy()
        return kept

    def finish(self, run: int, logits: npt.NDArray[np.float64]) -> None:
        """Keep a fold's held-out logits; its weights are needed no more."""
        path = self.path / f"logits-{run}.safetensors"
        self.files.save_checkpoint({"logits": torch.from_numpy(logits)}, path)
        self.files.remove_checkpoint(self.checkpoint(run))

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def run_key(
    start: Classifier,
    quick: QuickResult,
    data: TuningData,
    folds: npt.NDArray[np.int32],
    params: FineTuningParams,
    trainer: TrainerParams,
) -> str:
    """A SHA-256 of all that decides the outcome: data, folds, parameters, backbone, heads, libraries."""
    digest = hashlib.sha256()
    spoken = (
        *(_FORMAT, torch.__version__, lightning.__version__, precision(trainer)),
        *(start.backbone.fingerprint, start.kind, params.model_dump_json()),
        *(tuple(data.augmentation), data.size, data.batch_size, data.seed, tuple(data.ids), data.truth.shape),
        *([trainer.callbacks] if trainer.callbacks else []),
    )
    digest.update(repr(spoken).encode())
    digest.update(np.packbits(data.truth).tobytes() + folds.astype("<i4").tobytes())
    for weight, bias in [(quick.weight, quick.bias), *(head for _, head in sorted(quick.fold_heads.items()))]:
        digest.update(weight.double().numpy().tobytes() + bias.double().numpy().tobytes())
    return digest.hexdigest()


Clock = Callable[[], float]
_EPOCHS_REMEMBERED = 3


class Budget:
    """Seconds that may be spent.

    Args:
        seconds: in all.
        spent: by an earlier run that was interrupted.
        clock: seconds that only grow.
    """

    def __init__(self, seconds: float, spent: float = 0.0, clock: Clock = time.monotonic) -> None:
        self.seconds, self.clock = seconds, clock
        self.began = clock() - spent

    @property
    def spent(self) -> float:
        """Seconds, with those of the interrupted run."""
        return self.clock() - self.began

    @property
    def left(self) -> float:
        """Seconds; below 0 once it is overdrawn."""
        return self.seconds - self.spent


@dataclass(frozen=True)
class Timetable:
    """The runs of fine-tuning in their order: one per fold, then the final one.

    Attributes:
        draws: photos that an epoch of each run draws.
    """

    draws: tuple[int, ...]

    def affordable(self, run: int, done: int, horizon: int, seconds: float, pace: float) -> int:
        """The most epochs that every run can have.

        Args:
            run: the number of the run that is under way.
            done: its epochs so far.
            horizon: the most that is wanted.
            seconds: what is left.
            pace: seconds per photo drawn.

        Returns:
            0 to `horizon`.
        """
        later = sum(self.draws[run + 1 :])
        for epochs in range(horizon, 0, -1):
            photos = max(0, epochs - done) * self.draws[run] + epochs * later
            if photos * pace <= seconds:
                return epochs
        return 0


@dataclass
class Pace:
    """Seconds per photo over the last epochs: one hiccup counts a third, a machine that slows down counts."""

    recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_EPOCHS_REMEMBERED))

    def add(self, seconds: float, photos: int) -> None:
        """Note an epoch."""
        self.recent.append((seconds, photos))

    @property
    def value(self) -> float:
        """Seconds per photo."""
        return sum(seconds for seconds, _ in self.recent) / sum(photos for _, photos in self.recent)
