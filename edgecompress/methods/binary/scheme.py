"""What is binary in a layer, and the binary layer that takes the place of a float one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.keras_types import Layer
from edgecompress.layers import custom_objects


@dataclass(frozen=True)
class Scheme:
    """The options that a method gives its layers; their docstrings say what they mean."""

    binary_inputs: bool
    scaled: bool
    stochastic: bool = False
    input_scale: bool = False

    def unfit(self, layer: Layer) -> str:
        """Return why `layer` has no binary form under this scheme, or ''."""
        layers = load_keras().layers
        kind = type(layer)
        if kind is layers.DepthwiseConv2D and self.binary_inputs:
            return "a depthwise filter sees one channel: there are no bits side by side to pack into words"
        if kind not in (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense):
            return f"there is no binary form of {kind.__name__}"
        if len(layer._inbound_nodes) > 1:
            return "it is called more than once"
        if kind is not layers.Dense and layer.data_format != "channels_last":
            return "its channels come first"
        if kind is layers.Conv2D and layer.groups != 1:
            return f"its {layer.groups} groups split the bits of a pixel"
        return ""

    def binary(self, layer: Layer, **changes: Any) -> Any:
        """Return the binary layer, without weights as yet, for one that is not `unfit`; `changes` go to its config."""
        options = asdict(self)
        if type(layer).__name__ == "DepthwiseConv2D":
            del options["binary_inputs"], options["input_scale"]
        config = {**layer.get_config(), **options, **changes}
        for constraint in ("kernel_constraint", "depthwise_constraint"):  # theirs is the clipping
            config.pop(constraint, None)
        kind: Any = custom_objects()[f"Binary{type(layer).__name__}"]
        return kind.from_config(config)


def is_binary(layer: Layer) -> bool:
    """Return whether `layer` computes with the signs of a latent kernel."""
    from edgecompress.layers.latent import LatentKernel

    return isinstance(layer, LatentKernel)
