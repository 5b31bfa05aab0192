"""What another runtime or precision changes in what is served, on photos that no part of training saw.

    python benchmarks/serving_accuracy.py PACK [PACK ...] [--photos 30] [--draws 3] [--domain general_compact]

A pack has photos in `train/<tag>/` and `test/<tag>/`. For each draw, a head is fitted on some photos of each
tag, and every runtime that is installed answers for all test photos. The proof says whether the service would
take it, however fast it is. Differences are of probabilities, from those of ONNX Runtime in float32.
"""

from __future__ import annotations

import argparse
import copy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dahlia.dataset.imaging import load
from dahlia.serving.choice.judging_quantised import SURE
from dahlia.serving.choice.measuring import Measured
from dahlia.serving.choice.quantising import MODULE
from dahlia.serving.choice.remembered import Tried
from dahlia.serving.models.readers import Scored
from dahlia.serving.models.runtime import Model, load_model
from dahlia.serving.models.runtimes import RUNTIMES, USUAL
from dahlia.settings.values import RuntimeName
from serving_model import network_of, publish_models

_SECONDS = 120.0  # for the proof of all


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packs", nargs="+", type=Path, metavar="PACK")
    parser.add_argument("--photos", type=int, default=30, help="of each tag, to learn from")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--domain", default="general_compact")
    options = parser.parse_args()
    columns = ("pack", "draw", "runtime", "right", "mean, most", "other top tag (sure)", "proof")
    table = Table(*columns, title=f"{options.domain}, {options.photos} photos a tag")
    for pack in options.packs:
        for draw in range(options.draws):
            print(f"{pack.name}, draw {draw}", file=sys.stderr, flush=True)
            for row in measured(pack, options.domain, options.photos, draw):
                table.add_row(pack.name, str(draw), *row)
        table.add_section()
    Console(width=150).print(table)


def measured(pack: Path, domain: str, photos: int, draw: int) -> list[tuple[str, ...]]:
    """A row for each runtime."""
    files = [path for tag in sorted((pack / "train").iterdir()) for path in _drawn(tag, photos, draw)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = publish_models(Path(scratch), network_of(domain), files=files) / "iteration-1"
        model = load_model(folder, "", 0)
        quantised = Path(scratch) / "int8.onnx"
        command = [sys.executable, "-m", MODULE, str(folder), str(quantised), *model.reader.outputs]
        subprocess.run(command, check=True)
        tests = sorted((pack / "test").glob("*/*"))
        seen = [load(path.read_bytes(), model.card.input.size) for path in tests]
        truth = [path.parent.name for path in tests]
        usual = [model.say(one) for one in seen]
        rows: list[tuple[str, ...]] = [(USUAL, _right(usual, truth), "", "", "")]
        for name, (other, refused) in _others(folder, model, quantised).items():
            said = [other.say(one) for one in seen]
            rows.append((name, _right(said, truth), *_changes(usual, said), refused or "passes"))
    return rows


def _drawn(tag: Path, photos: int, draw: int) -> list[Path]:
    files = sorted(tag.iterdir())
    picked = np.random.default_rng(draw).permutation(len(files))[:photos]
    return [files[one] for one in sorted(picked)]


def _others(folder: Path, model: Model, quantised: Path) -> dict[RuntimeName, tuple[Model, str | None]]:
    """The model in each other runtime, and why that would not be taken if it were fast."""
    judge = Measured(folder, _SECONDS, quantised)
    found = {}
    for name, runtime in RUNTIMES.items():
        if name == USUAL or not runtime.is_possible():
            continue
        graph = quantised if runtime.is_quantised else folder / "model.onnx"
        engine = runtime.engine(graph, model.reader, model.card.input.size, 1)
        other = copy.copy(model)
        other.take(engine, name)
        found[name] = other, judge.prove(Tried(runtime=name), engine).refused
    return found


def _right(said: Sequence[Sequence[Scored]], truth: Sequence[str]) -> str:
    right = sum(one[0].tag.name == tag for one, tag in zip(said, truth, strict=True))
    return f"{right} of {len(truth)}"


def _changes(usual: Sequence[Sequence[Scored]], said: Sequence[Sequence[Scored]]) -> tuple[str, str]:
    most, others, sure = [], 0, 0
    for before, after in zip(usual, said, strict=True):
        now = {one.tag.id: one.probability for one in after}
        most.append(max(abs(one.probability - now[one.tag.id]) for one in before))
        if before[0].tag.id != after[0].tag.id:
            others += 1
            sure += before[0].probability - before[1].probability > SURE
    return f"{np.mean(most):.4f}, {max(most):.3f}", f"{others} ({sure})"


if __name__ == "__main__":
    main()
