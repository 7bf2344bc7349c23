"""Binary layers to the operators of Larq Compute Engine: bits in, kernels of one bit, float32 out.

The operators (LceQuantize, LceBconv2d, LceBMaxPool2d, LceDequantize) and their options are those of its version 0.16:
bits in int32 words, channels padded to 32, kernels O x H x W x words. Bannink et al., Larq Compute Engine,
arXiv:2011.09398.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.convert.tflite.binary.matching import CONVOLUTION, DENSE, BinaryLayer
from edgecompress.convert.tflite.binary.steps import activation_of, is_operator
from edgecompress.convert.tflite.editor import Editor
from edgecompress.numerics.binary import pack_signs, same_pads
from edgecompress.numerics.channel_chain import Chain, Step

WORD_BITS = 32


class NotBinary(Exception):
    """Why a layer has no binary form."""


@dataclass
class Convolution:
    """An LceBconv2d under construction; its constants are written when nothing more can be folded into it."""

    layer: BinaryLayer
    operator: Any
    last: Any  # the operator behind which the layer's output stands: itself, or the RESHAPE of a dense layer
    signs: np.ndarray
    chain: Chain  # from the sums to the output
    options: dict[str, int]

    @property
    def output(self) -> int:
        """The tensor with the layer's result."""
        return int(self.last.outputs[0])

    @property
    def zero_padding(self) -> bool:
        """Whether pixels beyond the edge add nothing to a sum."""
        return self.options["padding"] == 0 and self.options["pad_values"] == 0


