"""Operators that move stored elements without computing: quantized ones are moved as they are."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.onnx.emission import NCHW, NHWC, Emission, is_quantized
from edgecompress.convert.onnx.fused_activation import activate, store_result
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite_graph import Operator


def reshape(emission: Emission, operator: Operator) -> None:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the file states the new shape."""
    source, output = operator.inputs[0], operator.outputs[0]
    shape = emission.tensor(output).shape
    value = emission.flat(source)
    same = shape == emission.tensor(source).shape
    emission.store(output, value if same else emission.reshape(value, shape))


def transpose(emission: Emission, operator: Operator) -> None:
    """TRANSPOSE; one between NHWC and NCHW is often there already."""
    source, output = operator.inputs[0], operator.outputs[0]
    permutation = tuple(emission.array(operator.inputs[1], "axes").tolist())
    if emission.has_nchw(source) and permutation == NCHW:
        emission.store(output, emission.stored(source, nchw=True))
    elif permutation == NHWC:
        emission.store(output, emission.stored(source), nchw=True)
    else:
        emission.store(output, emission.node("Transpose", emission.stored(source), perm=permutation))


def concatenation(emission: Emission, operator: Operator) -> None:
    """CONCATENATION; a quantized input whose scale differs from the output's is quantized anew."""
    output = operator.outputs[0]
    tensor = emission.tensor(output)
    nchw = emission.has_nchw(*operator.inputs)
    axis = operator.options["axis"] % len(tensor.shape)
    values = [_requantized(emission, index, output, nchw=nchw) for index in operator.inputs]
    value = emission.node("Concat", *values, axis=NHWC[axis] if nchw else axis)
    activation = operator.options["fused_activation_function"]
    if activation != "NONE" and is_quantized(tensor):
        raise ConversionError(f"a quantized CONCATENATION with a fused {activation}")
    emission.store(output, activate(emission, activation, value), nchw=nchw)


def pack(emission: Emission, operator: Operator) -> None:
    """PACK: inputs are stacked along a new axis."""
    output = operator.outputs[0]
    shape = emission.tensor(output).shape
    axis = operator.options["axis"] % len(shape)
    slices = [
        emission.reshape(_requantized(emission, index, output), (*shape[:axis], 1, *shape[axis + 1 :]))
        for index in operator.inputs
    ]
    emission.store(output, emission.node("Concat", *slices, axis=axis))


def pad(emission: Emission, operator: Operator) -> None:
    """PAD with zeros, PADV2 with a constant, MIRROR_PAD with the tensor itself."""
    source, output = operator.inputs[0], operator.outputs[0]
    tensor = emission.tensor(source)
    paddings = emission.array(operator.inputs[1], "paddings")
    nchw = emission.has_nchw(source)
    value = emission.stored(source, nchw=nchw)
    paddings = paddings[list(NCHW)] if nchw else paddings
    if operator.options.get("mode") == "SYMMETRIC":
        sizes = np.array(tensor.shape)[list(NCHW)] if nchw else tensor.shape
        for axis, (size, (before, after)) in enumerate(zip(sizes, paddings.tolist(), strict=True)):
            if before or after:
                indices = np.pad(np.arange(size), (before, after), mode="symmetric")
                value = emission.node("Gather", value, emission.integers(*indices.tolist()), axis=axis)
        emission.store(output, value, nchw=nchw)
        return
    pads = emission.integers(*paddings.T.reshape(-1).tolist())
    if operator.kind == "MIRROR_PAD":
        value = emission.node("Pad", value, pads, mode="reflect")
    else:
        value = emission.node("Pad", value, pads, _fill(emission, operator))
    emission.store(output, value, nchw=nchw)


def _fill(emission: Emission, operator: Operator) -> str:
    if operator.kind == "PADV2":
        return emission.reshape(_requantized(emission, operator.inputs[2], operator.outputs[0]), ())
    tensor = emission.tensor(operator.inputs[0])
    return emission.constant(
        emission.code_scheme(tensor.index)[1] if is_quantized(tensor) else np.zeros((), tensor.dtype)
    )


def depth_space(emission: Emission, operator: Operator) -> None:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE, blocks before channels, as two reshapes around a transpose of any type."""
    source, output = operator.inputs[0], operator.outputs[0]
    batch, height, width, channels = emission.tensor(source).shape
    block = operator.options["block_size"]
    nchw = emission.has_nchw(source)
    value = emission.real(source, nchw=True)
    if operator.kind == "SPACE_TO_DEPTH":
        value = emission.node("SpaceToDepth", value, blocksize=block)
    else:
        value = emission.node("DepthToSpace", value, blocksize=block, mode="DCR")
    store_result(emission, operator, value, nchw=True)


def _requantized(emission: Emission, index: int, output: int, *, nchw: bool = False) -> str:
    """The stored value of an input, in the codes of the output."""
    if not is_quantized(emission.tensor(output)) or emission.code_scheme(index) == emission.code_scheme(output):
        return emission.stored(index, nchw=nchw)
    return emission.encode(emission.real(index, nchw=nchw), output)
