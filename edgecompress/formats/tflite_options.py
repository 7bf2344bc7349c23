"""Which options of which TFLite operator matter, and how they are read from the schema's tables."""

from __future__ import annotations

from typing import Any

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
    "ADD": ("AddOptions", "fused_activation_function"),
    "SUB": ("SubOptions", "fused_activation_function"),
    "MUL": ("MulOptions", "fused_activation_function"),
    "DIV": ("DivOptions", "fused_activation_function"),
    "CONCATENATION": ("ConcatenationOptions", "axis fused_activation_function"),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "MEAN": ("ReducerOptions", "keep_dims"),
    "SUM": ("ReducerOptions", "keep_dims"),
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
        value = getattr(table, field.title().replace("_", ""))()
        if field in _ENUMERATIONS:
            names = {number: name for name, number in vars(getattr(schema, _ENUMERATIONS[field])).items()}
            if value not in names:
                raise ModelFileError(f"{where}: its {field} has the unknown code {value}.")
            value = names[value]
        options[field] = value
    return options
