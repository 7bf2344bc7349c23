"""TF-MOT's 8-bit schemes with two of their faults mended, chosen by what is to be kept.

1. The sparsity- and cluster-preserving registries claim to support every layer without weights, then fail on it.
2. Where a ReLU layer stands directly behind a convolution or a dense layer, the layout transformation takes the
   whole quantization of that layer away, its kernel's too: it would stay float in the emitted file. Only the
   quantization of its output, which the ReLU replaces, may go.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

from edgecompress.environment import load_tfmot
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.methods.base import Constraint


def scheme_for(kept: tuple[Constraint, ...]) -> Any:
    """Return the TF-MOT quantization scheme that preserves the constraints `kept`."""
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry,
        default_8bit_quantize_scheme,
    )

    combine = load_tfmot().experimental.combine
    kinds = {constraint.kind for constraint in kept}
    if "shared values" in kinds:
        scheme = combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity="zeros" in kinds)
    elif "zeros" in kinds:
        scheme = combine.Default8BitPrunePreserveQuantizeScheme()
    else:
        scheme = default_8bit_quantize_scheme.Default8BitQuantizeScheme()
    registry = scheme.get_quantize_registry()
    claims, plain = registry.supports, default_8bit_quantize_registry.Default8BitQuantizeRegistry()
    registry.supports = lambda layer: plain.supports(layer) and claims(layer)
    return _MendedScheme(scheme.get_layout_transformer(), registry)


@dataclass(frozen=True)
class _MendedScheme:
    """What `quantize_apply` asks of a scheme."""

    transformer: Any
    registry: Any

    def get_quantize_registry(self) -> Any:
        return self.registry

    def get_layout_transformer(self) -> Any:
        return self

    def apply(self, model: Any, layer_quantize_map: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Transform as TF-MOT does, then give kernels that lost their quantization it back."""
        from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
            default_8bit_quantize_configs,
        )

        model, layer_quantize_map = self.transformer.apply(model, layer_quantize_map)
        for layer in model.layers:
            entry = layer_quantize_map.get(layer.name, {})
            lost = isinstance(entry.get("quantize_config"), default_8bit_quantize_configs.NoOpQuantizeConfig)
            if lost and kernels(layer):
                config = copy(self.registry.get_quantize_config(layer))  # registries hand out shared ones
                config.activation_attrs = []
                entry["quantize_config"] = config
        return model, layer_quantize_map
