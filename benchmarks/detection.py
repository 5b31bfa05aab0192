"""Detectors on packs of photos with boxes: mean average precision on test photos that nothing has seen.

    python benchmarks/detection.py DIR [DIR ...] --photos 15 50 --draws 3 [--garden]
        [--methods quick advanced ssdlite fcos] [--domain detection_general_compact] [--results FILE]

A DIR holds photos and `regions.csv` with the columns file, tag, left, top, width and height (fractions of
the photo). Files in `test/` are test photos; where all are in one folder, each draw divides them into halves.
Of the others so many are drawn for each tag. The peers are torchvision's SSDLite and FCOS on the same
backbone and weights, all of which learn, in the processor time that the quick recipe took in the same draw.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from dahlia import layout
from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.inspection import merge_copies
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.manifest import TEST_FOLD, save_folds, save_manifest
from dahlia.dataset.records import Annotation, ImageRecord, Region
from dahlia.evaluation.detection.evaluation import evaluate_detector
from dahlia.files import write_json
from dahlia.modeling.box_predictions import load_box_predictions
from dahlia.params import Params
from dahlia.training.detection.detection_data import gather_boxes
from dahlia.training.detection.judging import average_precision
from dahlia.training.detection.recipe import train_detector
from detection_peers import PEERS, train_peer

REPOSITORY = Path(__file__).parents[1]
FOLDS = 5
GARDEN = "garden"
OVERLAPS = (0.3, 0.5, 0.75)
Row = dict[str, float]


def main() -> None:
    """Measure what the results lack, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("packs", nargs="*", type=Path)
    parser.add_argument("--garden", action="store_true", help="scenes of the sample garden too")
    parser.add_argument("--photos", type=int, nargs="*", default=[15, 50], help="of a tag")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--methods", nargs="*", default=["quick", *PEERS])
    parser.add_argument("--domain", default="detection_general_compact")
    parser.add_argument("--results", type=Path, help="a JSON file that is read and added to")
    options = parser.parse_args()
    known: dict[str, Row] = {}
    if options.results and options.results.exists():
        known = json.loads(options.results.read_text())
    with tempfile.TemporaryDirectory() as folder:
        packs = {pack.resolve().name: read_pack(pack.resolve()) for pack in options.packs}
        if options.garden:
            packs[GARDEN] = read_pack(make_garden(Path(folder) / GARDEN))
        for name, records in packs.items():
            for photos in options.photos:
                for number in range(options.draws):
                    drawn = draw(records, photos, number)
                    for method in options.methods:
                        key = f"{name} {photos} {number} {method} {options.domain}"
                        if key not in known:
                            quick = known.get(f"{name} {photos} {number} quick {options.domain}")
                            known[key] = measure(drawn, method, options.domain, number, quick)
                            print(key, known[key], flush=True)
                            if options.results:
                                write_json(options.results, known)
    show(known, options.domain)


