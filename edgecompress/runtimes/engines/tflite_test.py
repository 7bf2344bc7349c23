import numpy as np
import pytest

from edgecompress.runtimes.engines.session import open_session
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.testing.sample_files import FACE
from edgecompress.testing.tflite_files import recurrent, svdf


@pytest.mark.parametrize("make", [svdf, recurrent])
def test_images_do_not_see_the_state_of_those_before(make, tmp_path):
    """A recurrent layer's variables begin at 0 for each: run alone or behind others, an input gives the same bits."""
    path = make(tmp_path)
    with RuntimeProcess(path) as process:
        (spec,), _, _ = process.describe()
        images = np.random.default_rng(0).normal(size=(4, *spec.shape[1:])).astype(np.float32)
        together = process.run_batch(images)
    for image, found in zip(images, together, strict=True):
        session = open_session(path)
        session.bind([image[None]])
        session.invoke()
        assert np.array_equal(session.read()[0][0], found)
    assert len(np.unique(together.reshape(4, -1), axis=0)) == 4


def test_a_file_without_state_needs_no_binding_anew():
    session = open_session(FACE)
    session.bind([np.full((1, 128, 128, 3), 0.5, np.float32)])
    session.invoke()
    first = session.read()
    session.invoke()
    assert all(np.array_equal(a, b) for a, b in zip(first, session.read(), strict=True))
