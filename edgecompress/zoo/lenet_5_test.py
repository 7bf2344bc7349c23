import pytest

from edgecompress.errors import ArchitectureError
from edgecompress.zoo import find
from edgecompress.zoo.counts import count


def build(**options):
    return find("lenet_5").build(**{"classes": 10, **options})


def test_counts():
    # conv 5x5 to 24x24 and 8x8, pools to 12x12 and 4x4
    work = 24**2 * 25 * 20 + 8**2 * 25 * 20 * 50 + 4 * 4 * 50 * 500 + 500 * 10
    assert count(build()) == (431_080, work)


def test_the_smallest_resolution_builds_and_one_less_is_refused():
    assert build(resolution=16).get_layer("pool2").output.shape == (None, 1, 1, 50)
    with pytest.raises(ArchitectureError, match="resolution of 15"):
        build(resolution=15)


def test_dropout_stands_behind_the_hidden_dense_layer():
    plain, dropping = build(), build(dropout=0.25)
    names = [layer.name for layer in plain.layers[1:]]
    assert not any("dropout" in name for name in names)
    assert [layer.name for layer in dropping.layers[1:]] == [*names[:-1], "ip1_dropout", "predictions"]
    assert dropping.get_layer("ip1_dropout").rate == 0.25
    assert count(dropping) == count(plain)
    with pytest.raises(ArchitectureError, match="got dropout 1"):
        build(dropout=1.0)
