"""Logits of photos as prediction would see them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from dahlia.dataset.imaging import to_tensor_layout
from dahlia.modeling.classifier import Classifier
from dahlia.training.fine_tuning.photo_memory import PhotoMemory

Logits = npt.NDArray[np.float64]
_BATCH = 32


def predict_logits(model: Classifier, photos: Sequence[tuple[str, Path]], memory: PhotoMemory) -> Logits:
    """(N, K) uncalibrated logits of N photos (id and file), prepared as prediction prepares them.

    Computed in float32 on the model's device; the model must be in evaluation mode.

    Raises:
        DatasetError: a photo changed or vanished after ingest.
    """
    device = model.head.weight.device
    parts = [np.zeros((0, model.head.out_features))]
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for first in range(0, len(photos), _BATCH):
            plain = [memory.get(name, path).plain for name, path in photos[first : first + _BATCH]]
            pixels = torch.from_numpy(to_tensor_layout(plain)).to(device)
            parts.append(model.head(model.backbone(pixels)).cpu().double().numpy())
    return np.concatenate(parts)
