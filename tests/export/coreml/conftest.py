from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from following import following_once

from dahlia.dataset.imaging import to_tensor_layout
from dahlia.export.coreml import port
from dahlia.export.port import Batch, Source, write_labels
from small_projects import SIZE

FLAVOURS = ("float32", "float16", "mlmodel", "mlmodel-float16")


@pytest.fixture(scope="session")
def written_once(source_once: Source, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a flavour, written when it is first asked for; to be copied, not changed."""
    folders: dict[str, Path] = {}
    followed: dict[str, Any] = {}

    def written(flavour: str) -> Path:
        if flavour not in folders:
            folders[flavour] = tmp_path_factory.mktemp(flavour)
            with following_once(followed):
                port.write(folders[flavour], source_once, flavour)
            write_labels(folders[flavour], source_once.card)
        return folders[flavour]

    return written


@pytest.fixture
def exported(written_once: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the folder of a flavour."""

    def copied(flavour: str) -> Path:
        return Path(shutil.copytree(written_once(flavour), tmp_path / f"exported-{flavour}"))

    return copied


@pytest.fixture(scope="session")
def known(source_once: Source) -> tuple[Batch, Any]:
    """Twelve photos of noise in colours, and what the trained module says of them."""
    import torch

    numbers = np.random.default_rng(0)
    tints = numbers.integers(0, 256, (12, 1, 1, 3))
    photos = np.clip(tints + numbers.integers(-60, 61, (12, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    pixels = to_tensor_layout(list(photos))
    with torch.inference_mode():
        return pixels, source_once.module()(torch.from_numpy(pixels)).numpy()
