"""What a model says of photos that belong to none of its tags: every photo set against every other.

    python benchmarks/offtopic.py DIR [DIR ...] [--others DIR ...] [--garden] [--images 10 50] [--draws 3]
        [--domains general_compact general general_a1 bundled] [--same A B [A B ...]]

A DIR holds `train/<tag>/` and `test/<tag>/`; `--others` are folders whose photos are only asked about, and
`--garden` adds the drawn sample. Models are trained by the quick recipe, with and without the gate, and asked
about their own test photos and about those of all other sets. `--same` names pairs of sets that share a
subject: they are not off-topic for each other. A row per domain and number of photos a tag; cells are means
over sets and draws.

- rejected: off-topic photos of which every tag is below a half, without and with the gate.
- AUROC: own against off-topic test photos by their most probable tag.
- lost: own test photos whose tag had a half or more without the gate, and has less with it.
- none: own test photos that more likely show none of the tags.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.records import ImageRecord
from dahlia.modeling.backbones import Backbone, load_backbone
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.negative_set import NegativeSet, negative_set
from dahlia.params import Params
from dahlia.training.feature_cache import FeatureCache
from dahlia.training.features import extract_features
from dahlia.training.gate import GateProblem
from dahlia.training.quick import train_quick
from dahlia_samples import generate_garden
from packs import divided, draw, survey

REPOSITORY = Path(__file__).parents[1]
HALF = 0.5
DOMAINS = ["general_compact", "general", "general_a1", "bundled"]
BUNDLED = (
    "domain.backbone.architecture=mobilenetv4_conv_small",
    "domain.backbone.weights=bundled",
    "domain.input.size=160",
    "domain.input.smoothing=0.16",
)
Features = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pack:
    """A set of photos."""

    name: str
    root: Path
    records: list[ImageRecord]

    @property
    def shown(self) -> list[ImageRecord]:
        """What other models are asked about: test photos, or all where there are none."""
        return [one for one in self.records if one.subset == "test"] or self.records


@dataclass(frozen=True)
class Outcome:
    """Of one model: shares 0 to 1."""

    rejected_without: float
    rejected: float
    auroc: float
    lost: float
    none: float


class Network:
    """A domain's backbone, its negative set, and features by pack."""

    def __init__(self, name: str, cache: Path) -> None:
        overrides = BUNDLED if name == "bundled" else (f"domain={name}",)
        self.name = name
        self.params: Params = check_params(compose(REPOSITORY, list(overrides)), "conf")
        domain = self.params.domain
        self.backbone: Backbone = load_backbone(
            domain.backbone.architecture, domain.backbone.weights, domain.input.smoothing
        )
        found = negative_set(self.backbone.fingerprint, domain.input.size)
        assert found is not None, f"{name} has no negative set"
        self.negatives: NegativeSet = found
        self.cache = cache

    def features_of(self, pack: Pack, records: Sequence[ImageRecord], views: Iterable[str]) -> list[Features]:
        """Of some of a pack's photos, an array per view."""
        found = extract_features(
            dict.fromkeys(views, records),
            root=pack.root,
            backbone=self.backbone,
            size=self.params.domain.input.size,
            cache=FeatureCache(self.cache, self.backbone.fingerprint, self.params.domain.input.size),
            graphs=self.cache / "graphs",
            batch_size=self.params.training.batch_size,
            trainer=self.params.trainer,
        )
        return list(found.values())


def judge(network: Network, pack: Pack, others: Sequence[Pack], count: int, seed: int) -> Outcome:
    """Train on `count` photos a tag and ask."""
    records = draw(pack.records, count, seed)
    data = divided(records, network.params, seed)
    learned = data.training
    views = network.features_of(pack, data.where(learned), network.params.domain.recipe.views)
    truth = data.truth[learned]
    quick = train_quick(
        views,
        truth,
        data.folds[learned],
        kind="multiclass",
        strengths=network.params.training.regularisation,
        max_iterations=network.params.training.max_iterations,
    )
    gate = GateProblem(views, truth, network.negatives).fit(np.ones(len(truth), bool))
    weight, bias = quick.weight.double().numpy(), quick.bias.double().numpy()

    def answers(features: Features) -> tuple[Values, Values]:
        logits = (features.astype(np.float64) @ weight + bias) / quick.temperature
        without = LIKELIHOODS["multiclass"].probabilities(logits)
        return without, without * gate.probabilities(features)[:, None]

    (own,) = network.features_of(pack, data.where(~learned), ["plain"])
    without, within = answers(own)
    right = data.truth[~learned].argmax(1)
    rows = np.arange(len(right))
    strangers = [
        tuple(each.max(1) for each in answers(network.features_of(other, other.shown, ["plain"])[0]))
        for other in others
    ]
    tops = within.max(1)
    return Outcome(
        rejected_without=float(np.mean([(before < HALF).mean() for before, _ in strangers])),
        rejected=float(np.mean([(after < HALF).mean() for _, after in strangers])),
        auroc=float(np.mean([auroc(tops, after) for _, after in strangers])),
        lost=float(((without[rows, right] >= HALF) & (within[rows, right] < HALF)).mean()),
        none=float((LIKELIHOODS["multiclass"].none(within) > HALF).mean()),
    )


