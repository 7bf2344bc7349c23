"""Where the int8 file of a network rounds: which tensors are codes there, and of whose range the scale of each is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.post_training import quantize
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.formats.tflite.graph import Graph

FIRST_SCALE, SCALES_APART = 0.01, 2.0**-10  # below 1 for thousands of tensors, and far apart against float32's rounding
SAME = 1e-6  # relative
QUANTIZED = "_quantized"  # the end of a name of codes that stand beside the numbers: of inputs, and what floats read
Range = tuple[float, float]


@dataclass(frozen=True)
class Codes:
    """How the file holds a tensor."""

    range_of: str = ""  # the tensor of whose range its scale is: mostly itself, and what it is pooled or cut from
    fixed: Range | None = None  # what its codes reach from and to, where the operator has one scale for all networks


@dataclass(frozen=True)
class Kernel:
    """How the file holds the weights of an operator."""

    elements: int
    scales: int  # one, or one a filter


def codes_of(content: bytes, *, keep_float: str = "") -> tuple[dict[str, Codes], dict[str, Kernel]]:
    """Return, of a float TFLite file, each tensor that is codes in int8, and the weights of each operator, by names.

    An operator is named by its first output. Nobody's rules are repeated here: the file is quantized with a range of
    its own for each tensor, and the scales that come out tell which of them went where.

    Raises:
        ConversionError: the quantizer refuses the file.
    """
    graph = parse_graph(content)
    names = [graph.tensors[index].name for index in (*graph.inputs, *graph.producers)]
    scales = {name: np.float32(FIRST_SCALE * (1 + place * SCALES_APART)) for place, name in enumerate(names)}
    ranges = {name: (float(-128 * scale), float(127 * scale)) for name, scale in scales.items()}
    made = quantize(content, Target("tflite", "int8"), calibration=None, keep_float=keep_float, ranges=ranges)
    quantized = parse_graph(made)
    return _codes(quantized, scales), _kernels(quantized)


def _codes(graph: Graph, scales: Mapping[str, np.float32]) -> dict[str, Codes]:
    ordered = np.array(sorted(scales.values()))
    owners = dict(zip(scales.values(), scales, strict=True))
    found: dict[str, Codes] = {}
    for tensor in graph.tensors:
        name = tensor.name.removesuffix(QUANTIZED)
        if name not in scales or tensor.quant is None or tensor.dtype != "int8":
            continue
        scale = np.float32(tensor.quant.scales[0])
        nearest = ordered[np.abs(ordered - scale).argmin()]
        if abs(nearest - scale) <= SAME * scale:
            found.setdefault(name, Codes(owners[nearest]))
        else:
            zero = tensor.quant.zero_points[0]
            found.setdefault(name, Codes(fixed=(float((-128 - zero) * scale), float((127 - zero) * scale))))
    return found


def _kernels(graph: Graph) -> dict[str, Kernel]:
    found: dict[str, Kernel] = {}
    for operator in graph.operators:
        for index in operator.inputs[1:]:
            tensor = graph.stored_constant(index) if index >= 0 else None
            if tensor is not None and tensor.dtype == "int8" and tensor.quant is not None and len(tensor.shape) > 1:
                found[graph.tensors[operator.outputs[0]].name] = Kernel(tensor.size, len(tensor.quant.scales))
    return found
