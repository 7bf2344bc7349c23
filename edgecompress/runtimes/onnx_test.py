import numpy as np
import pytest

from edgecompress.runtimes.onnx import OnnxSession
from edgecompress.runtimes.sample_files_test import logarithm


def test_inputs_may_be_strided_and_replaced(tmp_path):
    session = OnnxSession(str(logarithm(tmp_path)))
    for array in (np.arange(1, 9, dtype=np.float32)[None, ::2], np.full((1, 4), 2, np.float32)):
        session.bind([array])
        session.invoke()
        assert session.read()[0] == pytest.approx(np.log(array), rel=1e-6)  # a few units of 2^-24
