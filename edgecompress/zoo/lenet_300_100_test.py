import math

import pytest

from edgecompress.errors import ArchitectureError
from edgecompress.zoo import find
from edgecompress.zoo.counts import count


def test_counts():
    weights = 784 * 300 + 300 * 100 + 100 * 10
    assert count(find("lenet_300_100").build(classes=10)) == (weights + 410, weights) == (266_610, 266_200)


def test_one_pixel_is_enough():
    assert count(find("lenet_300_100").build(resolution=1, classes=2))[1] == 300 + 300 * 100 + 200


def test_dropout_stands_behind_each_hidden_layer():
    plain, dropping = (find("lenet_300_100").build(classes=10, dropout=rate) for rate in (0, 0.5))
    assert [layer.name for layer in plain.layers[1:]] == ["flatten", "fc1", "fc2", "predictions"]
    names = ["flatten", "fc1", "fc1_dropout", "fc2", "fc2_dropout", "predictions"]
    assert [layer.name for layer in dropping.layers[1:]] == names
    assert {layer.rate for layer in dropping.layers if hasattr(layer, "rate")} == {0.5}
    assert count(dropping) == count(plain)


@pytest.mark.parametrize("rate", [-0.1, 1.0, math.nan])
def test_dropout_out_of_range_is_refused(rate):
    with pytest.raises(ArchitectureError, match="got dropout"):
        find("lenet_300_100").build(classes=10, dropout=rate)
