"""Tensors that cannot be written say why, as other files do."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest
import torch

from dahlia.errors import DahliaError
from dahlia.files import staged_directory
from dahlia.modeling.tensors import read_safetensors, write_safetensors


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        with pytest.raises(DahliaError, match="could not be written"), staged_directory(tmp_path / "b") as to:
            write_safetensors(to / "model.safetensors", {"weight": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(tmp_path.iterdir())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "one", {"weight": torch.arange(6.0).reshape(2, 3).T}, {"of": "a test"})
    assert read_safetensors(tmp_path / "one")["weight"].tolist() == [[0, 3], [1, 4], [2, 5]]
