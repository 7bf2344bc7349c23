"""Sessions with the real runner, and with programs in its place that answer what no runner should."""

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecompress.devices.probe import probe
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire import channel
from edgecompress.errors import DeviceError, RuntimeRefusal
from edgecompress.formats.tflite.file import read_graph
from edgecompress.profiling.runner import session as module
from edgecompress.profiling.runner.launch import launch
from edgecompress.profiling.runner.session import RunnerSession
from edgecompress.testing.sample_files import FACE, endless, int8_relu, partly_delegated, quantized_relu

LOCAL = LocalTransport()
TENSOR = {"name": "x", "dtype": "float32", "shape": [1, 4]}
OPENED = {
    **dict.fromkeys(("library_ns", "load_ns", "compile_ns", "first_ns", "model_memory_bytes", "cores"), 1),
    **{"version": "1", "output_hash": "0" * 16, "inputs": [TENSOR], "outputs": [TENSOR]},
}
BLOCK = {"start_ns": 1, "cpu_ns": 1, "core": 0, "clock_khz": 0, "cores": 3, "inferences": 2, "samples_ns": [5, 7]}
# Says what it is told to: a line at the start, and then one a request, as the files named by its arguments hold them.
FAKE = """
import sys
for path in sys.argv[1:-2]:
    sys.stdout.buffer.write(open(path, "rb").read())
    sys.stdout.flush()
    if not sys.stdin.readline():
        break
"""


@pytest.fixture
def open_session(tmp_path):
    """Opens a session with a program in the runner's place: what it says first, and to the requests."""

    def make(*answers, limit_s=30):
        (tmp_path / "fake.py").write_text(FAKE)
        paths = []
        for index, answer in enumerate(answers):
            paths.append(tmp_path / f"answer{index}")
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n"
            paths[-1].write_bytes(data)
        words = [sys.executable, "-S", str(tmp_path / "fake.py"), *map(str, paths)]
        return RunnerSession(LOCAL, words, model="m.tflite", limit_s=limit_s)

    return make


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.5)
    monkeypatch.setattr(module, "OPEN_TIMEOUT_S", 0.5)


@pytest.fixture(autouse=True)
def no_child_is_left():
    before = children()
    yield
    assert children() <= before


def children():
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def real(path, runner="native", **options):
    how = launch(LOCAL, probe(LOCAL), path, runner=runner, threads=1, **options)
    return RunnerSession(LOCAL, how.words, model=path.name, limit_s=60)


@pytest.mark.parametrize("runner", ["native", "python"])
def test_a_real_session(runner, tmp_path):
    for path in (FACE, quantized_relu(tmp_path)):
        with real(path, runner) as session:
            assert session.started_ns < session.opened_ns
            assert session.opened.inputs[0].shape and session.opened.load_ns > 0
            blocks = [session.time_block(runs=5), session.time_block(seconds=0.01)]
            assert len(blocks[0].samples_ns) == 5 and sum(blocks[1].samples_ns) >= 0.01e9
            assert all(block.core in os.sched_getaffinity(0) for block in blocks)
            report = session.report()
            assert report.peak_memory_bytes > 0


def test_operators_have_names_and_kinds(tmp_path):
    path = partly_delegated(tmp_path)
    with real(path) as session:
        table, note = session.operator_times(runs=3, graph=read_graph(path))
        nameless, _ = session.operator_times(runs=3)
    assert [each.name for each in table] == ["doubled", "accumulated", "y"] and not note
    assert [each.name for each in nameless] == ["cannot be told", "accumulated", "cannot be told"]
    assert [each.kind.partition(" ")[0] for each in table] == ["XNNPACK", "CUMSUM", "XNNPACK"]
    with real(partly_delegated(tmp_path), "python") as session:
        table, note = session.operator_times(runs=3)
    assert table == () and "does not tell" in note
    for runner in ("native", "python"):
        with real(quantized_relu(tmp_path), runner) as session:
            table, note = session.operator_times(runs=3)
        assert [each.kind for each in table] == ["DequantizeLinear", "Relu", "QuantizeLinear"] and not note
        assert {each.calls_per_inference for each in table} == {1.0}


@pytest.mark.parametrize("runner", ["native", "python"])
def test_operators_that_are_refused_are_a_refusal_and_no_nonsense(runner, tmp_path):
    """ONNX Runtime loads the file again for its profiler, and by then it is gone."""
    path = quantized_relu(tmp_path)
    with real(path, runner) as session:
        path.unlink()
        with pytest.raises(RuntimeRefusal, match=r"^local refused relu\.onnx: "):
            session.operator_times(runs=3)


def test_a_batch(tmp_path):
    (tmp_path / "in").write_bytes(bytes([1, 2, 253, 254, 255, 0, 128, 127]))  # -3 is zero, and the least
    with real(int8_relu(tmp_path)) as session:
        count, outputs = session.run_batch(str(tmp_path / "in"), str(tmp_path / "out"), timeout_s=30)
    assert (count, outputs[0].shape, outputs[0].dtype) == (2, (1, 2, 2, 1), "int8")
    assert (tmp_path / "out").read_bytes() == bytes([1, 2, 253, 254, 255, 0, 253, 127])


