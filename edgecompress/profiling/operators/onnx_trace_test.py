import contextlib
import json

from hypothesis import example, given
from hypothesis import strategies as st

from edgecompress.profiling.operators.onnx_trace import parse_trace
from edgecompress.values import OperatorTime


def node(name, kind, start_us, duration_us):
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start_us, "dur": duration_us, "args": {"op_name": kind}}


def test_a_trace_worked_by_hand():
    """One run to warm up, then three; `b` runs twice in each; the runtime's other events do not count.

    Of 10, 12 and 2000 microseconds, in which something else ran, the median is 12; two calls of 3, 5 and 4 are 8.
    """
    trace = [{"cat": "Session", "name": "model_run", "ts": 0, "dur": 999, "args": {}}]
    for run, (a_us, b_us) in enumerate([(100, 100), (10, 3), (2000, 5), (12, 4)]):
        start_us = 1000 * run
        trace += [node("a", "Conv", start_us, a_us), node("b", "Relu", start_us + 1, b_us)]
        trace += [node("b", "Relu", start_us + 2, b_us)]
    table = parse_trace(trace[::-1], warm_up=1, runs=3)
    assert table == (OperatorTime("a", "Conv", 12_000.0, 1.0), OperatorTime("b", "Relu", 8_000.0, 2.0))


CAUGHT = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)  # by RunnerSession.operator_times

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
# Values drawn at random are never a node's event: these are one but for a field that is missing or anything.
fields = {
    "cat": st.just("Node") | values,
    "name": st.sampled_from(["a_kernel_time", "b_kernel_time", "a"]) | values,
    "ts": st.integers() | values,
    "dur": st.integers() | values,
    "args": st.fixed_dictionaries({}, optional={"op_name": st.just("Conv") | values}) | values,
}
events = st.fixed_dictionaries({}, optional=fields) | st.builds(
    lambda event, wrong: {**event, **wrong},
    st.builds(node, st.sampled_from("ab"), st.just("Conv"), st.integers(), st.integers()),
    st.fixed_dictionaries({}, optional=fields),
)


@given(values | st.lists(events | values, max_size=6), st.integers(0, 4), st.integers(1, 4))
@example([], 0, 1)
@example([node("a", "Conv", 0, float("nan"))], 0, 1)
@example([node("a", ["Conv"], 0, 1)], 0, 1)
@example([node("a", "Conv", 0, 1), node("a", "Conv", "0", 1)], 0, 1)
def test_a_hostile_trace_raises_what_its_reader_catches(trace, warm_up, runs):
    trace = json.loads(json.dumps(trace))
    with contextlib.suppress(*CAUGHT):
        assert all(isinstance(each, OperatorTime) for each in parse_trace(trace, warm_up=warm_up, runs=runs))


def test_a_duration_beyond_any_float_raises_what_its_reader_catches():
    with contextlib.suppress(*CAUGHT):
        parse_trace([node("a", "Conv", 0, 10**400)], warm_up=0, runs=1)