def read_pack(pack: Path) -> list[ImageRecord]:
    """The photos of a pack with their boxes, inspected as `ingest` does."""
    regions: dict[str, list[Region]] = defaultdict(list)
    with (pack / "regions.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            place = (float(row[name]) for name in ("left", "top", "width", "height"))
            regions[row["file"]].append(Region(row["tag"], *place))
    photos = [path for part in ("train", "test") for path in (pack / part).glob("*.jpg")]
    files = sorted({*regions, *(path.relative_to(pack).as_posix() for path in photos)})
    parted = any(name.startswith("train/") for name in files)
    annotations = [
        Annotation(
            pack / name,
            tuple(dict.fromkeys(region.tag for region in regions[name])),
            tuple(regions[name]),
            "test" if parted and name.startswith("test/") else "train",
        )
        for name in files
        if parted or name in regions
    ]
    found = merge_copies(list(inspect_all(annotations, pack, max_bytes=10_000_000)))
    return [replace(record, path=(pack / record.path).as_posix()) for record in found]


def make_garden(folder: Path) -> Path:
    """Scenes of the sample garden, the halves of which are drawn."""
    from dahlia_samples import generate_scenes

    generate_scenes(folder, images=180, seed=5)
    return folder


def draw(records: Sequence[ImageRecord], photos: int, number: int) -> list[ImageRecord]:
    """Training photos, so many of each tag, and all test photos; halves where no photo is for testing."""
    rng = np.random.default_rng(number)
    if not any(record.subset == "test" for record in records):
        records = _halved(records, rng)
    chosen = {record.id: record for record in records if record.subset == "test"}
    for tag in sorted({tag for record in records for tag in record.tags}):
        own = sorted(
            (one for one in records if tag in one.tags and one.subset == "train"), key=lambda one: one.id
        )
        chosen |= {own[pick].id: own[pick] for pick in rng.permutation(len(own))[:photos]}
    return list(chosen.values())


def _halved(records: Sequence[ImageRecord], rng: np.random.Generator) -> list[ImageRecord]:
    halved = []
    for tags in sorted({record.tags for record in records}):
        own = sorted((record for record in records if record.tags == tags), key=lambda one: one.id)
        for place, pick in enumerate(rng.permutation(len(own)).tolist()):
            halved.append(replace(own[pick], subset="test" if place < len(own) // 2 else "train"))
    return halved


def measure(records: Sequence[ImageRecord], method: str, domain: str, seed: int, quick: Row | None) -> Row:
    """Train once, and judge on the test photos."""
    recipe = "advanced" if method == "advanced" else "quick"
    params = check_params(
        compose(REPOSITORY, [f"domain={domain}", f"training={recipe}", f"project.seed={seed}"]), "conf/"
    )
    if method in PEERS:
        if quick is None:
            raise SystemExit("Peers take as long as the quick recipe. Put `quick` before them in --methods.")
        return _timed(lambda: _peer(records, method, params, quick["processor_seconds"]))
    return _timed(lambda: _ours(records, params))


def _timed(measured: Callable[[], Row]) -> Row:
    began, busy = time.monotonic(), time.process_time()
    row = measured()
    return row | {"seconds": time.monotonic() - began, "processor_seconds": time.process_time() - busy}


def _folds(records: Sequence[ImageRecord]) -> dict[str, int]:
    learned = [record.id for record in sorted(records, key=lambda one: one.id) if record.subset == "train"]
    folds = {name: place % FOLDS for place, name in enumerate(learned)}
    return folds | {record.id: TEST_FOLD for record in records if record.subset == "test"}


def _ours(records: Sequence[ImageRecord], params: Params) -> Row:
    root = Path(tempfile.mkdtemp(prefix="detection-"))
    try:
        # Graphs of backbones are kept where they would be in a project: converted once for all draws.
        shared = Path(tempfile.gettempdir()) / "detection-graphs"
        shared.mkdir(exist_ok=True)
        (root / layout.GRAPH_CACHE).parent.mkdir(parents=True)
        (root / layout.GRAPH_CACHE).symlink_to(shared)
        save_manifest(root / layout.MANIFEST, records)
        save_folds(root / layout.FOLDS, _folds(records))
        train_detector(params, root)
        found = load_box_predictions(root / layout.PREDICTIONS)
        held_out, test, tags = found.held_out, found.test, len(found.tags)
        figures = {
            f"test_{overlap}": average_precision(test.found, test.truth, tags, overlap)
            for overlap in OVERLAPS
        }
        stated = evaluate_detector(found, params.evaluate, seed=0).held_out.overall.map50
        return figures | {
            "held_out_0.5": average_precision(held_out.found, held_out.truth, tags, 0.5),
            "low": stated.low if stated.low is not None else 0.0,
            "high": stated.high if stated.high is not None else 1.0,
            "memory": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
        }
    finally:
        shutil.rmtree(root)


def _peer(records: Sequence[ImageRecord], method: str, params: Params, seconds: float) -> Row:
    data = gather_boxes(records, _folds(records), parts=2)
    found = train_peer(method, data, params, seconds)
    test = np.flatnonzero(~data.training).tolist()
    truth = [data.truth[row] for row in test]
    return {
        f"test_{overlap}": average_precision(found, truth, len(data.tags), overlap) for overlap in OVERLAPS
    }


def show(known: dict[str, Row], domain: str) -> None:
    """Print means over draws: a row for each pack, number of photos and method."""
    rows: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for key, row in known.items():
        pack, photos, _, method, of_domain = key.split(" ")
        if of_domain == domain:
            rows[pack, photos, method].append(row)
    table = Table(title=f"mean average precision on test photos, {domain}")
    names = ("pack", "a tag", "method", "0.3", "0.5", "0.75", "held out, 0.5", "minutes", "interval holds")
    for name in names:
        table.add_column(name)
    for (pack, photos, method), found in rows.items():
        table.add_row(pack, photos, method, *_figures(found), _held(found))
    Console(width=120).print(table)


def _figures(found: Sequence[dict[str, Any]]) -> list[str]:
    names = [*(f"test_{overlap}" for overlap in OVERLAPS), "held_out_0.5"]
    figures = [f"{mean(row[name] for row in found):.3f}" if name in found[0] else "" for name in names]
    return [*figures, f"{mean(row['processor_seconds'] for row in found) / 60:.1f}"]


def _held(found: Sequence[Row]) -> str:
    """In how many draws the figure on test photos lies in the interval that held-out photos gave."""
    if "low" not in found[0]:
        return f"of {len(found)}"
    return f"{sum(row['low'] <= row['test_0.5'] <= row['high'] for row in found)} of {len(found)}"


if __name__ == "__main__":
    main()
