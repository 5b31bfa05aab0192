"""The picture of `benchmarks/fewshot.py`: accuracy against photos a tag, a panel per photo set."""

from __future__ import annotations

import itertools
from pathlib import Path
from statistics import mean
from typing import Any

Row = dict[str, Any]
_COLOURS = ("#7a1f5c", "#d1495b", "#30638e", "#00798c", "#8d99ae", "#edae49", "#2b2d42")


def save_plot(path: Path, rows: list[Row]) -> None:
    """Draw the means and ranges of the sets that have more than one number of photos."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    sets = [
        p
        for p in dict.fromkeys(r["pack"] for r in rows)
        if len({r["images"] for r in rows if r["pack"] == p}) > 1
    ]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, panels = pyplot.subplots(1, len(sets), figsize=(5.2 * len(sets), 4.4), squeeze=False)
    for panel, pack in zip(panels[0], sets, strict=True):
        for method, colour in zip(methods, itertools.cycle(_COLOURS), strict=False):
            own = [row for row in rows if row["pack"] == pack and row["method"] == method]
            counts = sorted({row["images"] for row in own})
            values = [[row["test"] for row in own if row["images"] == count] for count in counts]
            if not counts:
                continue
            panel.plot(counts, [mean(v) for v in values], "o-", color=colour, label=method, ms=4)
            panel.fill_between(
                counts, [min(v) for v in values], [max(v) for v in values], color=colour, alpha=0.15
            )
        panel.set(title=pack, xlabel="photos a tag", xscale="log", ylim=(0, 1))
        ticks = sorted({row["images"] for row in rows if row["pack"] == pack})
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("accuracy on untouched photos")
    lines, names = panels[0][0].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.legend(lines, names, frameon=False, fontsize=9, loc="lower center", ncols=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