class Lowering:
    """Puts binary operators in the place of float ones, quantizing each tensor once."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._schema = editor.schema

    def convolution(self, layer: BinaryLayer) -> Convolution:
        """Replace a convolution or dense layer whose inputs are signs."""
        editor, operator = self._editor, layer.operator
        assert layer.source is not None
        activation, chain, options = self._activation(operator), self._chain(layer), self._options(layer)
        new, bits = self._bits(layer, options)
        signs = layer.kernel.signs if layer.kind == CONVOLUTION else layer.kernel.signs[:, None, None, :]
        output = int(operator.outputs[0])
        if activation:
            output = editor.add_tensor(f"{layer.name}/linear", editor.shape(output), "float32")
        if layer.kind == DENSE:
            *outer, _ = editor.shape(output)
            inner = editor.add_tensor(f"{layer.name}/sums", (math.prod(outer), 1, 1, len(signs)), "float32")
            binary = editor.custom("LceBconv2d", [bits], [inner], {})
            last = self._reshape(inner, output, (-1, *outer[1:], len(signs)))
            new += [binary, last]
        else:
            binary = last = editor.custom("LceBconv2d", [bits], [output], {})
            new.append(binary)
        if activation:
            new.append(editor.builtin(activation, [output], list(operator.outputs)))
        editor.replace(operator, new)
        return Convolution(layer, binary, last, signs, chain, options)

    def weights(self, layer: BinaryLayer) -> None:
        """Keep a layer's arithmetic and store its kernel in bits: `y = scale * conv(x, sign) + bias`."""
        editor, operator, kernel = self._editor, layer.operator, layer.kernel
        if not kernel.scales.all():
            raise NotBinary("a filter of it holds zeros only")
        bias = self._bias(layer)
        with np.errstate(all="ignore"):
            unscaled = (bias / kernel.scales).astype(np.float32)
        if not np.isfinite(unscaled).all():
            raise NotBinary("its bias over its scales leads beyond float32")
        bits = editor.add_constant(f"{layer.name}/bits", words(kernel.signs))
        signs = editor.add_tensor(f"{layer.name}/signs", kernel.signs.shape, "float32")
        new = [editor.custom("LceDequantize", [bits], [signs])]
        operator.inputs[1] = signs
        if bias.any():
            operator.inputs[2:] = [editor.add_constant(f"{layer.name}/bias", unscaled)]
        new.append(operator)
        if (kernel.scales != 1).any():
            scales = editor.add_constant(f"{layer.name}/scales", kernel.scales)
            options = self._schema.MulOptionsT()
            options.fusedActivationFunction = operator.builtinOptions.fusedActivationFunction
            operator.builtinOptions.fusedActivationFunction = self._schema.ActivationFunctionType.NONE
            output = int(operator.outputs[0])
            operator.outputs = [editor.add_tensor(f"{layer.name}/unscaled", editor.shape(output), "float32")]
            new.append(editor.builtin("MUL", [*operator.outputs, scales], [output], options))
        editor.replace(operator, new)

    def finish(self, convolution: Convolution, threshold: np.ndarray | None) -> None:
        """Write the constants of a convolution, with a threshold where it gives bits."""
        editor, name = self._editor, convolution.layer.name
        kernel = editor.add_constant(f"{name}/bits", words(convolution.signs))
        inputs = [int(convolution.operator.inputs[0]), kernel]
        if threshold is None:
            affine = convolution.chain.affine
            assert affine is not None  # nothing else is folded
            convolution.options["fused_activation_function"] = int(affine.relu)
            inputs += [
                editor.add_constant(f"{name}/multiplier", affine.multiplier),
                editor.add_constant(f"{name}/bias", affine.bias),
                -1,
            ]
        else:
            inputs += [-1, -1, editor.add_constant(f"{name}/threshold", threshold)]
        finished = editor.custom("LceBconv2d", inputs, list(convolution.operator.outputs), convolution.options)
        editor.replace(convolution.operator, [finished])

    def _bits(self, layer: BinaryLayer, options: dict[str, int]) -> tuple[list[Any], int]:
        """The operators that make the layer's input, and the tensor of bits that they make."""
        editor = self._editor
        source = layer.source
        assert source is not None
        new: list[Any] = []
        channels = options["channels_in"]
        if layer.kind == DENSE:
            # Bits can be laid side by side where the words of a pixel are full; real numbers always can.
            shape = editor.shape(source)
            whole = shape[-1] == channels or not (shape[-1] % WORD_BITS or channels % WORD_BITS)
            if not whole or len(shape) not in (2, 4):  # what quantizes takes images and rows
                rows = math.prod(shape) // channels
                flat = editor.add_tensor(f"{layer.name}/flat", (rows, channels), "float32")
                new.append(self._reshape(source, flat, (-1, channels)))
                source = flat
        bits = self._quantized(source, new)
        if layer.kind == DENSE:
            width = -(-channels // WORD_BITS)
            rows = math.prod(editor.shape(bits)) // width
            flat = editor.add_tensor(f"{layer.name}/input", (rows, 1, 1, width), "int32")
            new.append(self._reshape(bits, flat, (-1, 1, 1, width)))
            bits = flat
        if layer.padding is not None and options["padding"] == 1 and any(layer.padding.pads):
            bits = self._padded(layer, bits, new)
        return new, bits

    def _quantized(self, source: int, new: list[Any]) -> int:
        editor = self._editor
        for reader in editor.readers(source):
            if editor.kind(reader) == "LceQuantize":
                return int(reader.outputs[0])
        *outer, channels = editor.shape(source)
        bits = editor.add_tensor(f"{editor.name(source)}/bits", (*outer, -(-channels // WORD_BITS)), "int32")
        new.append(editor.custom("LceQuantize", [source], [bits]))
        return bits

    def _padded(self, layer: BinaryLayer, bits: int, new: list[Any]) -> int:
        """Pad bits with 0, which is +1."""
        editor = self._editor
        assert layer.padding is not None
        top, left, bottom, right = layer.padding.pads
        batch, height, width, count = editor.shape(bits)
        shape = (batch, height + top + bottom, width + left + right, count)
        padded = editor.add_tensor(f"{layer.name}/padded", shape, "int32")
        amounts = np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
        inputs = [bits, editor.add_constant(f"{layer.name}/pads", amounts)]
        inputs.append(editor.add_constant(f"{layer.name}/ones", np.zeros(1, np.int32)))
        new.append(editor.builtin("PADV2", inputs, [padded], self._schema.PadV2OptionsT()))
        return padded

    def _options(self, layer: BinaryLayer) -> dict[str, int]:
        operator, schema = layer.operator, self._schema
        options = {
            "channels_in": layer.kernel.signs.shape[-1],
            "stride_height": 1, "stride_width": 1, "dilation_height_factor": 1, "dilation_width_factor": 1,
            "padding": 1, "pad_values": 0, "fused_activation_function": 0,
        }  # fmt: skip
        if layer.kind == DENSE:
            return options
        builtin = operator.builtinOptions
        options |= {
            "stride_height": builtin.strideH, "stride_width": builtin.strideW,
            "dilation_height_factor": builtin.dilationHFactor, "dilation_width_factor": builtin.dilationWFactor,
            "padding": 0 if builtin.padding == schema.Padding.SAME else 1,
        }  # fmt: skip
        shape = self._editor.shape(operator.inputs[0])
        if layer.kernel.signs.shape[-1] != shape[-1]:
            raise NotBinary(f"it is a convolution in {shape[-1] // layer.kernel.signs.shape[-1]} groups")
        padding = layer.padding
        if padding is None or not any(padding.pads):
            return options
        if padding.value not in (0.0, 1.0):
            raise NotBinary(f"its signs are padded with {padding.value:g}, which is no sign")
        if options["padding"] == 0:
            raise NotBinary("its input is padded twice")
        before = (shape[1] - padding.pads[0] - padding.pads[2], shape[2] - padding.pads[1] - padding.pads[3])
        steps = (builtin.strideH, builtin.strideW), (builtin.dilationHFactor, builtin.dilationWFactor)
        if padding.pads == same_pads(before, layer.kernel.signs.shape[1:3], *steps):
            options |= {"padding": 0, "pad_values": int(padding.value)}
        elif padding.value == 0.0:
            raise NotBinary(f"its signs are padded with zeros, {padding.pads}, otherwise than 'same' does")
        return options

    def _activation(self, operator: Any) -> str:
        name = activation_of(self._editor, operator)
        if not is_operator(name):
            raise NotBinary(f"its activation {name} is no operator")
        return name

    def _chain(self, layer: BinaryLayer) -> Chain:
        """The scales and the bias of a layer."""
        bias = self._bias(layer)
        chain = Chain(layer.kernel.products, (Step(np.multiply, layer.kernel.scales),))
        if bias.any():
            chain = chain.then(Step(np.add, bias))
        if chain.affine is None:
            raise NotBinary("its scales and bias lead beyond float32")
        return chain

    def _bias(self, layer: BinaryLayer) -> np.ndarray:
        if layer.bias is None:
            raise NotBinary("its bias is no float32 constant with a number for each filter")
        return layer.bias

    def _reshape(self, source: int, output: int, shape: tuple[int, ...]) -> Any:
        options = self._schema.ReshapeOptionsT()
        options.newShape = np.array(shape, np.int32)
        target = self._editor.add_constant(f"{self._editor.name(output)}/shape", options.newShape)
        return self._editor.builtin("RESHAPE", [source, target], [output], options)


def words(signs: np.ndarray) -> np.ndarray:
    """Return the signs of the last axis as little-endian int32 words."""
    return pack_signs(signs, word_bytes=WORD_BITS // 8).view("<i4")
