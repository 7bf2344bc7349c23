import math

import pytest

from edgecompress.formats.keras.fields import Fields
from edgecompress.formats.keras.layers import infer


def found(kind, config, *shapes):
    inference = infer(kind, Fields(config), shapes)
    assert inference is not None
    return inference


def test_convolution_by_hand():
    # 3x3 over 8x8x4 with stride 2, padded: 4x4 places, each 3*3*4 products for each of 6 filters
    conv = found("Conv2D", {"kernel_size": [3, 3], "filters": 6, "strides": [2, 2], "padding": "same"}, (-1, 8, 8, 4))
    assert conv.output == (-1, 4, 4, 6)
    assert conv.kernels == ((3, 3, 4, 6),)
    assert conv.other_parameters == 6
    assert conv.multiply_adds == 4 * 4 * 3 * 3 * 4 * 6


@pytest.mark.parametrize(
    ("config", "side"),
    [
        ({}, 9),  # (11 - 3) + 1
        ({"strides": [2, 2]}, 5),  # 8 // 2 + 1
        ({"dilation_rate": [2, 2]}, 7),  # a reach of 5
        ({"padding": "same", "strides": [2, 2]}, 6),  # ceil(11 / 2)
        ({"padding": "same", "dilation_rate": [2, 2]}, 11),
    ],
)
def test_places_of_a_window(config, side):
    conv = found("Conv2D", {"kernel_size": [3, 3], "filters": 1, **config}, (-1, 11, 11, 1))
    assert conv.output == (-1, side, side, 1)


def test_groups_divide_the_kernel_and_the_work():
    whole = found("Conv2D", {"kernel_size": [1, 1], "filters": 8}, (-1, 5, 5, 4))
    halves = found("Conv2D", {"kernel_size": [1, 1], "filters": 8, "groups": 2}, (-1, 5, 5, 4))
    assert halves.kernels == ((1, 1, 2, 8),)
    assert halves.multiply_adds * 2 == whole.multiply_adds


def test_separable_costs_one_ninth_and_one_over_the_filters():
    # MobileNet's saving: (depthwise + pointwise) / conv = 1/N + 1/k^2
    config = {"kernel_size": [3, 3], "filters": 64, "padding": "same"}
    separable = found("SeparableConv2D", config, (-1, 14, 14, 32))
    conv = found("Conv2D", config, (-1, 14, 14, 32))
    assert separable.kernels == ((3, 3, 32, 1), (1, 1, 32, 64))
    assert math.isclose(separable.multiply_adds / conv.multiply_adds, 1 / 64 + 1 / 9)


def test_transposed_convolution_counts_each_input_once_a_tap():
    conv = found(
        "Conv2DTranspose", {"kernel_size": [3, 3], "filters": 5, "strides": [2, 2], "padding": "same"}, (-1, 4, 4, 2)
    )
    assert conv.output == (-1, 8, 8, 5)
    assert conv.multiply_adds == 4 * 4 * 3 * 3 * 2 * 5


def test_channels_first():
    config = {"kernel_size": [3, 3], "filters": 6, "data_format": "channels_first"}
    assert found("Conv2D", config, (-1, 4, 8, 8)).output == (-1, 6, 6, 6)
    assert found("GlobalAveragePooling2D", {"data_format": "channels_first"}, (-1, 4, 8, 8)).output == (-1, 4)


def test_free_axes_stay_free_and_count_no_work():
    conv = found("Conv2D", {"kernel_size": [3, 3], "filters": 6}, (-1, -1, -1, 3))
    assert conv.output == (-1, -1, -1, 6)
    assert conv.multiply_adds == 0
    assert found("Flatten", {}, (-1, -1, 3)).output == (-1, -1)
    assert found("Reshape", {"target_shape": [-1, 3]}, (-1, -1, 3)).output == (-1, -1, 3)


def test_a_fixed_batch_does_not_multiply_the_work():
    config = {"units": 10}
    assert found("Dense", config, (8, 5)).multiply_adds == found("Dense", config, (-1, 5)).multiply_adds == 50


@pytest.mark.parametrize(("scale", "center", "parameters"), [(True, True, 14), (True, False, 7), (False, False, 0)])
def test_batch_norm_counts_what_it_trains(scale, center, parameters):
    norm = found("BatchNormalization", {"axis": [3], "scale": scale, "center": center}, (-1, 4, 4, 7))
    assert norm.other_parameters == parameters


def test_prelu_counts_shared_slopes_once():
    assert found("PReLU", {}, (-1, 4, 4, 7)).other_parameters == 4 * 4 * 7
    assert found("PReLU", {"shared_axes": [1, 2]}, (-1, 4, 4, 7)).other_parameters == 7


@pytest.mark.parametrize(
    ("kind", "config", "shapes", "reason"),
    [
        ("Conv2D", {"kernel_size": [5, 5], "filters": 1}, [(-1, 4, 4, 1)], "does not fit into 4"),
        ("Conv2D", {"kernel_size": [3, 3], "filters": 4, "groups": 3}, [(-1, 4, 4, 4)], "groups"),
        ("Conv2D", {"kernel_size": [3, 3], "filters": -4}, [(-1, 4, 4, 4)], "filters is -4"),
        ("Conv2D", {"kernel_size": [3, 3], "filters": 2**40}, [(-1, 4, 4, 4)], "expected an integer"),
        ("Conv2D", {"kernel_size": [3, 3]}, [(-1, 4, 4, 4)], "filters is None"),
        ("Conv2D", {"kernel_size": "3", "filters": 1}, [(-1, 4, 4, 4)], "kernel_size is '3'"),
        ("Conv2D", {"kernel_size": [3, 3], "filters": 1}, [(-1, 4)], "axes"),
        ("Conv2D", {"kernel_size": [3, 3], "filters": 1, "strides": [1, 1, 1]}, [(-1, 4, 4, 4)], "2 axes"),
        ("Cropping2D", {"cropping": [[2, 2], [0, 0]]}, [(-1, 4, 4, 4)], "leaves nothing"),
        ("ZeroPadding2D", {"padding": [1, 2, 3]}, [(-1, 4, 4, 4)], "list of pairs"),
        ("Reshape", {"target_shape": [5, 5]}, [(-1, 4, 4)], "do not reshape"),
        ("Reshape", {"target_shape": [-1, -1]}, [(-1, 4, 4)], "no target shape"),
        ("Permute", {"dims": [1, 1]}, [(-1, 4, 4)], "does not order"),
        ("Add", {}, [(-1, 4, 4), (-1, 3, 4)], "do not broadcast"),
        ("Concatenate", {"axis": -1}, [(-1, 4, 4), (-1, 3, 4)], "do not concatenate"),
        ("Concatenate", {"axis": 9}, [(-1, 4, 4), (-1, 4, 4)], "outside a tensor"),
        ("BatchNormalization", {"axis": [7]}, [(-1, 4)], "outside a tensor"),
    ],
)
def test_contradictions_are_named(kind, config, shapes, reason):
    with pytest.raises(ValueError, match=reason):
        infer(kind, Fields(config), shapes)


def test_what_is_not_known_is_none():
    assert infer("SelfAttention", Fields({}), [(-1, 4, 4)]) is None
    assert infer("TFOpLambda", Fields({"function": "math.reduce_mean"}), [(-1, 4)]) is None
    assert infer("Dense", Fields({"units": 3}), [(-1, -1)]) is None
    assert infer("Add", Fields({}), []) is None
