"""The one place that makes Lightning trainers: the project's defaults and its silence."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

import lightning.pytorch as pl

_NOISE = (
    r".*configure_optimizers` returned `None`.*",
    r".*module\(s\) in eval mode at the start of training.*",
    r".*does not have many workers.*",
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*",
    r".*does not have a deterministic implementation.*",
    r".*Starting from v1\.9\.0, `tensorboardX` has been removed.*",
)


def make_trainer(**options: Any) -> pl.Trainer:
    """A Lightning trainer without logger, checkpoints and chatter; `options` are Lightning's own.

    A progress bar is shown when the output is a terminal. Ctrl-C is `KeyboardInterrupt`, as elsewhere.
    """
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message)
    defaults: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": sys.stderr.isatty(),
    }
    defaults.update(options)
    defaults["callbacks"] = [*defaults.get("callbacks", []), _PassOnInterrupt()]
    return pl.Trainer(**defaults)


class _PassOnInterrupt(pl.Callback):
    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # Lightning would end the process itself, with code 1 and without a word.
        if isinstance(exception, KeyboardInterrupt):
            raise exception
