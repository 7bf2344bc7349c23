"""What one Keras layer makes of its input shapes: output shape, kernel shapes, other parameters, multiply-adds.

Multiply-adds are those of one input (the batch axis does not count), and 0 where an axis that they depend on is free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from edgecompress.formats.keras.fields import Fields, Shape


@dataclass(frozen=True)
class Inference:
    """What a layer's config says, given the shapes of its inputs."""

    output: Shape
    kernels: tuple[Shape, ...] = ()
    other_parameters: int = 0  # biases, gamma, beta, slopes
    multiply_adds: int = 0


Rule = Callable[[Fields, Sequence[Shape]], Inference | None]


def infer(kind: str, fields: Fields, inputs: Sequence[Shape]) -> Inference | None:
    """Apply the rule of a layer class; None where the class, or something that its rule needs, is not known.

    Keras 2 writes the call of a TensorFlow function as a layer of the class TFOpLambda; its rule is the function's.

    Raises:
        ValueError: the config contradicts itself or its inputs.
    """
    rule = RULES.get(fields.text("function") if kind == "TFOpLambda" else kind.removeprefix("Larq>"))
    return rule(fields, inputs) if rule and inputs else None


def volume(shape: Shape) -> int:
    """Return the number of elements, 0 if an axis is free."""
    return 0 if -1 in shape else prod(shape)


def _split(fields: Fields, shape: Shape, rank: int) -> tuple[Shape, Shape, int]:
    """Split a shape into leading axes, `rank` spatial axes and channels."""
    if len(shape) < rank + 2:
        raise ValueError(f"the input {list(shape)} has {len(shape)} axes, at least {rank + 2} are needed")
    leading, tail = shape[: -rank - 1], shape[-rank - 1 :]
    return (leading, tail[1:], tail[0]) if _channels_first(fields) else (leading, tail[:-1], tail[-1])


def _join(fields: Fields, leading: Shape, spatial: Shape, channels: int) -> Shape:
    return (*leading, channels, *spatial) if _channels_first(fields) else (*leading, *spatial, channels)


def _channels_first(fields: Fields) -> bool:
    return fields.text("data_format", "channels_last") == "channels_first"


