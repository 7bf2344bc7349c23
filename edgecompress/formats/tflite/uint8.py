"""Layers in TFLite's first form of quantization, uint8 with one scale a tensor: newer Arm cores are no faster there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecompress.errors import ModelFileError
from edgecompress.formats.tflite.file import describe_graphs, read_content
from edgecompress.formats.tflite.graph import Graph

# Those that XNNPACK computes by products of four bytes at a time where the numbers have a sign. Depthwise ones have no
# such kernels in either form.
_PRODUCTS = ("CONV_2D", "FULLY_CONNECTED")


def uint8_layers(graphs: Sequence[Graph]) -> int:
    """Return how many convolutions and dense layers have uint8 kernels with one scale a tensor."""
    count = 0
    for graph in graphs:
        for operator in graph.operators:
            if operator.kind in _PRODUCTS and len(operator.inputs) > 1 and operator.inputs[1] >= 0:
                kernel = graph.tensors[operator.inputs[1]]
                count += kernel.dtype == "uint8" and kernel.quant is not None and kernel.quant.axis is None
    return count


def what_uint8_costs(graphs: Sequence[Graph]) -> str:
    """Return a sentence on what a file loses by such layers, or nothing where it has none.

    The figures are instructions of LiteRT 2.3 under QEMU, for convolutions of 64 and a dense layer of 256 channels.
    """
    count = uint8_layers(graphs)
    if not count:
        return ""
    layers = f"{count} layers are" if count > 1 else "1 layer is"
    return (
        f"{layers} uint8 with one scale a tensor, for which XNNPACK has no dot-product kernels: a Cortex-A76 takes as "
        "many instructions as an A53, three times those of int8. Convert it as int8"
    )


def what_uint8_costs_in(path: Path) -> str:
    """Return the same of a file; nothing of one that is no TFLite file, or cannot be read."""
    if path.suffix.lower() != ".tflite":
        return ""
    try:
        return what_uint8_costs(describe_graphs(read_content(path), name=path.name)[0])
    except ModelFileError:
        return ""
