"""TFLite files in LiteRT's interpreter, with its default XNNPACK kernels or another of its families."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgecompress.runtimes.engines.session import DEFAULT_KERNELS
from edgecompress.values import QuantScheme, TensorSpec

_FAMILIES = {
    "xnnpack": OpResolverType.BUILTIN,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}


class TfliteSession:
    """A `Session` over `ai_edge_litert`."""

    def __init__(self, path: str, *, kernels: str = DEFAULT_KERNELS) -> None:
        family = _FAMILIES[kernels]
        self._interpreter = Interpreter(model_path=path, num_threads=1, experimental_op_resolver_type=family)
        self._interpreter.allocate_tensors()
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._input_indices = [each["index"] for each in inputs]
        self._output_indices = [each["index"] for each in outputs]
        self._shapes = [tuple(each["shape"].tolist()) for each in inputs]
        self.inputs = tuple(_spec(each) for each in inputs)
        self.outputs = tuple(_spec(each) for each in outputs)
        named = "" if kernels == DEFAULT_KERNELS else f" with {kernels} kernels"
        self.runtime = f"LiteRT {version('ai-edge-litert')}{named}"

    def bind(self, arrays: list[np.ndarray]) -> None:
        """Put the inputs in place; a free axis is resized when its length changes, and variables become 0 again.

        The state of a recurrent layer is a variable: inputs that are bound one after another are no sequence.
        """
        if len(arrays) != len(self.inputs):
            raise ValueError(f"expected {len(self.inputs)} inputs, got {len(arrays)}")
        shapes = [array.shape for array in arrays]
        if shapes != self._shapes:
            for index, shape in zip(self._input_indices, shapes, strict=True):
                self._interpreter.resize_tensor_input(index, shape, strict=True)
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        self._interpreter.reset_all_variables()
        for index, array in zip(self._input_indices, arrays, strict=True):
            self._interpreter.set_tensor(index, array)

    def invoke(self) -> None:
        """Run one inference."""
        self._interpreter.invoke()

    def read(self) -> list[np.ndarray]:
        """Copy the outputs."""
        return [self._interpreter.get_tensor(index) for index in self._output_indices]


def _spec(details: dict[str, Any]) -> TensorSpec:
    dtype = np.dtype(details["dtype"])
    parameters = details["quantization_parameters"]
    scales = tuple(parameters["scales"].tolist())
    quant = None
    if scales and dtype.kind in "iu":
        axis = parameters["quantized_dimension"] if len(scales) > 1 else None
        quant = QuantScheme(scales, tuple(parameters["zero_points"].tolist()), axis)
    return TensorSpec(details["name"], tuple(details["shape_signature"].tolist()), dtype.name, quant)
