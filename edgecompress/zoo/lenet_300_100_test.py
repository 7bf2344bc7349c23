from edgecompress.zoo import find
from edgecompress.zoo.counts import count


def test_counts():
    weights = 784 * 300 + 300 * 100 + 100 * 10
    assert count(find("lenet_300_100").build(classes=10)) == (weights + 410, weights) == (266_610, 266_200)


def test_one_pixel_is_enough():
    assert count(find("lenet_300_100").build(resolution=1, classes=2))[1] == 300 + 300 * 100 + 200
