import numpy as np
import pytest

from edgecompress.runtimes.onnx import OnnxSession, parse_trace
from edgecompress.runtimes.sample_files_test import logarithm
from edgecompress.values import OperatorTime


def node(name, kind, start_us, duration_us):
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start_us, "dur": duration_us, "args": {"op_name": kind}}


def test_a_trace_worked_by_hand():
    """One run to warm up, then two; `b` runs twice in each; the runtime's other events do not count."""
    trace = [{"cat": "Session", "name": "model_run", "ts": 0, "dur": 999, "args": {}}]
    for run, (a_us, b_us) in enumerate([(100, 100), (10, 3), (20, 5)]):
        start_us = 1000 * run
        trace += [node("a", "Conv", start_us, a_us), node("b", "Relu", start_us + 1, b_us)]
        trace += [node("b", "Relu", start_us + 2, b_us)]
    table = parse_trace(trace[::-1], warm_up=1, runs=2)
    assert table == (OperatorTime("a", "Conv", 15_000.0, 1.0), OperatorTime("b", "Relu", 8_000.0, 2.0))


def test_inputs_may_be_strided_and_replaced(tmp_path):
    session = OnnxSession(str(logarithm(tmp_path)), threads=1)
    for array in (np.arange(1, 9, dtype=np.float32)[None, ::2], np.full((1, 4), 2, np.float32)):
        session.bind([array])
        session.invoke()
        assert session.read()[0] == pytest.approx(np.log(array), rel=1e-6)  # a few units of 2^-24