def auroc(own: Values, strangers: Values) -> float:
    truth = np.concatenate([np.ones(len(own)), np.zeros(len(strangers))])
    return float(roc_auc_score(truth, np.concatenate([own, strangers])))


def packs_of(folders: Sequence[Path], workspace: Path, params: Params) -> list[Pack]:
    return [
        Pack(folder.name, workspace / folder.name, survey(folder, workspace / folder.name, params))
        for folder in folders
    ]


def asked_about(folder: Path, workspace: Path, params: Params) -> Pack:
    """All photos below a folder, as of one tag."""
    linked = workspace / "linked" / folder.parent.name / folder.name
    (linked / "train/photo").mkdir(parents=True)
    for number, path in enumerate(sorted(folder.resolve().rglob("*.jpg"))):
        (linked / f"train/photo/{number}.jpg").symlink_to(path)
    name = f"{folder.parent.name}-{folder.name}"
    return Pack(name, workspace / name, survey(linked, workspace / name, params))


def garden(workspace: Path) -> Path:
    """The drawn sample: 50 photos a tag to learn from, 30 to test."""
    generate_garden(workspace / "drawn/garden/train", images_per_tag=50, test_images_per_tag=30)
    (workspace / "drawn/garden/train/test").rename(workspace / "drawn/garden/test")
    return workspace / "drawn/garden"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--others", type=Path, nargs="*", default=[])
    parser.add_argument("--garden", action="store_true")
    parser.add_argument("--images", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument(
        "--domains", nargs="+", default=["general_compact", "general", "general_a1", "bundled"]
    )
    parser.add_argument("--same", nargs="*", default=[])
    given = parser.parse_args()
    same = {frozenset(pair) for pair in zip(given.same[::2], given.same[1::2], strict=True)}
    console = Console(width=130)
    table = Table("domain", "a tag", "rejected without", "with", "AUROC", "lost", "none", "least rejected")
    with tempfile.TemporaryDirectory() as name:
        workspace = Path(name)
        params = check_params(compose(REPOSITORY, []), "conf")
        own = packs_of([*given.packs, *([garden(workspace)] if given.garden else [])], workspace, params)
        shown = [*own, *(asked_about(folder, workspace, params) for folder in given.others)]
        for domain in given.domains:
            network = Network(domain, workspace / "features")
            for count in given.images:
                by_pack = {}
                for pack in own:
                    others = [one for one in shown if one is not pack and {one.name, pack.name} not in same]
                    by_pack[pack.name] = [
                        judge(network, pack, others, count, seed) for seed in range(given.draws)
                    ]
                    console.print(domain, count, pack.name, by_pack[pack.name][0])
                table.add_row(domain, str(count), *cells(by_pack))
    console.print(table)


def cells(by_pack: dict[str, list[Outcome]]) -> list[str]:
    every = [one for outcomes in by_pack.values() for one in outcomes]

    def mean(name: str, among: Sequence[Outcome] = tuple(every)) -> float:
        return float(np.mean([getattr(one, name) for one in among]))

    least = min(by_pack, key=lambda pack: mean("rejected", by_pack[pack]))
    return [
        f"{100 * mean('rejected_without'):.1f} %",
        f"{100 * mean('rejected'):.1f} %",
        f"{mean('auroc'):.3f}",
        f"{100 * mean('lost'):.2f} %",
        f"{100 * mean('none'):.2f} %",
        f"{least}, {100 * mean('rejected', by_pack[least]):.0f} %",
    ]


if __name__ == "__main__":
    main()
