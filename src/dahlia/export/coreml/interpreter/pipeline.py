"""Models that are run one after the other, each on what those before it gave; and what runs each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter.files import Weights
from dahlia.export.coreml.interpreter.network import Network
from dahlia.export.coreml.interpreter.program import Program
from dahlia.export.coreml.interpreter.registry import Array
from dahlia.export.coreml.interpreter.suppression import Suppression


class Computed(Protocol):
    """What runs a model.

    Attributes:
        labels: the tags that the model names, in its order; none where it names none.
        answers: the names of what it gives.
    """

    labels: tuple[str, ...]
    answers: tuple[str, ...]

    def run(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """Inputs by name to what the model gives."""
        ...


class Pipeline:
    """Models one after the other.

    Args:
        model: the `Model` message.
        weights: what its programs' constants point into.

    Attributes:
        labels: those of the last model.
        answers: the names of what it gives.

    Raises:
        VerificationError: a model needs what none before it gives, or gives it in another form; or a model is
            not known here.
    """

    def __init__(self, model: Any, weights: Weights) -> None:
        stages = model.pipeline.models
        if not stages:
            raise VerificationError("The pipeline was expected to hold models and holds none. Export again.")
        known = {feature.name: feature.type for feature in model.description.input}
        for stage in stages:
            _require(known, stage.description.input, f"a {stage.WhichOneof('Type')} inside the pipeline")
            known.update({feature.name: feature.type for feature in stage.description.output})
        _require(known, model.description.output, "the pipeline's output")
        self._stages = [(stage.description, computed(stage, weights)) for stage in stages]
        self.labels = self._stages[-1][1].labels
        self.answers = tuple(feature.name for feature in model.description.output)

    def run(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """What the models make of the pipeline's inputs: its `answers`.

        Raises:
            VerificationError: a model is used in a way that is not known here, or gives another shape than it
                declares.
        """
        known = dict(given)
        for description, stage in self._stages:
            inputs = {
                feature.name: known[feature.name] for feature in description.input if feature.name in known
            }
            answers = stage.run(inputs)
            require_shapes(description.output, answers)
            known.update(answers)
        return {name: known[name] for name in self.answers}


def _require(known: Mapping[str, Any], features: Any, what: str) -> None:
    for feature in features:
        if known.get(feature.name) != feature.type:
            received = "another form of it" if feature.name in known else f"only {', '.join(sorted(known))}"
            raise VerificationError(
                f"Expected {feature.name} for {what}, received {received} from what comes before. Export "
                "again."
            )


def require_shapes(outputs: Any, answers: Mapping[str, Array]) -> None:
    """Refuse answers of other shapes than the features of a description declare.

    Raises:
        VerificationError: there is one; shapes that are left open may be any.
    """
    for feature in outputs:
        declared, received = tuple(feature.type.multiArrayType.shape), answers[feature.name].shape
        if declared and declared != received:
            raise VerificationError(
                f"Expected {feature.name} of the shape {declared}, as it is declared; received {received}. "
                "Export again."
            )


def computed(model: Any, weights: Weights) -> Computed:
    """What runs a model, by its kind.

    Raises:
        VerificationError: it is of a kind, or computes something, that is not known here.
    """
    kind = str(model.WhichOneof("Type"))
    if kind not in _KINDS:
        raise VerificationError(
            f"Dahlia's interpreter of Core ML programs knows {', '.join(_KINDS)}; received a {kind}. Open "
            "the model on macOS to prove it there, or export again."
        )
    return _KINDS[kind](model, weights)


_KINDS: dict[str, Callable[[Any, Weights], Computed]] = {
    "mlProgram": Program,
    "neuralNetwork": lambda model, _: Network(model),
    "neuralNetworkClassifier": lambda model, _: Network(model),
    "nonMaximumSuppression": lambda model, _: Suppression(model),
    "pipeline": Pipeline,
}
