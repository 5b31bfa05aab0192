"""A finished graph, and the names by which users know its ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dahlia.export.tensorflow._runtime import tf

# As the exports of Custom Vision name them; clients of older ones ask for `loss`.
INPUT = "Placeholder"
OUTPUT = "model_outputs"
FORMER_OUTPUT = "loss"
# A graph that holds it takes its colours as blue, green, red.
BGR_TO_RGB = "bgr_to_rgb"


@dataclass(frozen=True)
class ImageGraph:
    """A graph without variables.

    Attributes:
        definition: the `GraphDef`.
        size: input edge in pixels.
    """

    definition: Any
    size: int

    @property
    def channels(self) -> str:
        """The order of the colours that the graph takes."""
        return "BGR" if any(node.name == BGR_TO_RGB for node in self.definition.node) else "RGB"

    def function(self) -> Any:
        """A concrete function: the image batch to the answers."""
        imported = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(self.definition, name=""), []
        )
        ends = [imported.graph.get_tensor_by_name(f"{name}:0") for name in (INPUT, OUTPUT)]
        return imported.prune(*ends)