@pytest.mark.parametrize("runner", ["native", "python"])
def test_a_model_that_is_refused_or_crashes_is_named(runner, tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"broken")
    with pytest.raises(RuntimeRefusal, match=r"^local refused broken\.tflite: .*[^.]\.$"):
        real(tmp_path / "broken.tflite", runner)
    crashing = endless(tmp_path, recursive=True)
    with pytest.raises(
        RuntimeRefusal, match=r"^The runtime crashed on endless\.tflite on local \(Segmentation fault\)"
    ):
        real(crashing, runner)


@pytest.mark.parametrize("runner", ["native", "python"])
def test_a_model_that_hangs_is_given_up(runner, impatient, tmp_path):
    with pytest.raises(DeviceError, match=r"^local gave no answer within 0\.5 s\."):
        real(endless(tmp_path), runner)


def test_a_runner_that_is_late_says_so(tmp_path):
    how = launch(LOCAL, probe(LOCAL), int8_relu(tmp_path), runner="native", threads=1)
    with (
        RunnerSession(LOCAL, how.words, model="relu.tflite", limit_s=1) as session,
        pytest.raises(DeviceError, match=r"relu\.tflite on local took too long|its time was up"),
    ):
        session.time_block(seconds=30)


NONSENSE = {
    "no JSON": b"Segmentation fault\n",
    "nothing in the line": b"\n",
    "half an answer": json.dumps(OPENED).encode()[:40] + b"\n",
    "a list": b"[1, 2]\n",
    "a number": b"1e999\n",
    "null": b"null\n",
    "no text": b"\xff\xfe\x00\n",
    "deep": b"[" * 100_000 + b"\n",
    "many digits": b'{"load_ns": ' + b"9" * 10_000 + b"}\n",
    "another object": {"samples_ns": [1]},
    "a member that is missing": {key: value for key, value in OPENED.items() if key != "cores"},
    "a member of another type": OPENED | {"load_ns": "soon"},
    "a fraction": OPENED | {"first_ns": 0.5},
    "no number": OPENED | {"first_ns": float("nan")},
    "tensors that are none": OPENED | {"inputs": [1]},
    "long": b"x" * 1_000_000 + b"\n",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_at_the_start(name, open_session):
    with pytest.raises(DeviceError, match=r"^The runner on local answered nonsense: ") as raised:
        open_session(NONSENSE[name])
    assert len(raised.value.message) < 600 and "\n" not in raised.value.message


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\n",
        {},
        BLOCK | {"samples_ns": []},
        BLOCK | {"samples_ns": [5, -7]},
        BLOCK | {"samples_ns": [0]},
        BLOCK | {"samples_ns": [1.5]},
        BLOCK | {"samples_ns": None},
        BLOCK | {"core": None},
        BLOCK | {"inferences": 0},
        BLOCK | {"inferences": 3},
    ],
)
def test_times_that_cannot_be(answer, open_session):
    with (
        open_session(OPENED, answer) as session,
        pytest.raises(DeviceError, match=r"^The runner on local answered (nonsense|with times that cannot be)"),
    ):
        session.time_block(runs=2)


def test_a_block_as_it_should_be(open_session):
    with open_session(OPENED, BLOCK, BLOCK | {"start_ns": 1001}) as session:
        first, second = session.time_block(), session.time_block()
        assert first.samples_ns == (5, 7)
        assert session.clock_offset(50_001, first) == 50_000 == session.clock_offset(70_000, second)


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        ({"refusal": "tensor x is odd."}, RuntimeRefusal, "local refused m.tflite: tensor x is odd."),
        ({"refusal": "r" * 5000}, RuntimeRefusal, f"local refused m.tflite: {'r' * 300}."),
        ({"refusal": None}, RuntimeRefusal, "local refused m.tflite: None."),
        ({"crash": "Aborted"}, RuntimeRefusal, "The runtime crashed on m.tflite on local (Aborted)."),
        ({"late": 3}, DeviceError, "The measurement of m.tflite on local took too long, and was ended."),
    ],
)
def test_what_a_runner_says_of_its_end(answer, error, reason, open_session):
    with pytest.raises(error) as raised:
        open_session(answer)
    assert raised.value.message == reason
    with open_session(OPENED, answer) as session, pytest.raises(error) as raised:
        session.report()
    assert raised.value.message == reason


