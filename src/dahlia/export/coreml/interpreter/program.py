"""ML programs, run operation by operation: lists of operations on named values (`model.mlpackage`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter import OPERATIONS
from dahlia.export.coreml.interpreter.files import Weights, messages, shape_of, value_of
from dahlia.export.coreml.interpreter.registry import Array, Function, UnsupportedError

_CLASSIFY = "classify"


class Program:
    """The operations of a program's `main`, ready to be run again and again.

    Args:
        model: the `Model` message.
        weights: what the program's constants point into.

    Attributes:
        labels: of a classifier the tags, in the order of the probabilities; of others none.
        answers: the names of what it gives: of a classifier the probabilities alone.

    Raises:
        VerificationError: an operation is not known here, or a constant cannot be read.
    """

    def __init__(self, model: Any, weights: Weights) -> None:
        main = model.mlProgram.functions["main"]
        block = main.block_specializations[main.opset]
        self._half = messages().MIL_pb2.DataType.Value("FLOAT16")
        self._ready: dict[str, Any] = {}
        self._weights = weights
        self._steps: list[_Step] = []
        self.labels: tuple[str, ...] = ()
        self.answers = tuple(block.outputs)
        last = _last_uses(block)
        for number, operation in enumerate(block.operations):
            self._add(operation, last.get(number, ()))

    def run(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """What the program makes of its inputs: its `answers`.

        Args:
            given: the inputs by name; an image as (1, 3, height, width).

        Raises:
            VerificationError: an operation is used in a way that is not known here.
        """
        known: dict[str, Any] = dict(given)
        for step in self._steps:
            arguments = {key: _bound(values, known) for key, values in step.arguments.items()}
            try:
                answers = step.function(**arguments)
                self._keep(known, step, answers if isinstance(answers, tuple | list) else (answers,))
            except (UnsupportedError, TypeError, ValueError, IndexError, KeyError) as error:
                raise self._refusal(step, error) from error
            for done in step.forgotten:
                known.pop(done, None)
        return {name: np.asarray(known[name], np.float32) for name in self.answers}

    def _add(self, operation: Any, forgotten: tuple[str, ...]) -> None:
        if operation.type == "const":
            self._ready[operation.outputs[0].name] = value_of(operation.attributes["val"], self._weights)
            return
        arguments = {
            key: [self._argument(binding) for binding in value.arguments]
            for key, value in operation.inputs.items()
        }
        if operation.type == _CLASSIFY:
            self.labels = tuple(arguments["classes"][0])
            self.answers = (arguments["probabilities"][0].text,)
            return
        if operation.type not in OPERATIONS:
            raise VerificationError(
                f"Dahlia's interpreter of Core ML programs does not know the operation {operation.type} that "
                f"makes {operation.outputs[0].name}. Open the model on macOS to prove it there, or choose "
                "another `domain.backbone.architecture`."
            )
        function = OPERATIONS[operation.type]
        self._steps.append(_Step(operation.type, function, arguments, tuple(operation.outputs), forgotten))

    def _argument(self, binding: Any) -> Any:
        if binding.WhichOneof("binding") == "value":
            return value_of(binding.value, self._weights)
        return self._ready.get(binding.name, _Name(binding.name))

    def _keep(self, known: dict[str, Any], step: _Step, answers: Any) -> None:
        for result, answer in zip(step.results, answers, strict=True):
            declared, received = shape_of(result.type), np.shape(answer)
            if declared != received:
                raise UnsupportedError(f"a result of the shape {received}, declared as {declared}")
            half = result.type.tensorType.dataType == self._half
            known[result.name] = rounded(answer) if half else answer

    def _refusal(self, step: _Step, error: Exception) -> VerificationError:
        text = " ".join(str(error).split())[:300]
        return VerificationError(
            f"Dahlia's interpreter of Core ML programs cannot run the operation {step.kind} that makes "
            f"{step.results[0].name}: {text}. Export again; if it stays, open the model on macOS to prove it "
            "there, or choose another `domain.backbone.architecture`."
        )


@dataclass(frozen=True)
class _Step:
    """One operation: what it is called with, what its results are called, and what is done with by then."""

    kind: str
    function: Function
    arguments: dict[str, list[Any]]
    results: tuple[Any, ...]
    forgotten: tuple[str, ...]


@dataclass(frozen=True)
class _Name:
    """A value that is known only when the program runs."""

    text: str


def rounded(numbers: Array) -> Array:
    """Each number as half precision has it, kept as float32: numpy multiplies halves one by one."""
    with np.errstate(over="ignore"):
        return np.asarray(numbers, np.float32).astype(np.float16).astype(np.float32)


def _bound(values: list[Any], known: dict[str, Any]) -> Any:
    found = [known[value.text] if isinstance(value, _Name) else value for value in values]
    return found[0] if len(found) == 1 else found


def _last_uses(block: Any) -> dict[int, tuple[str, ...]]:
    last = {
        binding.name: number
        for number, operation in enumerate(block.operations)
        for value in operation.inputs.values()
        for binding in value.arguments
        if binding.name not in block.outputs
    }
    uses: dict[int, tuple[str, ...]] = {}
    for name, number in last.items():
        uses[number] = (*uses.get(number, ()), name)
    return uses
