"""Names of EfficientNet-Lite's tensors: as its PyTorch conversion spells them, and as timm does.

The conversion counts blocks through; timm counts stages, and the blocks of each. A block widens its channels
(`_expand_conv`), looks around (`_depthwise_conv`) and narrows them (`_project_conv`); those of the first
stage do not widen, and timm numbers their layers accordingly.
"""

from __future__ import annotations

from collections.abc import Sequence

from dahlia.errors import WeightsError

_AROUND = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_FIRST_STAGE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LATER_STAGES = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def timm_name(name: str, depths: Sequence[int]) -> str:
    """What timm calls a tensor.

    Args:
        name: as the conversion spells it, such as `_blocks.3._bn0.weight`.
        depths: the number of blocks of each stage.

    Raises:
        WeightsError: the network has no such tensor.
    """
    layer, _, rest = name.partition(".")
    try:
        if layer != "_blocks":
            return f"{_AROUND[layer]}.{rest}"
        number, layer, rest = rest.split(".", 2)
        stage, block = _places(depths)[int(number)]
        return f"blocks.{stage}.{block}.{(_LATER_STAGES if stage else _FIRST_STAGE)[layer]}.{rest}"
    except (LookupError, ValueError):
        raise WeightsError(
            f"Expected tensors of an EfficientNet-Lite with {sum(depths)} blocks, received one named "
            f"{name!r}. Use other `backbone.weights`."
        ) from None


def _places(depths: Sequence[int]) -> list[tuple[int, int]]:
    return [(stage, block) for stage, depth in enumerate(depths) for block in range(depth)]
