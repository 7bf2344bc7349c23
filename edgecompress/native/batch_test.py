"""What may be wrong with a file of inputs, and with its name."""

import platform

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgecompress.native.build import MACHINES
from edgecompress.native.runner_test import ends_with
from edgecompress.testing.runners import REFUSED, RUNNERS, running
from edgecompress.testing.sample_files import logarithm, write_onnx

pytestmark = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no runner for {platform.machine()}")

RECORD_BYTES = 16  # of `logarithm`: four floats


@pytest.fixture(params=RUNNERS)
def runner(request):
    return request.param


@pytest.mark.parametrize("size", [1, RECORD_BYTES - 1, 2 * RECORD_BYTES - 1])
def test_a_record_that_is_cut_is_refused(size, runner, tmp_path):
    (tmp_path / "in").write_bytes(bytes(size))
    with running(runner, logarithm(tmp_path)) as started:
        started.answer()
        started.send(f"batch\t{tmp_path}/in\t{tmp_path}/out")
        assert "middle of a record" in ends_with(started, "refusal", REFUSED)
    if size < RECORD_BYTES:
        with running(runner, logarithm(tmp_path), "--inputs", tmp_path / "in") as started:
            assert "middle of a record" in ends_with(started, "refusal", REFUSED)


def test_names_may_hold_spaces(runner, tmp_path):
    folder = tmp_path / "a folder of 100 %s"
    folder.mkdir()
    (folder / "in").write_bytes(np.full(4, np.e, np.float32).tobytes())
    with running(runner, logarithm(tmp_path)) as started:
        started.answer()
        assert started.ask(f"batch\t{folder}/in\t{folder}/out")["records"] == 1
    assert np.fromfile(folder / "out", np.float32) == pytest.approx(np.ones(4), rel=1e-6)  # a few units of 2^-24


def test_a_model_without_inputs_takes_none(runner, tmp_path):
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    one = helper.make_tensor("c", TensorProto.FLOAT, [1], [1.0])
    path = write_onnx(tmp_path / "none.onnx", [helper.make_node("Constant", [], ["y"], value=one)], [], [output])
    (tmp_path / "in").touch()
    with running(runner, path) as started:
        started.answer()
        started.send(f"batch\t{tmp_path}/in\t{tmp_path}/out")
        assert "no inputs" in ends_with(started, "refusal", REFUSED)
