"""Accuracy on few photos a tag, on photos that no part of training or selection saw, against peers.

    python benchmarks/fewshot.py DIR [DIR ...] --images 5 10 30 50 --draws 3 --methods quick scikit-learn
        [--teacher FILE] [--results FILE] [--plot FILE]

A DIR holds `train/<tag>/` and `test/<tag>/`; one without `test/` is judged by leave-one-out on all its
photos (`quick` and `scikit-learn` alone). Each draw takes so many training photos a tag by chance. Results
are kept in a file and not measured again, so a long comparison can be made in parts. The table gives means
over the draws with their range; seconds are of training, features known.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.records import ImageRecord
from dahlia.files import write_json
from dahlia.params import Params
from fewshot_methods import Method, ours, plain_fine_tune, scikit_learn, teacher_features
from packs import divided, draw, survey

REPOSITORY = Path(__file__).parents[1]
QUICK, ADVANCED, PEER, TEACHER = "quick", "advanced", "scikit-learn", "teacher's features"
BUNDLED, GENERAL, BEST = "quick, bundled", "quick, General", "quick, General [A1]"
PLAIN, RANDOM = "plain fine-tune", "plain, random weights"
_SMALL = [
    "domain.backbone.architecture=mobilenetv4_conv_small",
    "domain.backbone.weights=bundled",
    "domain.input.size=160",
    "domain.input.smoothing=0.16",
    "domain.recipe.views=[plain,mirror,zoom,zoom_mirror]",
]
OVERRIDES = {
    ADVANCED: ["training=advanced"],
    BUNDLED: _SMALL,
    GENERAL: ["domain=general"],
    BEST: ["domain=general_a1"],
    PLAIN: _SMALL,  # the larger network would take an hour a draw
    RANDOM: [*_SMALL, "domain.backbone.weights=none"],
}
MOST_FOLDS = 20
Row = dict[str, Any]


@dataclass(frozen=True)
class Contest:
    """A method with the parameters that it runs with."""

    name: str
    method: Method
    params: Params


def main() -> None:
    options = _arguments()
    contests = [contest(name, options) for name in options.methods]
    kept: list[Row] = json.loads(options.results.read_text()) if options.results.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        for pack in options.packs:
            workspace = Path(folder) / pack.name
            records = survey(pack, workspace, contests[0].params)
            for row in missing(contests, pack.name, records, workspace, options, kept):
                kept.append(row)
                write_json(options.results, kept)
    print(table(kept))
    for line in verdicts(kept):
        print(line)
    if options.plot:
        from fewshot_plot import save_plot

        save_plot(options.plot, kept)


def contest(name: str, options: argparse.Namespace) -> Contest:
    """A method by its name."""
    methods: dict[str, Method] = {
        PEER: scikit_learn,
        PLAIN: plain_fine_tune,
        RANDOM: plain_fine_tune,
        TEACHER: partial(teacher_features, weights=options.teacher),
    }
    if name == TEACHER and options.teacher is None:
        raise SystemExit(f"`{name}` needs --teacher FILE.")
    overrides = OVERRIDES.get(name, [])
    return Contest(name, methods.get(name, ours), check_params(compose(REPOSITORY, overrides), "conf/"))


def missing(
    contests: list[Contest],
    pack: str,
    records: list[ImageRecord],
    workspace: Path,
    options: argparse.Namespace,
    kept: list[Row],
) -> Iterable[Row]:
    """Measure what the kept rows do not hold yet."""
    tested = any(record.subset == "test" for record in records)
    known = {(row["pack"], row["images"], row["draw"], row["method"]) for row in kept}
    for count in options.images if tested else [min_images(records)]:
        for seed in range(options.draws):
            drawn = draw(records, count, seed)
            for one in contests:
                key = (pack, count, seed, one.name)
                if key in known or not (tested or one.name in (QUICK, PEER)):
                    continue
                params = one.params if tested else leave_one_out(one.params, len(drawn))
                outcome = one.method(divided(drawn, params, seed), params, workspace)
                print(*key, outcome, flush=True)
                yield {"pack": pack, "images": count, "draw": seed, "method": one.name, **outcome.row()}


def min_images(records: list[ImageRecord]) -> int:
    tags = [record.tags[0] for record in records]
    return min(tags.count(tag) for tag in set(tags))


def leave_one_out(params: Params, images: int) -> Params:
    split = params.split.model_copy(update={"folds": min(MOST_FOLDS, images)})
    return params.model_copy(update={"split": split})


def table(rows: list[Row]) -> str:
    """In Markdown: a line per pack and number of photos, a column per method."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [["photos", "a tag", *methods], ["---"] * (2 + len(methods))]
    for pack, count in sorted({(row["pack"], row["images"]) for row in rows}):
        cells = []
        for method in methods:
            own = [r for r in rows if (r["pack"], r["images"], r["method"]) == (pack, count, method)]
            cells.append(spread(own) if own else "-")
        lines.append([pack, str(count), *cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def spread(rows: list[Row]) -> str:
    """`0.851 [0.842, 0.860] 3 s`."""
    values = [row["test"] for row in rows]
    seconds = mean(row["seconds"] for row in rows)
    return f"{mean(values):.3f} [{min(values):.3f}, {max(values):.3f}] {seconds:.0f} s"


def verdicts(rows: list[Row]) -> Iterable[str]:
    """What the stated intervals and probabilities are worth."""
    stated = [row for row in rows if row["method"] in (QUICK, ADVANCED) and "low" in row]
    for method in (QUICK, ADVANCED):
        own = [row for row in stated if row["method"] == method]
        for pack in dict.fromkeys(row["pack"] for row in own):
            part = [row for row in own if row["pack"] == pack]
            held = sum(row["low"] <= row["test"] <= row["high"] for row in part)
            yield (
                f"{method}, {pack}: the 95 % interval held in {held} of {len(part)} draws; held out minus "
                f"test {mean(row['held_out'] - row['test'] for row in part):+.3f}{calibrated(part)}."
            )


def calibrated(rows: list[Row]) -> str:
    """The calibration error on untouched photos, by the number of photos a tag."""
    told = []
    for count in sorted({row["images"] for row in rows if "test_ece" in row}):
        own = [row for row in rows if row["images"] == count]
        error, chance = (mean(row[key] for row in own) for key in ("test_ece", "test_ece_by_chance"))
        told.append(f"{error:.3f} at {count} ({chance:.3f} by chance)")
    return f"; ECE on untouched photos {', '.join(told)}" if told else ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--images", nargs="+", type=int, default=[5, 10, 30, 50])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=[QUICK, PEER], metavar="METHOD")
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--results", type=Path, default=Path(".dahlia/fewshot.json"))
    parser.add_argument("--plot", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
