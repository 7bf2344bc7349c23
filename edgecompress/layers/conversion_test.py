"""What TensorFlow's converter makes of binary layers: the patterns that later passes look for."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.convert.tflite.export import export_float
from edgecompress.environment import load_keras
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.layers.convolution import BinaryConv2D
from edgecompress.layers.dense import BinaryDense
from edgecompress.layers.depthwise import BinaryDepthwiseConv2D

SIGN = ["GREATER_EQUAL", "SELECT_V2"]


def emitted(*stack):
    """Return the kinds of the operators that a stack of layers becomes, and the constants of each, flat."""
    keras = load_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 32))
    x = image
    for layer in stack:
        x = layer(x)
    graph = parse_graph(export_float(keras.Model(image, x)))
    constants = {
        operator.kind: [
            tensor.dense() for tensor in map(graph.tensors.__getitem__, operator.inputs) if tensor.data is not None
        ]
        for operator in graph.operators
    }
    return [operator.kind for operator in graph.operators], constants


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_convolution(stride: int, scaled: bool) -> None:
    """The kernel is so large that the converter folds nothing that makes more of it than goes in."""
    layer = BinaryConv2D(64, 3, strides=stride, padding="same", scaled=scaled, activation="relu")
    kinds, constants = emitted(layer)
    assert kinds == [*SIGN, "PADV2", "CONV_2D"]
    assert constants["GREATER_EQUAL"][0].item() == 0.0
    assert [values.item() for values in constants["SELECT_V2"]] == [1.0, -1.0]
    assert constants["PADV2"][1].item() == 1.0
    np.testing.assert_array_equal(constants["CONV_2D"][0], np.asarray(layer.binary_kernel).transpose(3, 0, 1, 2))


def test_a_batch_norm_folds_into_a_kernel_of_one_magnitude_a_filter() -> None:
    layer = BinaryConv2D(64, 3, padding="same", scaled=True)
    uniform = load_keras().initializers.RandomUniform(0.5, 2.0)
    norm = load_keras().layers.BatchNormalization(gamma_initializer=uniform, moving_variance_initializer=uniform)
    kinds, constants = emitted(layer, norm)
    assert kinds == [*SIGN, "PADV2", "CONV_2D"]
    kernel = constants["CONV_2D"][0].reshape(64, -1)
    assert all(len(np.unique(np.abs(each))) == 1 for each in kernel)
    np.testing.assert_array_equal(kernel > 0, np.moveaxis(np.asarray(layer.kernel), 3, 0).reshape(64, -1) >= 0)


def test_a_dense_layer() -> None:
    kinds, constants = emitted(load_keras().layers.GlobalAveragePooling2D(), BinaryDense(16, activation="relu"))
    assert kinds == ["MEAN", *SIGN, "FULLY_CONNECTED"]
    assert set(np.unique(constants["FULLY_CONNECTED"][0])) == {-1.0, 1.0}


def test_a_dense_layer_behind_a_flattened_map() -> None:
    kinds, _ = emitted(load_keras().layers.Flatten(), BinaryDense(16))
    assert kinds == ["GREATER_EQUAL", "RESHAPE", "SELECT_V2", "FULLY_CONNECTED"]  # it is the bits that are reshaped


def test_weights_only() -> None:
    kinds, constants = emitted(
        BinaryDepthwiseConv2D(3, padding="same"), BinaryConv2D(64, 3, padding="same", binary_inputs=False)
    )
    assert kinds == ["DEPTHWISE_CONV_2D", "CONV_2D"]
    assert all(set(np.unique(values[0])) == {-1.0, 1.0} for values in constants.values())
