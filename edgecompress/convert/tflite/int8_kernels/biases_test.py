"""A filter that was pruned away is a constant, and the file has that constant."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.targets import Target
from edgecompress.environment import load_keras
from edgecompress.formats.tflite.file import read_graph
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.samples import run_samples

INPUTS = np.random.default_rng(0).normal(size=(16, 6, 6, 3)).astype(np.float32)
TARGETS = Target("tflite", "int8"), Target("onnx", "int8")
OPERATORS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 2}  # and which input is one


def network(kind: str, left: float):
    """A layer whose filters 1 and 2 are nothing, or nearly; the first has a bias all the same."""
    keras = load_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    layer = {
        "convolution": lambda: layers.Conv2D(4, 3, name="pruned"),
        "depthwise": lambda: layers.DepthwiseConv2D(3, name="pruned"),
        "transposed": lambda: layers.Conv2DTranspose(4, 3, name="pruned"),
        "dense": lambda: layers.Dense(4, name="pruned"),
    }[kind]()
    image = keras.Input((6, 6, 3), name="image")
    x = layers.GlobalAveragePooling2D(name="pool")(layer(layers.ReLU(name="clipped")(image)))
    kernel, bias = layer.get_weights()
    np.moveaxis(kernel, {"depthwise": 2, "transposed": 2}.get(kind, -1), 0)[1:3] *= left
    bias[:] = np.linspace(-2, 3, len(bias))
    bias[2] = 0
    layer.set_weights([kernel, bias])
    return keras.Model(image, x, name="net")


@pytest.mark.parametrize("left", [0.0, 1e-7], ids=["zero", "nearly zero"])
@pytest.mark.parametrize("kind", ["convolution", "depthwise", "transposed", "dense"])
def test_channels_that_are_constants_keep_them(kind: str, left: float, tmp_path) -> None:
    model, found = network(kind, left), []
    for artifact in convert(Source("dense", model, "test"), TARGETS, tmp_path, calibration=(INPUTS,)):
        with RuntimeProcess(artifact.path) as process:
            found.append(run_samples(process, [INPUTS])[0])
    expected = np.asarray(model(INPUTS))
    step = np.ptp(expected) / 255
    np.testing.assert_allclose(found[0][:, 1:3], expected[:, 1:3], atol=2 * step)  # of the layer, and of the mean
    np.testing.assert_allclose(found[1], found[0], atol=1.01 * step)


def test_xnnpack_takes_the_scales(tmp_path) -> None:
    convert(Source("dense", network("convolution", 1e-7), "test"), TARGETS[:1], tmp_path, calibration=(INPUTS,))
    graph = read_graph(tmp_path / "dense.int8.tflite")
    for operator in graph.operators:
        if operator.kind in OPERATORS:
            source, kernel = (graph.tensors[operator.inputs[each]].quant for each in (OPERATORS[operator.kind], 1))
            output = graph.tensors[operator.outputs[0]].quant
            assert min(kernel.scales) * source.scales[0] / output.scales[0] >= 2.0**-32
