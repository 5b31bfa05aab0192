"""Small detectors of random weights, sure of what they say, in projects of a few photos with boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from dahlia import layout
from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.imaging import Pixels, load
from dahlia.dataset.manifest import save_manifest
from dahlia.dataset.records import ImageRecord, Region
from dahlia.export.port import Source
from dahlia.modeling.card import (
    BackboneCard,
    DetectorCard,
    InputCard,
    ModelCard,
    TagCard,
    TrainingCard,
    load_card,
    project_id,
    tag_id,
)
from dahlia.modeling.reference import whole_photos
from dahlia.params import Params
from small_projects import ARCHITECTURE, REPOSITORY, make_record, photo

Output = Literal["grid", "boxes"]
STRIDES: dict[Output, tuple[int, ...]] = {"grid": (16, 32), "boxes": (8, 16, 32)}
PROJECT = "rose garden"
TAGS = ("aphid", "bee", "rose")
SIZE = 96
WIDTH, HEIGHT = 160, 120  # of the photos
COLOURS = ((200, 60, 60), (60, 180, 60), (60, 60, 200))


@dataclass(frozen=True)
class SmallDetector:
    """A project folder with a trained bundle.

    Attributes:
        root: the folder.
        records: the manifest.
        params: of the project.
    """

    root: Path
    records: list[ImageRecord]
    params: Params

    @property
    def bundle(self) -> Path:
        return self.root / layout.BUNDLE

    def source(self, cache: Path) -> Source:
        """What writers start from."""

        def photos() -> list[Pixels]:
            return [load((self.root / record.path).read_bytes(), SIZE) for record in self.records]

        return Source(self.bundle, load_card(self.bundle), cache, photos)


def make_detector(
    root: Path, output: Output, *, photos: int = 8, seed: int = 0, change: Callable[..., None] | None = None
) -> SmallDetector:
    """Write photos, the manifest, and the bundle of a detector that answers them.

    Args:
        root: where to.
        output: what its exports answer.
        photos: how many.
        seed: of neck and head; the backbone is the same for all.
        change: is given the detector, to change it.
    """
    import torch

    from dahlia.modeling.backbones import Backbone
    from dahlia.modeling.detection.detector import Detector, save_detector
    from dahlia.modeling.detection.reference import ask_detector

    records = [_plant(root, number) for number in range(photos)]
    save_manifest(root / layout.MANIFEST, records)
    torch.manual_seed(0)
    backbone = Backbone(ARCHITECTURE, None)
    torch.manual_seed(seed)
    model = Detector(backbone, len(TAGS), size=SIZE, strides=STRIDES[output], output=output, width=16).eval()
    with torch.no_grad():
        model.head.edges.weight.normal_(std=1.0)
        pixels = torch.from_numpy(whole_photos(records, root, SIZE))
        spread_scores(model, pixels)
        if change:
            change(model)
    card = make_card(
        output, model.backbone.normalisation, model.backbone.features, model.backbone.fingerprint
    )
    save_detector(root / layout.BUNDLE, model, card, ask_detector(model, card, records, root))
    return SmallDetector(root, records, make_params(output))


def spread_scores(model: Any, pixels: Any) -> None:
    """Let the scores in some photos reach from nothing to nearly 1; those of random weights are all alike."""
    head = model.head.classes
    head.weight.normal_(std=1.0)
    head.bias.fill_(0.0)
    logits = model.raw(model.taps(pixels))[0].flatten(0, 1)
    scale = 2.5 / logits.std(0)
    head.weight.mul_(scale[:, None, None, None])
    head.bias.copy_(-2.0 - scale * logits.mean(0))


def make_params(output: Output) -> Params:
    """The shipped parameters with a domain that answers so."""
    values = compose(REPOSITORY, ["domain=detection_general_compact"])
    detector = values["domain"]["detector"] | {"strides": list(STRIDES[output]), "output": output}
    domain = values["domain"] | {
        "backbone": {"architecture": ARCHITECTURE, "weights": "none"},
        "input": {"size": SIZE, "smoothing": 0.0},
        "detector": detector,
    }
    return check_params(
        values | {"domain": domain, "project": values["project"] | {"name": PROJECT}}, "params.yaml"
    )


def make_card(
    output: Output,
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = ((0.0,) * 3, (1.0,) * 3),
    features: int = 8,
    fingerprint: str = "0" * 64,
) -> ModelCard:
    """The card of such a detector."""
    mean, std = normalisation
    return ModelCard(
        project=PROJECT,
        project_id=project_id(PROJECT),
        domain="General (compact)" if output == "grid" else "General (compact) [S1]",
        domain_id="a27d5ca5-bb19-49d8-a70a-fec086c47f5b",
        classification="detection",
        tags=tuple(TagCard(id=tag_id(PROJECT, tag), name=tag) for tag in TAGS),
        input=InputCard(size=SIZE),
        backbone=BackboneCard(
            architecture=ARCHITECTURE,
            weights="none",
            fingerprint=fingerprint,
            features=features,
            mean=(mean[0], mean[1], mean[2]),
            std=(std[0], std[1], std[2]),
            reads="stage",
        ),
        temperature=1.0,
        detector=DetectorCard(strides=STRIDES[output], output=output, overlap=0.45, least=0.01, most=64),
        training=TrainingCard(recipe="quick", regularisation=0.0, views=(), images=8, seed=0),
        data_fingerprint="ab" * 32,
        git_revision=None,
        dahlia_version="0.1.0",
    )


def _plant(root: Path, number: int) -> ImageRecord:
    tag = TAGS[number % len(TAGS)]
    path = root / "data" / "images" / f"{number:03d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    small = cv2.imdecode(np.frombuffer(photo(COLOURS[number % len(COLOURS)], number), np.uint8), 1)
    assert small is not None
    cv2.imwrite(str(path), cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST))
    left, top = np.random.default_rng(number).uniform(0, 0.5, 2).tolist()
    record = make_record(path, root, (tag,))
    return replace(record, width=WIDTH, height=HEIGHT, regions=(Region(tag, left, top, 0.4, 0.5),))
