"""Binary layers of an ONNX graph to edgecompress's functions: bits in, kernels of one bit, float32 out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgecompress.convert.onnx.rewriting.editor import Editor, Node
from edgecompress.convert.onnx.rewriting.matching import SIGN, Layer, Padding, SignFunction, keeps_filters_first
from edgecompress.numerics.binary import pack_signs, same_pads
from edgecompress.numerics.channel_chain import Chain, Step

MAX_PIXELS = 1 << 16  # of a stride, a dilation or a border: more than any image has
NHWC = (0, 2, 3, 1)  # the axis of NCHW that each axis of NHWC is


class NotBits(Exception):
    """Why a layer whose kernel is binary does not read bits."""


@dataclass
class Convolution:
    """A BinaryConv2d under construction; its constants are written when nothing more can be folded into it."""

    layer: Layer
    node: Node
    last: Node  # the node behind which the layer's output stands: itself, or the Reshape of a dense layer
    signs: np.ndarray  # O x H x W x I
    chain: Chain  # from the sums to the output
    attributes: dict[str, Any]  # those of BinaryConv2dBits

    @property
    def output(self) -> str:
        """The value with the layer's result, N x O x H x W or N x O."""
        return self.last.output

    @property
    def is_dense(self) -> bool:
        """Whether the result is N x O."""
        return self.last is not self.node

    @property
    def zero_padding(self) -> bool:
        """Whether pixels beyond the edge add nothing to a sum."""
        return any(self.attributes["pads"]) and not self.attributes["pad_value"]


