"""torchvision's detectors on the backbone of a domain, fine-tuned plainly for a given processor time."""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork

from dahlia.boxes import Boxes, no_boxes
from dahlia.dataset.imaging import load
from dahlia.dataset.manifest import read_photo
from dahlia.modeling.backbones import load_backbone
from dahlia.modeling.detection.taps import Taps
from dahlia.params import Params
from dahlia.training.detection.detection_data import DetectionData

PEERS = ("ssdlite", "fcos")
SIZE = 320  # of SSDLite320, and what FCOS can afford in the same time
BATCH = 4
RATE = {"ssdlite": 1e-3, "fcos": 5e-4}
STRIDES = (8, 16, 32)
Target = dict[str, Tensor]


class _Maps(nn.Module):
    """What torchvision's detectors take for a backbone: maps by name."""

    def __init__(self, taps: Taps, pyramid: int | None) -> None:
        super().__init__()
        self.taps = taps
        self.neck = FeaturePyramidNetwork(list(taps.channels), pyramid) if pyramid else None
        self.out_channels = pyramid or taps.channels[-1]

    def forward(self, pixels: Tensor) -> OrderedDict[str, Tensor]:
        maps = OrderedDict((str(number), each) for number, each in enumerate(self.taps(pixels * 255)))
        return maps if self.neck is None else self.neck(maps)


def make_peer(method: str, params: Params, tags: int) -> nn.Module:
    """A detector with random neck and head; its labels are 1 to `tags` for SSD, 0 on for FCOS."""
    taps = Taps(load_backbone(params.domain.backbone.architecture, params.domain.backbone.weights), STRIDES)
    plain: dict[str, Any] = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    if method == "fcos":
        sizes = tuple((stride,) for stride in STRIDES)
        anchors = AnchorGenerator(sizes, ((1.0,),) * len(sizes))
        plain |= {"min_size": SIZE, "max_size": SIZE, "anchor_generator": anchors}
        fcos: nn.Module = FCOS(_Maps(taps, 64), tags, score_thresh=0.01, **plain)
        return fcos
    boxes = DefaultBoxGenerator([[2, 3]] * len(STRIDES), min_ratio=10, max_ratio=90)
    maps = _Maps(taps, None)
    head = SSDLiteHead(list(taps.channels), boxes.num_anchors_per_location(), tags + 1, nn.BatchNorm2d)
    ssd: nn.Module = SSD(maps, boxes, (SIZE, SIZE), tags + 1, head=head, score_thresh=0.01, **plain)
    return ssd


def train_peer(method: str, data: DetectionData, params: Params, seconds: float) -> list[Boxes]:
    """Fine-tune everything with AdamW, a cosine over the time, mirroring and SSD's kind of crops.

    Returns:
        What is found in each test photo.
    """
    torch.manual_seed(params.project.seed)
    first = int(method == "ssdlite")  # label of the first tag: SSD has a background
    model = make_peer(method, params, len(data.tags))
    optimiser = torch.optim.AdamW(model.parameters(), RATE[method], weight_decay=1e-4)
    rows = np.flatnonzero(data.training).tolist()
    photos = {row: _pixels(data, row) for row in range(len(data.records))}
    rng = np.random.default_rng(params.project.seed)
    model.train()
    began = time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for group in optimiser.param_groups:
            group["lr"] = RATE[method] * 0.5 * (1 + np.cos(np.pi * spent / seconds))
        batch = [
            _augmented(photos[row], data.truth[row], first, rng) for row in rng.choice(rows, BATCH).tolist()
        ]
        losses = model([pixels for pixels, _ in batch], [target for _, target in batch])
        loss = sum(losses.values())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
    model.eval()
    with torch.inference_mode():
        return [_found(model([photos[row]])[0], first) for row in np.flatnonzero(~data.training).tolist()]


def _pixels(data: DetectionData, row: int) -> Tensor:
    record = data.records[row]
    pixels = load(read_photo(Path(record.path), record.id), SIZE)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255


def _augmented(pixels: Tensor, truth: Boxes, first: int, rng: np.random.Generator) -> tuple[Tensor, Target]:
    places = truth.places.astype(np.float64)
    corners = np.concatenate([places[:, :2], places[:, :2] + places[:, 2:]], 1) * SIZE
    labels = truth.tags.astype(np.int64) + first
    if rng.random() < 0.5:
        share = rng.uniform(0.6, 1.0)
        left, top = (rng.uniform(0, 1 - share, 2) * SIZE).astype(int)
        edge = int(share * SIZE)
        middles = (corners[:, :2] + corners[:, 2:]) / 2 - (left, top)
        kept = ((middles > 0) & (middles < edge)).all(1)
        if kept.any():
            part = pixels[None, :, top : top + edge, left : left + edge]
            pixels = nn.functional.interpolate(part, (SIZE, SIZE), mode="bilinear")[0]
            moved = (corners[kept] - (left, top, left, top)).clip(0, edge) * SIZE / edge
            corners, labels = moved, labels[kept]
    if rng.random() < 0.5:
        pixels = pixels.flip(2)
        corners[:, [0, 2]] = SIZE - corners[:, [2, 0]]
    wide = (corners[:, 2:] - corners[:, :2] > 1).all(1)
    target = {"boxes": torch.from_numpy(corners[wide]).float(), "labels": torch.from_numpy(labels[wide])}
    return pixels, target


def _found(answer: Target, first: int) -> Boxes:
    if not len(answer["boxes"]):
        return no_boxes()
    corners = answer["boxes"].numpy() / SIZE
    places = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1).astype(np.float32)
    tags = (answer["labels"].numpy() - first).astype(np.int32)
    return Boxes(tags, places, answer["scores"].numpy().astype(np.float32))