def _windows(fields: Fields, spatial: Shape, kernel: Shape, strides: Shape) -> Shape:
    """Count the places of a window along each axis: ceil(n / s) if padded, else floor((n - k) / s) + 1."""
    rank = len(kernel)
    dilation = _per_axis(fields.sizes("dilation_rate", 1), rank)
    padded = fields.text("padding", "valid") in {"same", "causal"}
    places = []
    for n, k, s, d in zip(spatial, kernel, _per_axis(strides, rank), dilation, strict=True):
        reach = (k - 1) * d + 1
        places.append(-1 if n == -1 else -(-n // s) if padded else (n - reach) // s + 1)
        if n != -1 and places[-1] < 1:
            raise ValueError(f"a window of {reach} does not fit into {n}")
    return tuple(places)


def _per_axis(values: Shape, rank: int) -> Shape:
    if len(values) not in {1, rank}:
        raise ValueError(f"{list(values)} has not one entry for each of {rank} axes")
    return values if len(values) == rank else values * rank


def _bias(fields: Fields, channels: int) -> int:
    return channels if fields.flag("use_bias", True) else 0


def _conv(fields: Fields, inputs: Sequence[Shape]) -> Inference | None:
    """Convolve: prod(out) * prod(k) * (channels / groups) * filters multiply-adds."""
    kernel, filters, groups = fields.sizes("kernel_size"), fields.size("filters"), fields.size("groups", 1)
    leading, spatial, channels = _split(fields, inputs[0], len(kernel))
    if channels == -1:
        return None
    if channels % groups or filters % groups:
        raise ValueError(f"{channels} channels and {filters} filters do not divide into {groups} groups")
    out = _windows(fields, spatial, kernel, fields.sizes("strides", 1))
    shape = (*kernel, channels // groups, filters)
    work = volume((*leading[1:], *out)) * prod(shape)
    return Inference(_join(fields, leading, out, filters), (shape,), _bias(fields, filters), work)


def _depthwise(fields: Fields, inputs: Sequence[Shape]) -> Inference | None:
    """Convolve each channel alone: prod(out) * prod(k) * channels * multiplier multiply-adds."""
    kernel, multiplier = fields.sizes("kernel_size"), fields.size("depth_multiplier", 1)
    leading, spatial, channels = _split(fields, inputs[0], len(kernel))
    if channels == -1:
        return None
    out = _windows(fields, spatial, kernel, fields.sizes("strides", 1))
    shape = (*kernel, channels, multiplier)
    work = volume((*leading[1:], *out)) * prod(shape)
    made = channels * multiplier
    return Inference(_join(fields, leading, out, made), (shape,), _bias(fields, made), work)


def _separable(fields: Fields, inputs: Sequence[Shape]) -> Inference | None:
    """Convolve each channel alone, then mix them by 1x1; one bias, at the end."""
    depthwise = _depthwise(fields, inputs)
    if depthwise is None:
        return None
    filters = fields.size("filters")
    rank = len(fields.sizes("kernel_size"))
    leading, out, channels = _split(fields, depthwise.output, rank)
    pointwise = ((1,) * rank) + (channels, filters)
    work = depthwise.multiply_adds + volume((*leading[1:], *out)) * prod(pointwise)
    kernels = (*depthwise.kernels, pointwise)
    return Inference(_join(fields, leading, out, filters), kernels, _bias(fields, filters), work)


def _conv_transpose(fields: Fields, inputs: Sequence[Shape]) -> Inference | None:
    """Spread each input over a window: prod(in) * prod(k) * channels * filters multiply-adds."""
    kernel, filters = fields.sizes("kernel_size"), fields.size("filters")
    rank = len(kernel)
    leading, spatial, channels = _split(fields, inputs[0], rank)
    if channels == -1:
        return None
    strides = _per_axis(fields.sizes("strides", 1), rank)
    dilation = _per_axis(fields.sizes("dilation_rate", 1), rank)
    same = fields.text("padding", "valid") == "same"
    extra = fields.integers("output_padding")
    out = []
    for axis, (n, k, s, d) in enumerate(zip(spatial, kernel, strides, dilation, strict=True)):
        reach = (k - 1) * d + 1
        if n == -1:
            out.append(-1)
        elif extra:
            out.append((n - 1) * s + reach - (reach // 2 * 2 if same else 0) + _per_axis(extra, rank)[axis])
        else:
            out.append(n * s if same else n * s + max(reach - s, 0))
    shape = (*kernel, filters, channels)
    work = volume((*leading[1:], *spatial)) * prod(shape)
    return Inference(_join(fields, leading, tuple(out), filters), (shape,), _bias(fields, filters), work)


def _dense(fields: Fields, inputs: Sequence[Shape]) -> Inference | None:
    """Multiply the last axis by a matrix."""
    shape, units = inputs[0], fields.size("units")
    if len(shape) < 2:
        raise ValueError(f"the input {list(shape)} has no axis to multiply")
    if shape[-1] == -1:
        return None
    kernel = (shape[-1], units)
    return Inference((*shape[:-1], units), (kernel,), _bias(fields, units), volume(shape[1:-1]) * prod(kernel))


def _pool(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    size = fields.sizes("pool_size")
    leading, spatial, channels = _split(fields, inputs[0], len(size))
    return Inference(_join(fields, leading, _windows(fields, spatial, size, fields.sizes("strides", size)), channels))


def _global_pool(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    leading, spatial, channels = _split(fields, inputs[0], max(len(inputs[0]) - 2, 1))
    kept = (1,) * len(spatial) if fields.flag("keepdims", False) else ()
    return Inference(_join(fields, leading, kept, channels))


def _pad(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    return Inference(_grow(fields, inputs[0], [sum(pair) for pair in fields.pairs("padding")]))


def _crop(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    return Inference(_grow(fields, inputs[0], [-sum(pair) for pair in fields.pairs("cropping")]))


def _grow(fields: Fields, shape: Shape, by: Sequence[int]) -> Shape:
    leading, spatial, channels = _split(fields, shape, len(by))
    grown = tuple(-1 if n == -1 else n + more for n, more in zip(spatial, by, strict=True))
    if any(n == 0 or n < -1 for n in grown):
        raise ValueError(f"cropping {[-more for more in by]} leaves nothing of {list(spatial)}")
    return _join(fields, leading, grown, channels)


def _upsample(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    factors = fields.sizes("size")
    leading, spatial, channels = _split(fields, inputs[0], len(factors))
    larger = tuple(-1 if n == -1 else n * factor for n, factor in zip(spatial, factors, strict=True))
    return Inference(_join(fields, leading, larger, channels))


def _resize(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    leading, _, channels = _split(fields, inputs[0], 2)
    return Inference(_join(fields, leading, (fields.size("height"), fields.size("width")), channels))


def _same(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    return Inference(inputs[0])


def _batch_norm(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    """Scale and shift: gamma and beta count, the moving statistics do not."""
    shape = inputs[0]
    axes = fields.axes("axis", len(shape), -1)
    vectors = fields.flag("scale", True) + fields.flag("center", True)
    return Inference(shape, other_parameters=vectors * volume(tuple(shape[axis] for axis in axes)))


def _prelu(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    shape = inputs[0]
    shared = set(fields.axes("shared_axes", len(shape)))
    slopes = tuple(1 if axis in shared else n for axis, n in enumerate(shape) if axis)
    return Inference(shape, other_parameters=volume(slopes))


def _flatten(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    batch, rest = inputs[0][:1], inputs[0][1:]
    return Inference((*batch, volume(rest) or -1))


def _reshape(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    shape, target = inputs[0], fields.integers("target_shape")
    if any(n == 0 or n < -1 for n in target) or target.count(-1) > 1:
        raise ValueError(f"{list(target)} is no target shape")
    elements, fixed = volume(shape[1:]), prod(n for n in target if n != -1)
    if elements and (elements % fixed or (-1 not in target and elements != fixed)):
        raise ValueError(f"{elements} elements do not reshape to {list(target)}")
    free = elements // fixed if elements else -1
    return Inference((*shape[:1], *(free if n == -1 else n for n in target)))


def _permute(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    shape, order = inputs[0], fields.integers("dims")
    if sorted(order) != list(range(1, len(shape))):
        raise ValueError(f"{list(order)} does not order the axes of {list(shape)}")
    return Inference((*shape[:1], *(shape[axis] for axis in order)))


def _repeat(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    return Inference((*inputs[0][:1], fields.size("n"), *inputs[0][1:]))


def _broadcast(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    rank = max(len(shape) for shape in inputs)
    merged = [1] * rank
    for shape in inputs:
        for axis, n in enumerate(shape, start=rank - len(shape)):
            known = merged[axis]
            if n not in {1, -1, known} and known not in {1, -1}:
                raise ValueError(f"shapes {[list(shape) for shape in inputs[:4]]} do not broadcast")
            merged[axis] = n if known == 1 or (known == -1 and n > 1) else known
    return Inference(tuple(merged))


def _concatenate(fields: Fields, inputs: Sequence[Shape]) -> Inference:
    first = inputs[0]
    (axis,) = fields.axes("axis", len(first), -1)
    if any(len(shape) != len(first) for shape in inputs):
        raise ValueError(f"shapes {[list(shape) for shape in inputs[:4]]} do not concatenate")
    merged = [max(lengths) for lengths in zip(*inputs, strict=True)]
    lengths = [shape[axis] for shape in inputs]
    merged[axis] = -1 if -1 in lengths else sum(lengths)
    for shape in inputs:
        if any(n not in {-1, merged[i]} for i, n in enumerate(shape) if i != axis):
            raise ValueError(f"shapes {[list(shape) for shape in inputs[:4]]} do not concatenate along {axis}")
    return Inference(tuple(merged))


_RULES_BY_NAMES: tuple[tuple[Rule, str], ...] = (
    (_conv, "Conv1D Conv2D Conv3D Convolution1D Convolution2D Convolution3D"),
    (_conv, "BinaryConv2D QuantConv1D QuantConv2D QuantConv3D"),
    (_conv_transpose, "Conv1DTranspose Conv2DTranspose Conv3DTranspose QuantConv2DTranspose QuantConv3DTranspose"),
    (_depthwise, "DepthwiseConv1D DepthwiseConv2D BinaryDepthwiseConv2D QuantDepthwiseConv2D"),
    (_separable, "SeparableConv1D SeparableConv2D QuantSeparableConv1D QuantSeparableConv2D"),
    (_dense, "Dense BinaryDense QuantDense"),
    (_pool, "AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D"),
    (_global_pool, "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D"),
    (_global_pool, "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D"),
    (_pad, "ZeroPadding1D ZeroPadding2D ZeroPadding3D"),
    (_crop, "Cropping1D Cropping2D Cropping3D"),
    (_upsample, "UpSampling1D UpSampling2D UpSampling3D"),
    (_resize, "Resizing CenterCrop RandomCrop"),
    (_batch_norm, "BatchNormalization SyncBatchNormalization LayerNormalization GroupNormalization"),
    (_prelu, "PReLU"),
    (_same, "Activation ReLU LeakyReLU ELU ThresholdedReLU Softmax Identity Masking ActivityRegularization"),
    (_same, "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout GaussianDropout GaussianNoise"),
    (_same, "Sign SteSign ApproxSign SwishSign MagnitudeAwareSign SteTern SteHeaviside DoReFa NoOp"),
    (_same, "Rescaling Normalization UnitNormalization QuantizeLayer"),
    (_same, "RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness"),
    (_flatten, "Flatten"),
    (_reshape, "Reshape"),
    (_permute, "Permute"),
    (_repeat, "RepeatVector"),
    (_broadcast, "Add Subtract Multiply Average Maximum Minimum"),
    (_concatenate, "Concatenate"),
    (_broadcast, "math.add math.subtract math.multiply math.divide math.truediv math.maximum math.minimum math.abs"),
    (_broadcast, "math.exp math.sqrt math.square math.sigmoid nn.sigmoid nn.relu nn.relu6 nn.silu nn.swish nn.gelu"),
    (_broadcast, "nn.tanh nn.softmax nn.bias_add clip_by_value cast identity __operators__.add"),
)
RULES: dict[str, Rule] = {name: rule for rule, names in _RULES_BY_NAMES for name in names.split()}
