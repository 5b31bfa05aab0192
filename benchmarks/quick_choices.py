"""How the quick recipe should look at photos: sizes, views, parts of the features, and their scale.

    python benchmarks/quick_choices.py DIR [DIR ...] --images 10 50 --draws 3 [--domain general]
        [--weights FILE]

A DIR holds `train/<tag>/`; nothing else in it is looked at. Each choice is judged by the folds of the
training photos: log loss and accuracy of held-out photos, means over sets and draws. One line per choice;
the first is the domain as it is, and each of the others differs from it in one thing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.records import ImageRecord
from dahlia.modeling.backbones import Backbone, load_backbone
from dahlia.params import Params
from dahlia.training.feature_cache import FeatureCache
from dahlia.training.features import extract_features
from dahlia.training.quick import train_quick
from packs import divided, draw, survey

REPOSITORY = Path(__file__).parents[1]
Features = npt.NDArray[np.float32]
Scaling = Callable[[Features, list[Features]], list[Features]]


@dataclass(frozen=True)
class Choice:
    """One way to make features.

    Attributes:
        name: for the table.
        size: edge of the input, pixels.
        views: that the heads are fitted on.
        columns: first and end, of the features.
        scaling: (N, D) plain features and all views to all views.
    """

    name: str
    size: int
    views: tuple[str, ...]
    columns: tuple[int, int | None] = (0, None)
    scaling: Scaling = lambda plain, views: views


def standardised(plain: Features, views: list[Features]) -> list[Features]:
    """Each value by its spread over the photos; the whole of about unit length as before."""
    scale = plain.std(0) + 1e-4
    return [((view - plain.mean(0)) / scale / np.sqrt(plain.shape[1])).astype(np.float32) for view in views]


def rooted(plain: Features, views: list[Features]) -> list[Features]:
    """Signed square roots, then unit length again: Perronnin et al. 2010, "Improving the Fisher kernel"."""
    roots = [np.sign(view) * np.sqrt(np.abs(view)) for view in views]
    return [(root / np.linalg.norm(root, axis=1, keepdims=True)).astype(np.float32) for root in roots]


def choices(params: Params, parts: tuple[int, ...]) -> list[Choice]:
    """The recipe as it is, and what differs from it in one thing.

    Args:
        params: of the recipe.
        parts: lengths of the parts of the features; see `Backbone`.
    """
    now = Choice("as it is", params.domain.input.size, tuple(params.domain.recipe.views))
    sizes = [
        replace(now, name=f"{size} px", size=size) for size in (128, 160, 192, 224, 260) if size != now.size
    ]
    alone = [
        replace(now, name="the map alone", columns=(0, parts[0])),
        replace(now, name="pre-logits alone", columns=(parts[0], None)),
    ]
    return [
        now,
        *sizes,
        replace(now, name="plain alone", views=("plain",)),
        replace(now, name="and mirror", views=("plain", "mirror")),
        replace(now, name="four and dim, tilt", views=(*now.views, "dim", "tilt")),
        *(alone if len(parts) > 1 else []),
        replace(now, name="standardised", scaling=standardised),
        replace(now, name="square roots", scaling=rooted),
    ]


def judge(
    choice: Choice, records: list[ImageRecord], seed: int, root: Path, backbone: Backbone, params: Params
) -> tuple[float, float]:
    """Held-out log loss (nats an image) and accuracy."""
    data = divided(records, params, seed)
    found = extract_features(
        dict.fromkeys(choice.views, data.records),
        root=root,
        backbone=backbone,
        size=choice.size,
        cache=FeatureCache(root / ".dahlia/features", backbone.fingerprint, choice.size),
        graphs=root / ".dahlia/graphs",
        batch_size=params.training.batch_size,
        trainer=params.trainer,
    )
    views = [view[:, slice(*choice.columns)] for view in found.values()]
    result = train_quick(
        choice.scaling(views[0], views),
        data.truth,
        data.folds,
        kind="multiclass",
        strengths=params.training.regularisation,
        max_iterations=params.training.max_iterations,
    )
    right = result.probabilities.argmax(1) == data.truth.argmax(1)
    likelihood = np.log(np.clip(result.probabilities[data.truth], 1e-12, None))
    return float(-likelihood.mean()), float(right.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--images", nargs="+", type=int, default=[10, 50])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--domain", default="general_compact")
    parser.add_argument("--weights", help="instead of the domain's")
    parser.add_argument("--smoothing", type=float, help="instead of the domain's")
    options = parser.parse_args()
    values = compose(REPOSITORY, [f"domain={options.domain}"])
    domain = values["domain"]
    domain["backbone"]["weights"] = options.weights or domain["backbone"]["weights"]
    if options.smoothing is not None:
        domain["input"]["smoothing"] = options.smoothing
    params = check_params(values, "conf/")
    seen = params.domain.backbone
    backbone = load_backbone(seen.architecture, seen.weights, params.domain.input.smoothing)
    made = Table("choice", *(f"{pack.name} {n}" for pack in options.packs for n in options.images), "mean")
    with tempfile.TemporaryDirectory() as folder:
        surveyed = {pack.name: survey(pack, Path(folder) / pack.name, params) for pack in options.packs}
        for choice in choices(params, backbone.parts):
            cells, losses, shares = [], [], []
            for pack, records in surveyed.items():
                own = [record for record in records if record.subset == "train"]
                for count in options.images:
                    judged = [
                        judge(choice, draw(own, count, seed), seed, Path(folder) / pack, backbone, params)
                        for seed in range(options.draws)
                    ]
                    losses.append(mean(loss for loss, _ in judged))
                    shares.append(mean(share for _, share in judged))
                    cells.append(f"{losses[-1]:.3f} {shares[-1]:.3f}")
            made.add_row(choice.name, *cells, f"{mean(losses):.4f} {mean(shares):.4f}")
            print(choice.name, *cells, f"{mean(losses):.4f} {mean(shares):.4f}", flush=True)
    Console(width=140).print(made)


if __name__ == "__main__":
    main()
