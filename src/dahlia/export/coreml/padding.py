"""Zeros around an image become the padding of the convolution that reads it: coremltools leaves them apart.

Networks that were ported from TensorFlow pad as its `SAME` does, one place more behind than before. Torch's
convolutions have no word for that, and Core ML's have.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dahlia.export.coreml._runtime import ct

_AFTER = "common::merge_consecutive_paddings"
_NAMESPACE, _NAME = "dahlia", "pad_within_convolutions"
_passes = import_module("coremltools.converters.mil.mil.passes.pass_registry")
_Pass: Any = import_module("coremltools.converters.mil.mil.passes.graph_pass").AbstractGraphPass


def pipeline() -> Any:
    """The passes of coremltools, with the one of this module among them."""
    passes = ct.PassPipeline.DEFAULT
    passes.insert_pass(passes.passes.index(_AFTER) + 1, f"{_NAMESPACE}::{_NAME}")
    return passes


@_passes.register_pass(namespace=_NAMESPACE, override=True, name=_NAME)
class PadWithinConvolutions(_Pass):  # type: ignore[misc]
    """Rewrites a program of coremltools in place."""

    def apply(self, prog: Any) -> None:
        """Let its convolutions put the zeros there."""
        for block in prog.functions.values():
            with block:
                for operation in list(block.operations):
                    amounts = _amounts(operation) if operation.op_type == "conv" else None
                    if amounts is not None:
                        _take_over(block, operation, amounts)


def _amounts(convolution: Any) -> list[int] | None:
    """What the convolution is to pad with: before and behind, of each axis of the image."""
    pad = convolution.x.op
    if pad is None or pad.op_type != "pad" or convolution.pad_type.val not in ("valid", "custom"):
        return None
    if pad.mode.val != "constant" or pad.constant_val.val != 0 or pad.pad.val is None:
        return None
    axes = convolution.x.rank - 2
    added = [0] * (2 * convolution.x.rank - len(pad.pad.val)) + [int(amount) for amount in pad.pad.val]
    if any(added[:4]) or min(added) < 0:
        return None
    own = convolution.pad.val if convolution.pad_type.val == "custom" else [0] * (2 * axes)
    return [int(amount) + more for amount, more in zip(own, added[4:], strict=True)]


def _take_over(block: Any, convolution: Any, amounts: list[int]) -> None:
    inputs = {**convolution.inputs, "x": convolution.x.op.x, "pad_type": "custom", "pad": amounts}
    made = ct.converters.mil.Builder.conv(**inputs, name=convolution.name, before_op=convolution)
    block.replace_uses_of_var_after_op(anchor_op=convolution, old_var=convolution.outputs[0], new_var=made)
    block.remove_ops([convolution])
