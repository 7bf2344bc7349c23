"""In this process, since these files are known; in the package the profiler runs in a child only."""

import time

import numpy as np
import pytest

from edgecompress.runtimes import litert_profile
from edgecompress.runtimes.inputs import example_inputs
from edgecompress.runtimes.litert_profile import operator_times
from edgecompress.runtimes.sample_files_test import FACE, TFLITE_FILES, int8_relu, partly_delegated
from edgecompress.runtimes.session import open_session


@pytest.mark.parametrize("path", TFLITE_FILES, ids=lambda path: path.stem)
def test_the_operators_of_a_file_make_up_its_inference(path):
    session = open_session(path, threads=1)
    arrays = example_inputs(session.inputs, seed=0)
    session.bind(arrays)
    samples_ns = []
    for _ in range(20):
        start_ns = time.perf_counter_ns()
        session.invoke()
        samples_ns.append(time.perf_counter_ns() - start_ns)
    operators = operator_times(str(path), arrays, threads=1, runs=20)
    # Both are clocks on one model on one machine, which others may load; a wrong unit or a wrong field of an event
    # would be off by a thousand or more.
    assert 1 / 30 < sum(each.mean_ns for each in operators) / np.median(samples_ns) < 30
    assert len({each.name for each in operators}) == len(operators) > 50


def test_an_operator_that_xnnpack_does_not_take_is_named_after_its_tensor(tmp_path):
    operators = operator_times(str(partly_delegated(tmp_path)), [np.ones((1, 4096), np.float32)], threads=1, runs=20)
    assert [(each.name, each.kind) for each in operators] == [
        ("XNNPACK operator 0", "XNNPACK Add (ND)"),
        ("accumulated", "CUMSUM"),
        ("XNNPACK operator 2", "XNNPACK Add (ND)"),
    ]
    assert operators[1].mean_ns > 0


def test_a_quantized_file_with_a_free_batch(tmp_path):
    (operator,) = operator_times(str(int8_relu(tmp_path)), [np.zeros((1, 2, 2, 1), np.int8)], threads=2, runs=2)
    assert operator.calls_per_inference == 1


def test_the_wrong_input_is_noticed_before_it_is_copied():
    with pytest.raises(RuntimeError, match="holds 196608 bytes, but 4 were given"):
        operator_times(str(FACE), [np.zeros((1, 1, 1, 1), np.float32)], threads=1, runs=1)


def test_a_failing_call_is_named(tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"broken")
    with pytest.raises(RuntimeError, match="LiteRtCreateModelFromFile failed with status"):
        operator_times(str(tmp_path / "broken.tflite"), [], threads=1, runs=1)


@pytest.mark.parametrize("words", [2, 4])
def test_another_form_of_event_is_noticed(words, monkeypatch):
    """As if LiteRT's event were smaller or larger than ours: then no field of it must be read."""
    fields = dict(litert_profile._RawEvent._fields_)
    memory = litert_profile.ctypes.c_int64 * words
    other = {**fields, "memory_before": memory, "memory_after": memory}
    monkeypatch.setattr(
        litert_profile,
        "_RawEvent",
        type("_RawEvent", (litert_profile.ctypes.Structure,), {"_fields_": tuple(other.items())}),
    )
    with pytest.raises(RuntimeError, match="events of an unknown form"):
        operator_times(str(FACE), [np.zeros((1, 128, 128, 3), np.float32)], threads=1, runs=1)