TIME = {"name": "conv", "kind": "CONV", "node": 0, "elapsed_us": [1]}
NODE = {"cat": "Node", "name": "conv_kernel_time", "args": {"op_name": "Conv"}, "dur": 1, "ts": 1}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"operators": None},
        {"operators": [1]},
        {"operators": [{"name": "x"}]},
        {"operators": [TIME | {"elapsed_us": [float("nan")]}]},
        {"operators": [TIME | {"elapsed_us": [float("inf")]}]},
        {"operators": [TIME | {"elapsed_us": [-1]}]},
        {"operators": [TIME | {"elapsed_us": []}]},
        {"operators": [TIME | {"elapsed_us": 1}]},
        {"operators": [TIME | {"node": -2}]},
        {"operators": [TIME | {"node": "first"}]},
        {"trace": []},
        {"trace": 1, "warm_up": 3},
        {"trace": [1], "warm_up": 3},
        {"trace": [NODE], "warm_up": "three"},
        {"trace": [NODE], "warm_up": float("inf")},
        {"trace": [NODE | {"dur": "long"}], "warm_up": 0},
        {"trace": [NODE | {"dur": 10**400}], "warm_up": 0},
        {"trace": [NODE | {"dur": -1}], "warm_up": 0},
        {"trace": [NODE | {"args": {}}], "warm_up": 0},
        {"trace": [NODE | {"args": {"op_name": []}}], "warm_up": 0},
        {"trace": [NODE | {"name": 7}], "warm_up": 0},
        {"trace": [NODE, NODE | {"ts": "then"}], "warm_up": 0},
    ],
)
def test_operators_of_an_unknown_form_lose_only_themselves(answer, open_session):
    with open_session(OPENED, answer, BLOCK) as session:
        with pytest.raises(RuntimeRefusal, match=r"^The operators' times from local are of an unknown form\."):
            session.operator_times(runs=3)
        assert session.time_block().samples_ns == (5, 7)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "args", "op_name", "dur", "ts", "cat"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["operators", "trace"]), ANYTHING, ANYTHING)
def test_whatever_is_said_of_operators_is_a_table_or_a_refusal(open_session, key, value, warm_up):
    with open_session(OPENED, {key: value, "warm_up": warm_up}) as session:
        try:
            table, note = session.operator_times(runs=3)
        except (RuntimeRefusal, DeviceError):
            return
    assert all(0 <= each.time_ns < float("inf") for each in table) and isinstance(note, str)


def test_a_line_without_an_end_is_bounded(open_session, monkeypatch):
    monkeypatch.setattr(channel, "MAX_OUTPUT_BYTES", 1 << 20)
    with pytest.raises(DeviceError, match=r"^local answered with more than 1048576 bytes\."):
        RunnerSession(LOCAL, ["sh", "-c", "yes | tr -d '\\n'"], model="m.tflite", limit_s=30)


def test_silence(impatient, open_session):
    with pytest.raises(DeviceError, match=r"^local gave no answer within 0\.5 s\."):
        RunnerSession(LOCAL, ["sh", "-c", "cat >/dev/null"], model="m.tflite", limit_s=30)
    with open_session(OPENED, b"") as session, pytest.raises(DeviceError, match=r"gave no answer within 0\.5 s"):
        session.report()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 0", "The runner on local ended early: exit status 0, without a word."),
        ("kill -9 $$", "The runner on local was killed. Has the device too little memory?"),
        ("printf half; exit 3", "The runner on local ended early: exit status 3, without a word."),
        ("echo 'no such file.' >&2; exit 127", "The runner on local ended early: no such file."),
        ("yes words | head -c 120000 >&2", "The runner on local ended early: words."),
    ],
)
def test_a_runner_that_dies(script, reason):
    with pytest.raises(DeviceError) as raised:
        RunnerSession(LOCAL, ["sh", "-c", script], model="m.tflite", limit_s=30)
    assert str(raised.value) == reason


def test_a_runner_that_dies_later(open_session):
    with open_session(OPENED) as session:
        for _ in range(2):  # the second request finds nobody at the other end
            with pytest.raises(DeviceError, match="The runner on local ended early: exit status 0"):
                session.report()


def test_a_runner_that_stays_is_killed():
    """Though it does not read."""
    with pytest.raises(DeviceError, match="answered nonsense: 'nonsense'"):
        RunnerSession(LOCAL, ["sh", "-c", "echo nonsense; exec sleep 20"], model="m.tflite", limit_s=20)


@pytest.mark.parametrize(
    "change",
    [{"samples_ns": [10**400]}, {"cpu_ns": -1}, {"start_ns": 10**400}, {"core": -5}, {"clock_khz": -1}, {"cores": -1}],
)
def test_a_block_that_cannot_be(change, open_session):
    with open_session(OPENED, BLOCK | change) as session, pytest.raises(DeviceError, match="nonsense"):
        session.time_block()


@pytest.mark.parametrize(
    "change",
    [{"load_ns": -1}, {"first_ns": 10**30}, {"model_memory_bytes": 10**400}, {"output_hash": "x\x1b[2J"},
     {"version": "v" * 999}],
)  # fmt: skip
def test_a_beginning_that_cannot_be(change, open_session):
    with pytest.raises(DeviceError, match="nonsense"):
        open_session(OPENED | change)
