"""Published models to serve: the network of a domain, or any of timm, with a head for the sample garden.

The head is fitted, and photos travel with the model: the service takes a faster runtime only where it says
the same of these photos. Where no weights of a network are at hand they are random; what they are makes no
difference to the time.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dahlia.composition import domains
from dahlia.dataset.imaging import Pixels, load, to_tensor_layout
from dahlia.dataset.proof_photos import proof_photo, save_photos
from dahlia.export.onnx import port
from dahlia.export.port import Source
from dahlia.files import write_json
from dahlia.modeling.card import BackboneCard, InputCard, ModelCard, TagCard, TrainingCard, project_id, tag_id
from dahlia_samples import generate_garden

if TYPE_CHECKING:
    from dahlia.modeling.classifier import Classifier

PROJECT = "benchmark"
PROJECT_ID = project_id(PROJECT)
PHOTOS_PER_TAG = 40  # of the garden
REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Network:
    """What is served.

    Attributes:
        name: what it is called in tables.
        architecture: timm's name.
        size: pixels of a side.
        weights: as in `domain.backbone.weights`.
        smoothing: as in `domain.input.smoothing`.
    """

    name: str
    architecture: str
    size: int = 224
    weights: str = "none"
    smoothing: float = 0.0


BUNDLED = Network("bundled", "mobilenetv4_conv_small", 160, "bundled", 0.16)
"""The fastest that ships with Dahlia: what to train where the domains' networks are too slow."""


def network_of(domain: str) -> Network:
    """What a choice of `conf/domain` trains."""
    known = domains(REPOSITORY)
    if domain not in known:
        raise SystemExit(f"Expected a domain, one of {', '.join(known)}; received {domain}.")
    backbone, seen = known[domain].backbone, known[domain].input
    return Network(domain, backbone.architecture, seen.size, backbone.weights, seen.smoothing)


def publish_models(
    folder: Path, network: Network, count: int = 1, files: Sequence[Path] | None = None
) -> Path:
    """Write `folder/published`, which holds `count` iterations of one backbone, named `model1` and so on.

    Args:
        folder: where to.
        network: what computes features.
        count: of iterations, all with the same head.
        files: photos in folders that are named for their tags; by default those of a garden.
    """
    import torch

    from dahlia.modeling.backbones import load_backbone
    from dahlia.modeling.classifier import Classifier, save_bundle
    from dahlia.modeling.reference import ClassReference

    with tempfile.TemporaryDirectory() as scratch:
        if files is None:
            generate_garden(Path(scratch) / "garden", images_per_tag=PHOTOS_PER_TAG)
            files = sorted((Path(scratch) / "garden").glob("*/*.jpg"))
        taught = [(load(path.read_bytes(), network.size), path.parent.name) for path in files]
    tags = tuple(sorted({tag for _, tag in taught}))
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of random weights
        backbone = load_backbone(network.architecture, network.weights, network.smoothing)
    classifier = Classifier(backbone, len(tags), "multiclass").eval()
    _fit(classifier, taught, tags)
    photos = [proof_photo(pixels, [tag]) for pixels, tag in taught]
    published = folder / "published"
    published.mkdir(parents=True)
    index = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(1, count + 1):
            card = _card(classifier, tags, network.size)
            bundle = Path(scratch) / str(number)
            save_bundle(bundle, classifier, card, ClassReference((), np.zeros((0, len(tags)), np.float32)))
            target = published / f"iteration-{number}"
            target.mkdir()
            source = Source(bundle, card, Path(scratch) / "cache", list)
            port.write(target, source, "float32")
            (target / "model.json").write_bytes((bundle / "model.json").read_bytes())
            save_photos(target, photos)
            write_json(
                target / "iteration.json",
                {"number": number, "id": f"{number:08d}-0000-4000-8000-000000000000"},
            )
            index[f"model{number}"] = target.name
    write_json(published / "published.json", index)
    return published


def _fit(classifier: Classifier, photos: Sequence[tuple[Pixels, str]], tags: Sequence[str]) -> None:
    """Fit the head as quick training does."""
    import torch

    from dahlia.modeling.classifier import set_head
    from dahlia.training.quick import train_quick

    with torch.inference_mode():
        features = np.concatenate(
            [classifier.backbone(torch.from_numpy(to_tensor_layout([one]))).numpy() for one, _ in photos]
        )
    truth = np.array([[name == tag for tag in tags] for _, name in photos])
    folds = np.arange(len(photos), dtype=np.int32) % 5
    strengths = [10.0**power for power in range(-4, 3)]
    found = train_quick([features], truth, folds, kind="multiclass", strengths=strengths, max_iterations=100)
    set_head(classifier, found.weight, found.bias, found.temperature)


def _card(classifier: Classifier, tags: Sequence[str], size: int) -> ModelCard:
    backbone = classifier.backbone
    return ModelCard(
        project=PROJECT,
        project_id=PROJECT_ID,
        domain="general",
        domain_id="ee85a74c-405e-4adc-bb47-ffa8ca0c9f31",
        classification="multiclass",
        tags=tuple(TagCard(id=tag_id(PROJECT, tag), name=tag) for tag in tags),
        input=InputCard(size=size),
        backbone=BackboneCard(
            architecture=backbone.architecture,
            weights="none",
            fingerprint="0" * 64,
            features=backbone.features,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            smoothing=backbone.smoothing,
            reads=backbone.reads,
        ),
        temperature=float(classifier.temperature),
        training=TrainingCard(recipe="quick", regularisation=1.0, views=("plain",), images=0, seed=0),
        data_fingerprint="0" * 64,
        git_revision=None,
        dahlia_version="0",
    )


if __name__ == "__main__":
    publish_models(Path(sys.argv[1]), network_of(sys.argv[2]), int(sys.argv[3]))
