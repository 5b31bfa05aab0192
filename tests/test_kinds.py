"""One word for what a model says of a photo, and tables instead of comparisons."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import dahlia
from dahlia.dataset.tag_rules import TAG_RULES
from dahlia.evaluation.judges import FIGURES, JUDGES
from dahlia.evaluation.saved import SUMMARIES
from dahlia.export.port import OUTPUTS
from dahlia.export.proofs import PROOFS
from dahlia.kinds import Classification, Kind
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.server.contract.enums import CLASSIFIERS, KINDS
from dahlia.server.iterations.held_out import HELD_OUT
from dahlia.server.iterations.training_tags import TRAINABLE
from dahlia.serving.models.readers import READERS
from dahlia.stages.evaluate import EVALUATORS

TABLES = {
    "dataset": TAG_RULES,
    "modeling": LIKELIHOODS,
    "evaluation": JUDGES,
    "exports": OUTPUTS,
}
COMPLETE = {
    "judged": EVALUATORS,
    "told": SUMMARIES,
    "compared": FIGURES,
    "proven": PROOFS,
    "read": READERS,
    "trained on the server": TRAINABLE,
    "judged by the server": HELD_OUT,
}
COMPARISON = re.compile(r"""(==|!=|\bin|\bis|\bis not) \(?["'](multiclass|multilabel|detection)["']""")


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_package_can_do_the_same(table: dict[str, object]) -> None:
    assert set(table) - {"detection"} == set(get_args(Classification))


@pytest.mark.parametrize("table", COMPLETE.values(), ids=COMPLETE)
def test_what_is_there_for_every_kind(table: dict[str, object]) -> None:
    assert set(table) == {kind for part in get_args(Kind) for kind in get_args(part) or (part,)}


@pytest.mark.parametrize(
    ("spelled", "kind"), [("Multiclass", "multiclass"), ("Multilabel", "multilabel"), (None, "detection")]
)
def test_the_api_spells_each_kind_in_one_way(spelled: str | None, kind: str) -> None:
    assert KINDS[spelled] == kind
    assert CLASSIFIERS[kind] == spelled


def test_no_module_compares_kinds() -> None:
    root = Path(dahlia.__file__).parents[1]
    files = [path for end in ("*.py", "*.html") for path in root.glob(f"dahlia*/**/{end}")]
    found = [str(path.relative_to(root)) for path in files if COMPARISON.search(path.read_text("utf-8"))]
    assert not found, f"expected tables by kind (see docs/architecture.md), found comparisons in {found}"
