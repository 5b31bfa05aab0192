"""Do the two figures say what to expect: of photos like these, and of photos of new scenes?

    python benchmarks/scenes.py DIR [DIR ...] --images 10 30 50 --draws 3 [--beds] [--domain general]
        [--results FILE]

A DIR holds `train/<tag>/` and `test/<tag>/`. Photos are drawn from it by chance, and sets of few scenes are
made of it (see `scene_sets.py`). Each draw is trained and judged as `dvc repro` does it. The accuracy on test
photos should lie between the lower end of new scenes and the upper end of photos like these; by chance, that
upper end alone lies too low in one draw of forty. Where photos are drawn by chance the two figures should be
close. The last column is what finding and judging scenes added to the processor time of training.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.records import ImageRecord
from dahlia.evaluation.evaluation import evaluate
from dahlia.files import write_json
from dahlia.params import Params
from dahlia.training import recipes
from packs import divided, draw, survey
from scene_sets import Design, beds, bursts, shelves

REPOSITORY = Path(__file__).parents[1]
DESIGNS = ["5x6", "10x3", "3x6", "2x6", "20x2"]
Row = dict[str, Any]
Make = Callable[[Path], None]


def main() -> None:
    """Measure what the results lack, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("packs", nargs="*", type=Path)
    parser.add_argument("--images", type=int, nargs="*", default=[10, 30, 50])
    parser.add_argument("--designs", nargs="*", default=DESIGNS, help="scenes of a tag x photos of a scene")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--beds", action="store_true", help="draw beds of the sample garden too (slow)")
    parser.add_argument("--domain", default="general_compact")
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    params = check_params(compose(REPOSITORY, [f"domain={options.domain}"]), "conf/")
    known = json.loads(options.results.read_text()) if options.results and options.results.exists() else {}
    for name, measure in _wanted(options, params):
        if name not in known:
            with tempfile.TemporaryDirectory() as folder:
                known[name] = measure(Path(folder))
            print(name, known[name], flush=True)
            if options.results:
                write_json(options.results, known)
    Console(width=110).print(_table(known))


def _wanted(options: argparse.Namespace, params: Params) -> Iterator[tuple[str, Callable[[Path], list[Row]]]]:
    draws = range(options.draws)
    for pack in options.packs:
        for count in options.images:
            yield f"{pack.name}|by chance|{count} a tag", partial(_by_chance, pack, count, draws, params)
    for design in (Design(*map(int, text.split("x"))) for text in options.designs):
        for pack, other in pairwise([*options.packs, *options.packs[:1]]):
            grounds = sorted((other / "train").rglob("*.jpg"))
            made = partial(bursts, pack, design=design)
            yield f"{pack.name}|bursts|{design}", partial(_made, made, draws, params)
            if len(options.packs) > 1:
                made = partial(shelves, pack, design=design, backgrounds=grounds)
                yield f"{pack.name}|shelves|{design}", partial(_made, made, draws, params)
        if options.beds:
            yield f"garden|beds|{design}", partial(_made, partial(beds, design=design), draws, params)


def _by_chance(pack: Path, count: int, draws: range, params: Params, folder: Path) -> list[Row]:
    records = survey(pack, folder, params)
    return [_judged(draw(records, count, seed), params, seed, folder) for seed in draws]


def _made(make: Callable[..., None], draws: range, params: Params, folder: Path) -> list[Row]:
    rows = []
    for seed in draws:
        make(target=folder / f"set-{seed}", seed=seed)
        workspace = folder / f"{seed}"
        records = survey(folder / f"set-{seed}", workspace, params)
        rows.append(_judged(draw(records, 10**6, seed), params, seed, workspace))
    return rows


def _judged(records: list[ImageRecord], params: Params, seed: int, workspace: Path) -> Row:
    data = divided(records, params, seed)
    with _timed("predict_new_scenes"):
        recipes.train(data, params, workspace)  # so that features are known
    began = time.process_time()
    with _timed("predict_new_scenes") as spent:
        trained = recipes.train(data, params, workspace)
    seconds = time.process_time() - began
    evaluation = evaluate(trained.predictions, params.evaluate, seed=0, negative_tag=None)
    assert evaluation.new_scenes is not None
    assert evaluation.test is not None
    like, new = evaluation.held_out.overall.accuracy, evaluation.new_scenes.accuracy
    return {
        "like": [like.value, like.low, like.high],
        "new": [new.value, new.low, new.high],
        "test": evaluation.test.overall.accuracy.value,
        "photos": like.images,
        "scenes": evaluation.new_scenes.scenes,
        "share": sum(spent) / (seconds - sum(spent)),
    }


@contextmanager
def _timed(name: str) -> Iterator[list[float]]:
    spent: list[float] = []
    original = getattr(recipes, name)

    def timed(*args: Any, **options: Any) -> Any:
        began = time.process_time()
        found = original(*args, **options)
        spent.append(time.process_time() - began)
        return found

    with patch.object(recipes, name, timed):
        yield spent


def _table(known: dict[str, list[Row]]) -> Table:
    table = Table(box=None)
    for name in ("set", "kind", "photos", "like these", "new scenes", "test", "between", "scenes", "cost"):
        table.add_column(name, justify="left" if name in ("set", "kind") else "right")
    for name, rows in sorted(known.items(), key=lambda item: item[0].split("|")[1:]):
        table.add_row(*name.split("|"), *_cells(rows))
    for kind in dict.fromkeys(name.split("|")[1] for name in known):
        rows = [row for name, found in known.items() if name.split("|")[1] == kind for row in found]
        table.add_row("all", kind, "", *_cells(rows))
    return table


def _cells(rows: list[Row]) -> list[str]:
    told = [row for row in rows if row["new"][0] is not None]
    between = [row["new"][1] <= row["test"] <= row["like"][2] for row in told]
    above = sum(row["test"] > row["like"][2] for row in told)
    shared = mean(1 - row["scenes"] / row["photos"] for row in rows)
    return [
        f"{mean(row['like'][0] for row in rows):.3f}",
        f"{mean(row['new'][0] for row in told):.3f}" if told else "-",
        f"{mean(row['test'] for row in rows):.3f}",
        f"{sum(between)} of {len(told)}" + (f" ({above} above)" if above else ""),
        f"{shared:.0%} shared",
        f"{mean(row['share'] for row in rows):.0%}",
    ]


if __name__ == "__main__":
    main()
