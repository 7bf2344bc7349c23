"""Which options of which TFLite operator matter, and how they are read from the schema's tables."""

from __future__ import annotations

import struct
from typing import Any

from flatbuffers import flexbuffers

from edgecompress.errors import ModelFileError

_CONVOLUTION = "padding stride_w stride_h dilation_w_factor dilation_h_factor fused_activation_function"
_POOL = "padding stride_w stride_h filter_width filter_height fused_activation_function"

# kind: (options table of the schema, its fields that matter)
_FIELDS = {
    "CONV_2D": ("Conv2DOptions", _CONVOLUTION),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _CONVOLUTION),
    "TRANSPOSE_CONV": ("TransposeConvOptions", "padding stride_w stride_h fused_activation_function"),
    "FULLY_CONNECTED": ("FullyConnectedOptions", "weights_format fused_activation_function"),
    "BATCH_MATMUL": ("BatchMatMulOptions", "adj_x adj_y"),
    "ADD": ("AddOptions", "pot_scale_int16 fused_activation_function"),
    "SUB": ("SubOptions", "pot_scale_int16 fused_activation_function"),
    "MUL": ("MulOptions", "fused_activation_function"),
    "DIV": ("DivOptions", "fused_activation_function"),
    "CONCATENATION": ("ConcatenationOptions", "axis fused_activation_function"),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "MEAN": ("ReducerOptions", "keep_dims"),
    "SUM": ("ReducerOptions", "keep_dims"),
    "REDUCE_PROD": ("ReducerOptions", "keep_dims"),
    "REDUCE_ANY": ("ReducerOptions", "keep_dims"),
    "REDUCE_ALL": ("ReducerOptions", "keep_dims"),
    "REDUCE_MAX": ("ReducerOptions", "keep_dims"),
    "REDUCE_MIN": ("ReducerOptions", "keep_dims"),
    "LEAKY_RELU": ("LeakyReluOptions", "alpha"),
    "SOFTMAX": ("SoftmaxOptions", "beta"),
    "GELU": ("GeluOptions", "approximate"),
    "MIRROR_PAD": ("MirrorPadOptions", "mode"),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        "begin_mask end_mask ellipsis_mask new_axis_mask shrink_axis_mask offset",
    ),
    "SPLIT": ("SplitOptions", "num_splits"),
    "PACK": ("PackOptions", "axis"),
    "UNPACK": ("UnpackOptions", "axis"),
    "GATHER": ("GatherOptions", "axis batch_dims"),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", "align_corners half_pixel_centers"),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", "align_corners half_pixel_centers"),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", "block_size"),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", "block_size"),
}
_ENUMERATIONS = {
    "padding": "Padding",
    "fused_activation_function": "ActivationFunctionType",
    "mode": "MirrorPadMode",
    "weights_format": "FullyConnectedOptionsWeightsFormat",
}
# The binary operators of Larq Compute Engine keep theirs as a flexbuffer map; custom code: the keys that matter
_CUSTOM_FIELDS = {
    "LceBconv2d": "channels_in pad_values padding stride_height stride_width dilation_height_factor "
    "dilation_width_factor fused_activation_function",
    "LceBMaxPool2d": "filter_height filter_width padding stride_height stride_width",
}
_MAX_CUSTOM_BYTES, _MAX_CUSTOM_KEYS = 4096, 64  # a tenth of either is common
_NO_OPTIONS = (b"\x04\x00\x04\x00\x04\x00\x00\x00", 4)  # a table without fields: the schema's accessors give defaults


def read_options(schema: Any, kind: str, operator: Any, where: str) -> dict[str, Any]:
    """The options of an operator by the schema's names, enumerations as names; empty where none matter.

    Raises:
        ModelFileError: another operator's options, or an unknown value of an enumeration.
    """
    if kind not in _FIELDS:
        return {}
    table_name, fields = _FIELDS[kind]
    code, union = operator.BuiltinOptionsType(), operator.BuiltinOptions()
    if code not in {0, getattr(schema.BuiltinOptions, table_name)}:
        raise ModelFileError(f"{where}: its options (code {code}) are not {table_name}.")
    table = getattr(schema, table_name)()
    table.Init(*(_NO_OPTIONS if code == 0 or union is None else (union.Bytes, union.Pos)))
    options = {}
    for field in fields.split():
        options[field] = _named(schema, field, getattr(table, field.title().replace("_", ""))(), where)
    return options


def read_custom_options(schema: Any, custom_code: str, operator: Any, where: str) -> dict[str, Any]:
    """The options of a custom operator that is known by its code, enumerations as names; empty for any other.

    Raises:
        ModelFileError: they are no map of integers, or one that matters is missing.
    """
    if custom_code not in _CUSTOM_FIELDS:
        return {}
    where = f"{where} {custom_code}"
    size_bytes = operator.CustomOptionsLength()
    if not 0 < size_bytes <= _MAX_CUSTOM_BYTES:
        raise ModelFileError(f"{where}: its options take {size_bytes} bytes; 1 to {_MAX_CUSTOM_BYTES} are expected.")
    try:
        stored = _integers(operator.CustomOptionsAsNumpy().tobytes())
    except (AssertionError, ArithmeticError, LookupError, TypeError, ValueError, struct.error) as error:
        raise ModelFileError(f"{where}: its options are no map of integers ({error}).") from error
    fields = _CUSTOM_FIELDS[custom_code].split()
    if missing := [field for field in fields if field not in stored]:
        raise ModelFileError(f"{where}: its options lack {', '.join(missing)}.")
    return {field: _named(schema, field, stored[field], where) for field in fields}


def _integers(content: bytes) -> dict[str, int]:
    """The map of integers in a flexbuffer; raises whatever reading a damaged one does."""
    root = flexbuffers.GetRoot(content)
    if not root.IsMap:
        raise ValueError("another value was found")
    entries = root.AsMap
    if len(entries) > _MAX_CUSTOM_KEYS:
        raise ValueError(f"{len(entries)} keys were found")
    keys, values = entries.Keys, entries.Values
    found = {}
    for position in range(len(entries)):
        if not values[position].IsInt:
            raise ValueError(f"value {position} is of another type")
        found[keys[position].AsKey] = values[position].AsInt
    return found


def _named(schema: Any, field: str, value: Any, where: str) -> Any:
    """The value of a field, by its name where it belongs to an enumeration."""
    if field not in _ENUMERATIONS:
        return value
    names = {number: name for name, number in vars(getattr(schema, _ENUMERATIONS[field])).items()}
    if value not in names:
        raise ModelFileError(f"{where}: its {field} has the unknown code {value}.")
    return names[value]