class Lowering:
    """Puts functions in the place of nodes, quantizing each value once."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._moved: dict[tuple[Node, str], str] = {}

    def convolution(self, layer: Layer) -> Convolution:
        """Replace a layer whose inputs are signs; raises NotBits where it cannot read bits."""
        editor, node, inputs = self._editor, layer.node, layer.inputs
        if inputs is None:
            raise NotBits("its inputs are real")
        chain = self._chain(layer)
        attributes: dict[str, Any] = {"pads": (0, 0, 0, 0), "strides": (1, 1), "dilations": (1, 1), "pad_value": 0}
        if node.kind == "Conv":
            attributes |= self._convolution_window(layer, inputs.padding)
            signs = layer.kernel.signs.transpose(0, 2, 3, 1)
        else:
            self._require_rows(node, inputs)
            signs, inputs = self._as_image(layer.kernel.signs, inputs)
        if inputs.values != SIGN:
            raise NotBits("its inputs are not the signs +1 and -1 of a value")
        filters, channels = signs.shape[0], signs.shape[-1]
        bits, output = quantized(editor, self._source(inputs)), node.output
        editor.remove(node)
        if node.kind == "Conv":
            binary = last = editor.add("BinaryConv2d", bits, near=node.name, output=output, own=True)
        else:
            if signs.shape[1:3] == (1, 1):
                shape = editor.store(np.array([-1, 1, 1, -(-channels // 8)], np.int64), "pixel_shape")
                bits = editor.add("Reshape", bits, shape, near=node.name).output
            binary = editor.add("BinaryConv2d", bits, near=node.name, own=True)
            rows = editor.store(np.array([-1, filters], np.int64), "row_shape")
            last = editor.add("Reshape", binary.output, rows, near=node.name, output=output)
        return Convolution(layer, binary, last, signs, chain, attributes | {"channels": channels})

    def weights(self, layer: Layer) -> None:
        """Keep a layer's arithmetic and store its kernel in bits: a row of bits a filter, times its scale."""
        editor, node, (signs, scales) = self._editor, layer.node, (layer.kernel.signs, layer.kernel.scales)
        rows = signs.reshape(len(signs), -1)
        bits = editor.store(pack_signs(rows), f"{node.name}/bits")
        value = editor.add("BinaryDequantize", bits, near=node.name, own=True, channels=rows.shape[1]).output
        if (scales != 1).any():
            value = editor.add(
                "Mul", value, editor.store(scales[:, None], f"{node.name}/scales"), near=node.name
            ).output
        if signs.ndim > 2:
            shape = editor.store(np.array(signs.shape, np.int64), f"{node.name}/shape")
            value = editor.add("Reshape", value, shape, near=node.name).output
        if not keeps_filters_first(node):
            value = editor.add("Transpose", value, near=node.name, perm=[1, 0]).output
        editor.reads(node, [node.inputs[0], value, *node.inputs[2:]])

    def finish(self, convolution: Convolution, threshold: np.ndarray | None) -> None:
        """Write the constants of a convolution, with a threshold where it gives bits."""
        editor, name, node = self._editor, convolution.layer.node.name, convolution.node
        operands = [node.inputs[0], editor.store(pack_signs(convolution.signs), f"{name}/bits")]
        attributes = dict(convolution.attributes)
        if threshold is None:
            affine = convolution.chain.affine
            assert affine is not None  # nothing else is folded
            operands.append(editor.store(affine.multiplier, f"{name}/multiplier"))
            operands.append(editor.store(affine.bias, f"{name}/bias"))
            attributes["relu"] = int(affine.relu)
        else:
            operands.append(editor.store(threshold, f"{name}/threshold"))
        output = node.output
        editor.remove(node)
        kind = "BinaryConv2d" if threshold is None else "BinaryConv2dBits"
        editor.add(kind, *operands, near=name, output=output, own=True, **attributes).proto.name = name

    def _source(self, inputs: SignFunction) -> str:
        """The value whose signs are read, brought to the layout in which they are."""
        value = inputs.source
        for step in inputs.steps:
            if value == step.inputs[0]:
                value = step.output
                continue
            if (step, value) not in self._moved:
                self._moved[step, value] = self._editor.copy(step, value).output
            value = self._moved[step, value]
        return value

    def _as_image(self, kernel: np.ndarray, inputs: SignFunction) -> tuple[np.ndarray, SignFunction]:
        """The kernel of a matrix product as O x H x W x I, and its inputs, where that can be before they are flattened.

        Rows that an image is laid out in are its convolution with a kernel of its size: no bits change places.
        """
        rows = kernel[:, None, None, :]
        if not inputs.steps or inputs.steps[-1].kind not in ("Flatten", "Reshape"):
            return rows, inputs
        shape = self._editor.shapes.get(inputs.steps[-1].inputs[0], ())[1:]
        if len(shape) != 3 or min(shape) < 1 or np.prod(shape) != kernel.shape[1] or shape[:2] == (1, 1):
            return rows, inputs
        image, steps = kernel.reshape(-1, *shape), inputs.steps[:-1]
        if steps and steps[-1].kind == "Transpose" and steps[-1].attribute("perm", [0]) == list(NHWC):
            return image, replace(inputs, steps=steps[:-1])
        return image.transpose(0, 2, 3, 1), replace(inputs, steps=steps)

    def _chain(self, layer: Layer) -> Chain:
        """The scales of a layer, and what is added to each filter's sums."""
        node, filters = layer.node, len(layer.kernel.scales)
        factor, weight = 1.0, 1.0
        if node.kind == "Gemm":
            factor, weight = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
        with np.errstate(all="ignore"):  # what is not finite is looked at below
            chain = Chain(layer.kernel.products, (Step(np.multiply, layer.kernel.scales * np.float32(factor)),))
            if node.kind != "MatMul" and len(node.inputs) > 2 and node.inputs[2]:
                constant = self._editor.constant(node.inputs[2])
                if (
                    constant is None
                    or constant.dtype != np.float32
                    or constant.shape not in ((), (1,), (filters,), (1, filters), (1, 1))
                ):
                    raise NotBits("its bias is no constant with a number for each filter")
                bias = np.broadcast_to(constant.reshape(-1) * np.float32(weight), filters)
                chain = chain.then(Step(np.add, bias)) if bias.any() else chain
        if chain.affine is None:
            raise NotBits("its scales and bias lead beyond float32")
        return chain

    def _convolution_window(self, layer: Layer, padding: Padding | None) -> dict[str, Any]:
        node, kernel = layer.node, layer.kernel.signs
        if kernel.ndim != 4:
            raise NotBits(f"it is a convolution over {kernel.ndim - 2} axes")
        if (groups := node.attribute("group", 1)) != 1:
            raise NotBits(f"it is a convolution in {groups} groups")
        found = window(self._editor, node, kernel.shape[2:])
        value, pads = 0.0, found["pads"]
        if padding is not None and any((*padding.befores, *padding.afters)):
            value, pads = padding.value, _joined(padding, pads)
        reach = [(taps - 1) * dilation + 1 for taps, dilation in zip(kernel.shape[2:], found["dilations"], strict=True)]
        if any(border >= side for border, side in zip(pads, reach * 2, strict=True)):
            raise NotBits(f"its padding {pads} is wider than its kernel reaches")
        return found | {"pads": pads, "pad_value": int(value)}

    def _require_rows(self, node: Node, inputs: SignFunction) -> None:
        """A matrix product is one of rows: N x I by I x O."""
        if inputs.padding is not None:
            raise NotBits("its signs are padded")
        if node.kind == "Gemm" and node.attribute("transA", 0):
            raise NotBits("its inputs are transposed")
        if node.kind == "MatMul" and len(self._editor.shapes.get(node.inputs[0], ())) != 2:
            raise NotBits("its inputs are not known to have 2 axes")


