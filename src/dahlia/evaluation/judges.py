"""Who judges predictions of a kind."""

from __future__ import annotations

from dahlia.evaluation.judge import Judge
from dahlia.evaluation.multiclass import Multiclass
from dahlia.evaluation.multilabel import Multilabel
from dahlia.kinds import Kind

JUDGES: dict[Kind, Judge] = {"multiclass": Multiclass(), "multilabel": Multilabel()}
