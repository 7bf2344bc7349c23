import re

import pytest

from edgecompress.environment import load_keras
from edgecompress.errors import ArchitectureError
from edgecompress.zoo import find


def build(**options):
    return find("quicknet").build(classes=10, **options)


def test_every_3x3_convolution_but_the_stem_has_a_residual_around_it():
    model = build(width=0.5, blocks=2)
    convolutions = [layer.name for layer in model.layers if layer.name.endswith("_conv") and "block" in layer.name]
    additions = [layer for layer in model.layers if isinstance(layer, load_keras().layers.Add)]
    assert len(convolutions) == len(additions) == 8
    for addition in additions:
        assert len(addition.input) == 2 and addition.input[0].shape == addition.input[1].shape


def test_layers_kept_float_are_all_kernels_but_those_of_the_blocks():
    pattern = find("quicknet").keep_float
    with_kernels = [layer.name for layer in build(blocks=1).layers if hasattr(layer, "kernel")]
    assert [name for name in with_kernels if not re.fullmatch(pattern, name)] == [
        f"section{section}_block1_conv" for section in range(1, 5)
    ]


@pytest.mark.parametrize("width", [0.5, 0.75, 1.0])
def test_channels_fill_whole_words(width):
    model = build(width=width, blocks=1)
    assert all(layer.filters % 32 == 0 for layer in model.layers if hasattr(layer, "filters"))


def test_sections_halve_the_map():
    model = build(resolution=32, blocks=1)
    assert [model.get_layer(f"section{n}_block1_add").output.shape[1] for n in range(1, 5)] == [32, 16, 8, 4]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 0.25}, "width 0.25"),
        ({"width": float("nan")}, "width nan"),
        ({"blocks": 0}, "0 blocks"),
        ({"resolution": 7}, "resolution of 7"),
        ({"resolution": 15, "stem_stride": 2}, "resolution of 15"),
    ],
)
def test_what_cannot_be_built_is_refused(options, said):
    with pytest.raises(ArchitectureError, match=said):
        build(**options)
