import numpy as np
import pytest

from edgecompress.cli.output import shown
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.formats.tflite.summary import read_tflite
from edgecompress.formats.tflite.uint8 import what_uint8_costs, what_uint8_costs_in
from edgecompress.testing.tflite_files import T, build, options


def dense(dtype="UINT8", *, scale=0.01, constant=True, kind="FULLY_CONNECTED"):
    """A dense layer from four to two, or a convolution of one pixel."""
    shapes = {"FULLY_CONNECTED": ([1, 4], (2, 4), [1, 2]), "CONV_2D": ([1, 1, 1, 4], (2, 1, 1, 4), [1, 1, 1, 2])}
    x, w, y = shapes.get(kind, ([1, 1, 1, 4], (1, 1, 1, 4), [1, 1, 1, 4]))
    data = np.ones(w, {"UINT8": np.uint8, "INT8": np.int8, "FLOAT32": np.float32}[dtype])
    quantized = {} if dtype == "FLOAT32" else {"scale": 0.05}
    kernel = T(w, dtype, "w", data=data if constant else None, **({"scale": scale} if quantized else {}))
    own = {
        "FULLY_CONNECTED": ("FullyConnectedOptions", {}),
        "CONV_2D": ("Conv2DOptions", {"strideW": 1, "strideH": 1}),
        "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", {"strideW": 1, "strideH": 1, "depthMultiplier": 1}),
    }
    name, fields = own[kind]
    tensors = [T(x, dtype, "x", **quantized), kernel, T(y, dtype, "y", **quantized)]
    return build(tensors, [(kind, [0, 1], [2], options(name, **fields))])


@pytest.mark.parametrize("kind", ["FULLY_CONNECTED", "CONV_2D"])
def test_uint8_with_one_scale_is_said_in_inspect(kind, tmp_path):
    (tmp_path / "old.tflite").write_bytes(dense(kind=kind))
    (warning,) = read_tflite(tmp_path / "old.tflite").warnings
    assert warning.startswith("1 layer is uint8 with one scale a tensor, for which XNNPACK has no dot-product kernels")
    assert shown(warning, 200) == warning == what_uint8_costs_in(tmp_path / "old.tflite")


@pytest.mark.parametrize(
    "content",
    [
        dense("INT8"),
        dense("FLOAT32"),
        dense(scale=[0.01, 0.02]),  # a scale a channel
        dense(kind="DEPTHWISE_CONV_2D"),
    ],
)
def test_others_have_nothing_to_say(content):
    assert what_uint8_costs([parse_graph(content, name="model.tflite")]) == ""


def test_files_that_are_none_have_nothing_to_say(tmp_path):
    for name, content in (("a.onnx", dense()), ("broken.tflite", b"broken")):
        (tmp_path / name).write_bytes(content)
        assert what_uint8_costs_in(tmp_path / name) == ""
    assert what_uint8_costs_in(tmp_path / "gone.tflite") == ""
