import pytest

from edgecompress.errors import ArchitectureError
from edgecompress.zoo import find
from edgecompress.zoo.counts import count


def build(**options):
    return find("squeezenet").build(**options)


def sides(model):
    """Sides of the maps after the first convolution and each pool."""
    names = [layer.name for layer in model.layers if layer.name == "conv1" or layer.name.startswith("pool")]
    return [model.get_layer(name).output.shape[1] for name in names if name != "pool10"]


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 1_248_424),  # of the authors' models
        ({"version": "1.1"}, 1_235_496),
        ({"bypass": "simple"}, 1_248_424),
        ({"version": "1.1", "bypass": "simple"}, 1_235_496),
    ],
)
def test_parameters_of_the_authors_models(options, parameters):
    assert count(build(**options))[0] == parameters


def test_complex_bypass_adds_a_1x1_convolution_where_the_channels_change():
    # inputs and outputs of fire 2, 4, 6 and 8 with their biases
    added = sum((before + 1) * after for before, after in [(96, 128), (128, 256), (256, 384), (384, 512)])
    assert count(build(bypass="complex"))[0] == 1_248_424 + added


def test_maps_are_those_of_table_1_of_the_paper():
    # the authors crop to 227 pixels, which makes their 7x7 convolution of stride 2 give the table's 111
    assert sides(build(resolution=227)) == [111, 55, 27, 13]


def test_version_1_1_computes_2_4_times_less():
    # the authors' figure, to its two digits; at the 227 pixels that they crop to
    ratio = count(build(resolution=227))[1] / count(build(resolution=227, version="1.1"))[1]
    assert 2.2 < ratio < 2.45


def test_no_batch_norm():
    assert not any("batch" in type(layer).__name__.lower() for layer in build(bypass="complex").layers)


@pytest.mark.parametrize(("version", "smallest"), [("1.0", 35), ("1.1", 31)])
def test_the_smallest_resolution_builds_and_one_less_is_refused(version, smallest):
    assert sides(build(resolution=smallest, version=version))[-1] == 1
    with pytest.raises(ArchitectureError, match=f"resolution of {smallest - 1}") as caught:
        build(resolution=smallest - 1, version=version)
    assert str(smallest) in caught.value.hint
