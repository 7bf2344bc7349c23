import subprocess
import sys

import pytest

from edgecompress.errors import ArchitectureError
from edgecompress.zoo import ARCHITECTURES, find


def test_importing_the_zoo_loads_no_tensorflow():
    program = "import sys, edgecompress.zoo, edgecompress.zoo.weights; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_names_are_found():
    assert [find(architecture.name) for architecture in ARCHITECTURES] == list(ARCHITECTURES)


def test_an_unknown_name_suggests_the_nearest_and_lists_all():
    with pytest.raises(ArchitectureError, match="'mobilenet'") as caught:
        find("mobilenet")
    assert "Did you mean 'mobilenet_v1'?" in caught.value.hint
    assert all(architecture.name in caught.value.hint for architecture in ARCHITECTURES)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("mobilenet_v1", {"depth": 2}, "no option 'depth'"),
        ("mobilenet_v1", {"width": "wide"}, "width 'wide'"),
        ("mobilenet_v1", {"width": True}, "width True"),
        ("mobilenet_v1", {"shallow": 1}, "shallow 1"),
        ("mobilenet_v1", {"stem_stride": 3}, "stem_stride 3"),
        ("mobilenet_v1", {"classes": 0}, "classes 0"),
        ("mobilenet_v1", {"channels": -1}, "channels -1"),
        ("squeezenet", {"version": "1.2"}, "version '1.2'"),
        ("lenet_5", {"width": 1.0}, "no option 'width'"),
    ],
)
def test_options_that_make_no_network_are_refused(name, options, reason):
    with pytest.raises(ArchitectureError, match=reason):
        find(name).build(**options)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_the_output_is_a_probability_of_each_class(architecture):
    import numpy as np

    model = architecture.build(classes=7)
    side, channels = architecture.default_resolution, architecture.default_channels
    assert model.input_shape == (None, side, side, channels)
    images = np.random.default_rng(0).uniform(-1, 1, (2, side, side, channels)).astype(np.float32)
    outputs = model(images).numpy()
    assert outputs.shape == (2, 7)
    assert (outputs >= 0).all()
    # seven float32 terms, each rounded by at most half an ulp of a sum below 2
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=7 * 2**-24)