def _joined(padding: Padding, pads: tuple[int, ...]) -> tuple[int, ...]:
    """The pads of a convolution (top, left, bottom, right) with those that its input has before."""
    if len(padding.befores) != 4 or any((*padding.befores[:2], *padding.afters[:2])):
        raise NotBits("more than the edges of its images are padded")
    if padding.value not in (0.0, 1.0):
        raise NotBits(f"its signs are padded with {padding.value:g}, which is no sign")
    if any(pads) and padding.value:
        raise NotBits("its input is padded twice")
    borders = (*padding.befores[2:], *padding.afters[2:])
    return tuple(outer + inner for outer, inner in zip(pads, borders, strict=True))


def quantized(editor: Editor, value: str) -> str:
    """The bits of a value's signs, made once."""
    for reader in editor.readers(value):
        if reader.kind == "BinaryQuantize":
            return reader.output
    return editor.add("BinaryQuantize", value, near=value, own=True).output


def window(editor: Editor, node: Node, kernel: Sequence[int]) -> dict[str, Any]:
    """The strides, dilations and pads (top, left, bottom, right) of a convolution or pool over images.

    Raises:
        NotBits: they are not known, or out of bounds.
    """
    found = {name: tuple(node.attribute(name, [1, 1])) for name in ("strides", "dilations")}
    pads, how = tuple(node.attribute("pads", [0] * 4)), node.attribute("auto_pad", "NOTSET")
    if how in ("SAME_UPPER", "SAME_LOWER"):
        size = editor.shapes.get(node.inputs[0], ())[2:]
        if len(size) != 2 or min(size) < 1:
            raise NotBits(f"it is padded by {how}, and the size of its input is not known")
        pads = same_pads((size[0], size[1]), (kernel[0], kernel[1]), found["strides"], found["dilations"])
        pads = pads if how == "SAME_UPPER" else (*pads[2:], *pads[:2])
    elif how == "VALID":
        pads = (0, 0, 0, 0)
    steps = (*found["strides"], *found["dilations"])
    if len(steps) != 4 or len(pads) != 4 or len(kernel) != 2 or min(*steps, *kernel) < 1 or min(pads) < 0:
        raise NotBits(f"its window is {kernel} with strides and dilations {steps} and pads {pads}")
    if max(*steps, *pads) >= MAX_PIXELS:
        raise NotBits(f"its window is moved or padded by {max(*steps, *pads)} pixels")
    return found | {"pads": pads}
