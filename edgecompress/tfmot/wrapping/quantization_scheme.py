"""TF-MOT's 8-bit schemes with four of their faults mended, chosen by what is to be kept.

1. The sparsity- and cluster-preserving registries claim to support every layer without weights, then fail on it.
2. Where a ReLU layer stands directly behind a convolution or a dense layer, the layout transformation takes the
   whole quantization of that layer away, its kernel's too: it would stay float in the emitted file. Only the
   quantization of its output, which the ReLU replaces, may go.
3. Where the filters of a convolution happen to have equally many distinct values, the cluster-preserving quantizer
   takes those of each filter for clusters of its own, and values that the kernel shared drift apart.
4. All layers have one cluster-preserving quantizer, which the first kernel without zeros makes forget the zeros of
   all that follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer, Model


def scheme_that_keeps(*, zeros: bool, shared_values: bool) -> Any:
    """Return the TF-MOT quantization scheme that preserves zeros, or shared values, or both."""
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry,
        default_8bit_quantize_scheme,
    )

    combine = load_tfmot().experimental.combine
    if shared_values:
        scheme = combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=zeros)
    elif zeros:
        scheme = combine.Default8BitPrunePreserveQuantizeScheme()
    else:
        scheme = default_8bit_quantize_scheme.Default8BitQuantizeScheme()
    registry = scheme.get_quantize_registry()
    claims, plain = registry.supports, default_8bit_quantize_registry.Default8BitQuantizeRegistry()
    registry.supports = lambda layer: plain.supports(layer) and claims(layer)
    configured = registry.get_quantize_config
    registry.get_quantize_config = lambda layer: _with_own_quantizer(configured(layer))
    return _MendedScheme(scheme.get_layout_transformer(), registry)


def keeps_kernel(layer: Layer) -> bool:
    """Return whether the schemes that preserve zeros or shared values do so in this layer, if it is quantized."""
    layers = load_tf_keras().layers
    return type(layer) in (layers.Conv2D, layers.Dense)


@contextmanager
def values_of_whole_kernels() -> Iterator[None]:
    """Within this block, the shared values of a kernel are found in all of it, not filter by filter."""
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (
        cluster_preserve_quantize_registry as theirs,
    )

    by_filter = theirs.get_centroids

    def of_kernel(layer: Layer, weight: Any, data_format: str) -> tuple[Any, Any, Any, bool]:
        centroids, indices = theirs.get_unique(weight)
        return centroids, len(centroids), indices, False

    theirs.get_centroids = of_kernel
    try:
        yield
    finally:
        theirs.get_centroids = by_filter


def _with_own_quantizer(config: Any) -> Any:
    if hasattr(config, "weight_quantizer"):
        config = copy(config)
        config.weight_quantizer = copy(config.weight_quantizer)
    return config


@dataclass(frozen=True)
class _MendedScheme:
    """What `quantize_apply` asks of a scheme."""

    transformer: Any
    registry: Any

    def get_quantize_registry(self) -> Any:
        return self.registry

    def get_layout_transformer(self) -> Any:
        return self

    def apply(self, model: Model, layer_quantize_map: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
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
