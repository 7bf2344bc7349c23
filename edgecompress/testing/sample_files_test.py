"""Model files for the tests of this package and of `profiling`: from installed packages, or small and made here."""

import pytest

from edgecompress.runtimes.check import check_runs
from edgecompress.testing.sample_files import (
    ONNX_FILES,
    TFLITE_FILES,
    fixed_classifier,
    int8_relu,
    partly_delegated,
    quantized_relu,
)


@pytest.mark.parametrize("make", [fixed_classifier, int8_relu, partly_delegated, quantized_relu])
def test_what_is_made_here_runs(make, tmp_path):
    check_runs(make(tmp_path))


def test_the_packages_have_the_files():
    assert (len(TFLITE_FILES), len(ONNX_FILES)) == (7, 3)
