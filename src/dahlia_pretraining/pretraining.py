"""`dahlia pretrain`: a corpus in, a backbone out; killed at any time, it goes on where it was."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import click
import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from dahlia import __version__, layout
from dahlia.errors import ConfigError
from dahlia.files import staged_file, write_json
from dahlia.modeling.backbones import Backbone, load_backbone
from dahlia.modeling.tensors import write_safetensors
from dahlia.params import TrainerParams
from dahlia.targets import check_targets
from dahlia.training.trainer import SafetensorsCheckpoints, make_trainer, translated_refusals, uses_gpu
from dahlia_pretraining import PretrainingParams
from dahlia_pretraining.corpus import Corpus, open_corpus
from dahlia_pretraining.distillation import Plan, Pretrainer
from dahlia_pretraining.teacher import load_teacher

_CHECKPOINT = "last"
_WATCHING = {"logger", "strategy"}  # what does not change the weights


def pretrain(params: PretrainingParams, root: Path) -> Path:
    """Train a backbone and write its averaged weights, float16, with a record of how beside them.

    Returns:
        The file, which `domain.backbone.weights` can name.

    Raises:
        ConfigError: `out` is no name of weights, there are fewer devices, or a logger or callback cannot be
            used.
        DatasetError: there is no such corpus.
        WeightsError: the student's or teacher's weights are not available.
        TrainingError: a loss is not finite.
    """
    out = root / params.out
    if out.suffix != ".safetensors":
        raise ConfigError(f"`out` is {params.out}, expected a name that ends in .safetensors. Correct it.")
    devices = 1 if params.trainer.devices == "auto" else params.trainer.devices
    _check_devices(devices, params.trainer)
    check_targets(params.trainer, root)
    pl.seed_everything(params.seed, verbose=False)
    torch.set_flush_denormal(True)
    corpus = open_corpus(root / params.corpus, root / layout.PRETRAINING, params.stored_size, _say_decoded)
    click.echo(f"pretrain: {len(corpus.labels):,} photos in {len(corpus.classes)} classes")
    if corpus.unreadable:
        click.echo(f"pretrain: {corpus.unreadable:,} files could not be decoded and are skipped")
    asked = params.teacher
    teacher = None if asked is None else load_teacher(asked.architecture, asked.weights)
    student = load_backbone(params.student.architecture, params.student.weights)
    plan = _plan(corpus, params, devices)
    module = Pretrainer(student, teacher, corpus, params, plan)
    folder = root / layout.PRETRAINING / _key(params, corpus, student)
    checkpoint = folder / f"{_CHECKPOINT}.ckpt"
    if checkpoint.is_file():
        click.echo("pretrain: continuing from the last checkpoint")
    trainer = make_trainer(
        params.trainer,
        devices=devices,
        max_steps=plan.steps,
        max_epochs=-1,
        gradient_clip_val=1.0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        enable_checkpointing=True,
        plugins=[SafetensorsCheckpoints()],
        callbacks=[
            ModelCheckpoint(folder, _CHECKPOINT, enable_version_counter=False, save_on_train_epoch_end=True),
            _Progress(plan.steps),
        ],
    )
    with translated_refusals():
        trainer.fit(module, ckpt_path=str(checkpoint) if checkpoint.is_file() else None, weights_only=True)
    _save(out, module.averaged, _record(params, corpus, trainer))
    return out


def _check_devices(asked: int, trainer: TrainerParams) -> None:
    there = max(1, torch.cuda.device_count()) if uses_gpu(trainer) else 1
    if asked > there:
        raise ConfigError(
            f"`trainer.devices` is {asked}, and {there} can be used here. Give trainer.devices={there}."
        )


def _plan(corpus: Corpus, params: PretrainingParams, devices: int) -> Plan:
    each = min(params.batch_size, len(corpus.labels)) * devices
    steps = max(1, round(params.epochs * len(corpus.labels) / each))
    return Plan(steps, min(params.checkpoint_steps, steps), devices)


def _key(params: PretrainingParams, corpus: Corpus, student: Backbone) -> str:
    determined_by = [
        params.model_dump(
            exclude={"out": True, "corpus": True, "checkpoint_steps": True, "trainer": _WATCHING}
        ),
        corpus.digest,
        student.fingerprint,
    ]
    return hashlib.sha256(json.dumps(determined_by).encode()).hexdigest()[:16]


class _Progress(pl.Callback):
    def __init__(self, steps: int) -> None:
        self.steps, self.first, self.started = steps, 0, time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.first, self.started = trainer.global_step, time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        done = trainer.global_step
        left = (time.monotonic() - self.started) / max(1, done - self.first) * (self.steps - done)
        losses = ", ".join(f"{name} {float(value):.3f}" for name, value in trainer.callback_metrics.items())
        if trainer.is_global_zero:
            click.echo(f"pretrain: step {done:,} of {self.steps:,}, {losses}, {left / 60:.0f} min left")


def _say_decoded(done: int, of: int) -> None:
    if done % 10_000 == 0:
        click.echo(f"pretrain: {done:,} of {of:,} photos decoded")


def _save(path: Path, backbone: Backbone, record: dict[str, Any]) -> None:
    tensors = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in backbone.network.state_dict().items()
    }
    with staged_file(path) as staged:
        write_safetensors(staged, tensors, {"architecture": backbone.architecture})
    write_json(path.with_suffix(".json"), record)


def _record(params: PretrainingParams, corpus: Corpus, trainer: pl.Trainer) -> dict[str, Any]:
    return {
        "dahlia_version": __version__,
        "photos": len(corpus.labels),
        "classes": len(corpus.classes),
        "steps": trainer.global_step,
        "losses": {name: round(float(value), 4) for name, value in trainer.callback_metrics.items()},
        "params": params.model_dump(exclude={"corpus", "out"}),
    }
