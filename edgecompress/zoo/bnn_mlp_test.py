import pytest

from edgecompress.errors import ArchitectureError
from edgecompress.zoo import find
from edgecompress.zoo.counts import count


def test_counts():
    weights = 784 * 64 + 64 * 64 + 64 * 64 + 64 * 10
    assert count(find("bnn_mlp").build(units=64, classes=10)) == (weights + 3 * 2 * 64 + 10, weights)


@pytest.mark.parametrize("units", [0, 65_537])
def test_widths_that_cannot_be_built_are_refused(units):
    with pytest.raises(ArchitectureError, match=f"{units} units"):
        find("bnn_mlp").build(units=units)
