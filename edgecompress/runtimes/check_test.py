import pytest

from edgecompress.errors import RuntimeRefusal, UnsupportedModelError
from edgecompress.runtimes.check import check_runs
from edgecompress.testing.sample_files import CLASSIFIER, FACE, endless, logarithm


def test_a_good_file_is_described():
    inputs, outputs, runtime = check_runs(FACE)
    assert [(spec.name, spec.shape, spec.dtype, spec.quant) for spec in inputs] == [
        ("input", (1, 128, 128, 3), "float32", None)
    ]
    assert [spec.shape for spec in outputs] == [(1, 896, 16), (1, 896, 1)]
    assert runtime.startswith("LiteRT ")


def test_an_output_that_is_not_finite(tmp_path):
    with pytest.raises(RuntimeRefusal, match="output 'y' is not finite"):
        check_runs(logarithm(tmp_path))


def test_a_file_that_never_ends(tmp_path):
    with pytest.raises(RuntimeRefusal, match="no answer"):
        check_runs(endless(tmp_path), timeout_s=1)


def test_free_axes_are_for_the_caller_to_fix():
    with pytest.raises(UnsupportedModelError, match="leaves more than the batch free") as caught:
        check_runs(CLASSIFIER)
    assert "make_dynamic_shape_fixed" in caught.value.hint
