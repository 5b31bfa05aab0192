"""The note that MLflow's pages show beside a run, in Markdown."""

from __future__ import annotations

from dahlia.modeling.card import BackboneCard
from dahlia.tracking.evidence import TAG_METRICS, Evidence


def note(evidence: Evidence, number: int) -> str:
    """A summary of the iteration: what it is, its figures, and each tag's average precision."""
    card = evidence.card
    lines = [
        f"## {card.project}, iteration {number}",
        "",
        f"{card.domain}, {card.classification}, trained on {card.training.images} images by the "
        f"{card.training.recipe} recipe, from a {card.backbone.architecture} with weights "
        f"{_weights(card.backbone)}. The figures come from images that the scored model did not see.",
        "",
        "| figure | value |",
        "| --- | ---: |",
        *(
            f"| {_cell(name)} | {value:.4g} |"
            for name, value in sorted(evidence.metrics.items())
            if not name.startswith(TAG_METRICS)
        ),
        "",
        "| tag | average precision |",
        "| --- | ---: |",
        *(f"| {_cell(tag)} | {value:.4g} |" for tag, value in _average_precisions(evidence)),
        "",
        "Files of the run: `bundle/` is the trained network, `reports/` the evaluation, `exports/` the other "
        "exports. The model that predicts is the run's logged model, which `mlflow.pyfunc` loads.",
    ]
    return "\n".join(lines) + "\n"


def _weights(backbone: BackboneCard) -> str:
    if not backbone.source:
        return backbone.weights
    return f"{backbone.source} ({backbone.reason})"


def _average_precisions(evidence: Evidence) -> list[tuple[str, float]]:
    ending = "/ap"
    return [
        (key.removeprefix(TAG_METRICS).removesuffix(ending), value)
        for key, value in sorted(evidence.metrics.items())
        if key.startswith(TAG_METRICS) and key.endswith(ending)
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
