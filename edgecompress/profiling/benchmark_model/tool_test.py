import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import DeviceError
from edgecompress.profiling.benchmark_model.tool import (
    TEXT_LIMIT,
    BenchmarkOutput,
    arguments,
    parse_operators_csv,
    parse_output,
)
from edgecompress.values import OperatorTime

TESTDATA = Path(__file__).parent / "testdata"
RECORDED = {
    "tensorflow_2020_profiled.txt": BenchmarkOutput(
        init_ns=855_000,
        first_ns=49_060_000,
        count=50,
        mean_ns=33_209_400,
        min_ns=32_641_000,
        max_ns=34_005_000,
        std_ns=450_000,
        p5_ns=None,
        median_ns=None,
        p95_ns=None,
        peak_memory_bytes=None,
        model_memory_bytes=13_492_237,  # 12.8672 MiB
    ),
    "tensorflow_peak_memory.txt": BenchmarkOutput(
        init_ns=3_337_000,
        first_ns=81_913_000,
        count=1061,
        mean_ns=56_265_800,
        min_ns=54_669_000,
        max_ns=60_236_000,
        std_ns=982_000,
        p5_ns=None,
        median_ns=None,
        p95_ns=None,
        peak_memory_bytes=97_767_444,  # 93.2383 MiB
        model_memory_bytes=None,
    ),
    "tensorflow_2_20_percentiles.txt": BenchmarkOutput(
        init_ns=5_579_000,
        first_ns=1_357_602_000,
        count=50,
        mean_ns=1_240_270_000,
        min_ns=1_238_588_000,
        max_ns=1_252_566_000,
        std_ns=2_565_000,
        p5_ns=1_238_753_000,
        median_ns=1_239_807_000,
        p95_ns=1_247_415_000,
        peak_memory_bytes=None,
        model_memory_bytes=115_167_199,  # 109.832 MiB
    ),
    "litert_profiled.txt": BenchmarkOutput(
        init_ns=4_480_000,
        first_ns=1_033_000,
        count=2112,
        mean_ns=464_545,
        min_ns=442_000,
        max_ns=979_000,
        std_ns=13_000,
        p5_ns=460_000,
        median_ns=462_000,
        p95_ns=478_000,
        peak_memory_bytes=None,
        model_memory_bytes=12_069_110,  # 11.51 MiB
    ),
}
GOOD = (TESTDATA / "tensorflow_2_20_percentiles.txt").read_text()
OPERATORS = (TESTDATA / "operators_with_start.csv").read_text()
MEASURED = "first=1249964 curr=1240143 min=1238588 max=1252566"


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_output(name):
    assert parse_output((TESTDATA / name).read_text()) == RECORDED[name]


@pytest.mark.parametrize("name", RECORDED)
def test_the_lines_of_a_phones_log(name):
    lines = (TESTDATA / name).read_text().splitlines()
    log = "\r\n".join(f"07-14 13:14:52.097 22838 22838 I tflite  : {line}" for line in lines)
    assert parse_output(log) == RECORDED[name]


def test_of_two_runs_the_last_counts():
    old = (TESTDATA / "tensorflow_peak_memory.txt").read_text()
    assert parse_output(old + GOOD).count == 50
    assert parse_output(GOOD + old).median_ns is None


def test_the_order_of_the_two_streams_does_not_matter():
    lines = (TESTDATA / "litert_profiled.txt").read_text().splitlines(keepends=True)
    errors = [line for line in lines if "benchmark_litert_model.h" in line]
    output = [line for line in lines if "benchmark_litert_model.h" not in line]
    assert parse_output("".join(errors + output)) == RECORDED["litert_profiled.txt"]


def test_a_peak_in_litert_s_words():
    text = (TESTDATA / "litert_profiled.txt").read_text()
    assert parse_output(text + "INFO: [a.h:1] Peak memory:          20.50 MB\n").peak_memory_bytes == 21_495_808


def series_text(samples, *, percentiles):
    """One line of statistics: the mean with the six digits of a C++ stream, the rest in whole microseconds."""
    text = f"count={len(samples)}"
    if min(samples) == max(samples):
        text += f" curr={samples[-1]}" + ("(all same)" if len(samples) > 1 else "")
    else:
        text += f" first={samples[0]} curr={samples[-1]} min={min(samples)} max={max(samples)}"
        text += f" avg={mean_text(samples)} std={int(statistics.pstdev(samples))}"
    if percentiles:
        quantiles = [sorted(samples)[len(samples) * each // 100] for each in (5, 50, 95)]
        text += " p5={} median={} p95={}".format(*quantiles)
    return text


def mean_text(samples):
    return f"{statistics.fmean(samples):.6g}"


def summary_text(init, warm_up, samples):
    return (
        f"Inference timings in us: Init: {init}, First inference: {warm_up[0]}, "
        f"Warmup (avg): {mean_text(warm_up)}, Inference (avg): {mean_text(samples)}"
    )


def litert_summary_text(init, warm_up, samples):
    return "\n".join(
        (
            "[a.h:1] ",
            "========== BENCHMARK RESULTS ==========",
            f"INFO: [a.h:2] Model initialization: {init / 1000:.2f} ms",
            f"INFO: [a.h:3] Warmup (first):       {warm_up[0] / 1000:.2f} ms",
            f"INFO: [a.h:4] Warmup (avg):         {statistics.fmean(warm_up) / 1000:.2f} ms ({len(warm_up)} runs)",
            f"INFO: [a.h:5] Inference (avg):      {statistics.fmean(samples) / 1000:.2f} ms ({len(samples)} runs)",
        )
    )


MICROSECONDS = st.one_of(st.integers(0, 100), st.integers(0, 10**9))
SAMPLES = st.one_of(
    st.lists(MICROSECONDS, min_size=1, max_size=30), st.builds(lambda v, n: [v] * n, MICROSECONDS, st.integers(1, 9))
)


@given(MICROSECONDS, SAMPLES, SAMPLES, st.booleans(), st.booleans(), st.sampled_from(["", "INFO: "]))
def test_what_the_format_strings_make_reads_back(init, warm_up, samples, percentiles, litert, prefix):
    summary = (litert_summary_text if litert else summary_text)(init, warm_up, samples)
    parts = (
        series_text(warm_up, percentiles=percentiles),
        "",
        series_text(samples, percentiles=percentiles),
        "",
        summary,
    )
    found = parse_output("\n".join(prefix + part for part in parts))
    assert found.init_ns == pytest.approx(1000 * init, abs=5001 if litert else 0)
    assert (found.first_ns, found.count) == (1000 * warm_up[0], len(samples))
    assert (found.min_ns, found.max_ns) == (1000 * min(samples), 1000 * max(samples))
    assert found.mean_ns == pytest.approx(1000 * statistics.fmean(samples), rel=5.1e-6, abs=1)
    assert found.std_ns == 1000 * int(statistics.pstdev(samples))
    if percentiles:
        ordered = sorted(samples)
        assert found.p5_ns == 1000 * ordered[len(samples) * 5 // 100]
        assert found.median_ns == 1000 * ordered[len(samples) // 2]
        assert found.p95_ns == 1000 * ordered[len(samples) * 95 // 100]
    else:
        assert found.median_ns == (1000 * samples[0] if len(set(samples)) == 1 else None)


def test_a_cut_before_the_end_of_the_summary_is_refused():
    end = GOOD.index("Inference (avg): 1.24027e+06") + len("Inference (avg): 1.24027e+06")
    for length in range(end):
        with pytest.raises(DeviceError):
            parse_output(GOOD[:length])
    assert parse_output(GOOD[:end]).mean_ns == 1_240_270_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("count=50", "count=-50"),
        ("count=50", "count=0"),
        ("count=50", "count=1.5"),
        ("count=50", "count="),
        ("count=50", "count=" + "9" * 5000),
        ("avg=1.24027e+06", "avg=nan"),
        ("avg=1.24027e+06", "avg=1.24028e+06"),
        ("avg=1.24027e+06 std=2565 p5=1238753 median=1239807", "avg=1.3e+06 std=2565 p5=1238753 median=1239807"),
        ("avg=1.24027e+06", "avg=1e+999"),
        ("Init: 5579", "Init: inf"),
        ("Init: 5579", "Init: ٣"),
        ("Init: 5579", "Init: 99999999999999999"),
        ("min=1238588", "min=1250000"),
        ("max=1252566", "max=1"),
        ("min=1238588", "low=1238588"),
        ("median=1239807", "median=1"),
        ("1.24027e+06", "1.2e+06"),  # in both places, so that only the minimum speaks against it
        ("median=1239807", "middle=1239807"),
        (f"INFO: count=50 {MEASURED}", f"Timings (microseconds): count=50 {MEASURED}"),
        ("overall=109.832", "overall=nan"),
        ("overall=109.832", "overall=1e+30"),
        ("overall=109.832", "overall=-1"),
        ("STARTING", "\0"),
        ("STARTING", "x" * TEXT_LIMIT),
    ],
)
def test_a_damaged_output_is_refused(old, new):
    assert old in GOOD
    with pytest.raises(DeviceError):
        parse_output(GOOD.replace(old, new))


@given(st.text(), st.integers(0, len(GOOD)), st.integers(0, 200))
def test_hostile_output_raises_nothing_else(noise, start, length):
    try:
        parse_output(GOOD[:start] + noise + GOOD[start + length :])
    except DeviceError as error:
        assert len(error.message) < 500 and "\n" not in error.message


@given(st.text(), st.integers(0, len(OPERATORS)), st.integers(0, 200))
def test_a_hostile_table_raises_nothing_else(noise, start, length):
    try:
        parse_operators_csv(OPERATORS[:start] + noise + OPERATORS[start + length :])
    except DeviceError as error:
        assert len(error.message) < 500 and "\n" not in error.message


def test_a_recorded_failure_names_its_error():
    text = (TESTDATA / "tensorflow_2024_failed.txt").read_text()
    for each in (text, text + "ERROR: Benchmarking failed.\n"):
        with pytest.raises(DeviceError, match="Tensor 36 has invalid quantization parameters"):
            parse_output(each)


def test_a_failure_counts_even_after_a_summary():
    with pytest.raises(DeviceError, match=r"failed on the device\. .*ERROR: Node number 5"):
        parse_output(GOOD + "ERROR: Node number 5 (ADD) failed to invoke.\nBenchmarking failed.\n")


def test_what_the_shell_says_is_passed_on():
    with pytest.raises(DeviceError, match="not executable: 64-bit ELF file"):
        parse_output("/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file\n")
    with pytest.raises(DeviceError, match="nothing"):
        parse_output("")


def test_a_tool_that_is_too_old_is_named():
    with pytest.raises(DeviceError, match="too old"):
        parse_output(
            "count=1 curr=5\ncount=2 curr=5(all same)\nAverage inference timings in us: Warmup: 5, Init: 3, no stats: 5"
        )


def test_the_recorded_operators():
    found = parse_operators_csv(OPERATORS)
    assert len(found) == 12
    assert found[0] == OperatorTime("[sequential_11/conv2d_33/Conv2D]:0", "CONV_2D", pytest.approx(93_038.8), 1)
    assert found[7] == OperatorTime("[sequential_11/conv2d_35/Elu]:7", "ELU", pytest.approx(868.238), 1)
    assert found[-1] == OperatorTime("[Identity]:11", "SOFTMAX", pytest.approx(342.312), 1)


NEWER_HEADER = "node type, first, avg_ms, %, cdf%, mem KB, times called, name"


def newer_csv(*rows, header=NEWER_HEADER, end="\n"):
    title = "Operator-wise Profiling Info for Regular Benchmark Runs:\n============ Run Order ============\n"
    return title + "\n".join((header, *rows)) + "\n" + end


def test_operators_of_the_newer_columns_with_commas_and_several_calls():
    found = parse_operators_csv(
        newer_csv(
            "Convolution (NHWC, QC8) DWConv, 0.428, 0.051, 4%, 8%, 0, 13, Delegate/Convolution (NHWC\t QC8) DWConv:1",
            "ADD, 0.1, 0.002, -nan%, inf%, 0, 0, [a, b]:2",
        )
    )
    assert found == (
        OperatorTime(
            "Delegate/Convolution (NHWC, QC8) DWConv:1", "Convolution (NHWC, QC8) DWConv", pytest.approx(663_000), 13
        ),
        OperatorTime("[a, b]:2", "ADD", pytest.approx(2000), 1),
    )


def test_only_the_primary_graph_s_table_is_read():
    assert (
        len(parse_operators_csv(newer_csv("ADD, 1, 1, 1%, 1%, 0, 1, a:0") + "Delegate internal:\n" + NEWER_HEADER)) == 1
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ADD", "Fully Connected (NC, F32) GEMM", "LiteRT::Run[Buffer sync]"]),
            st.integers(0, 10**7),
            st.integers(0, 50),
            st.sampled_from(["[a/b]:1", "[x, y]:2", "Delegate/Add (ND, QS8):34"]),
        ),
        min_size=1,
        max_size=20,
    ),
    st.booleans(),
    st.booleans(),
)
def test_a_table_of_the_format_strings_reads_back(rows, with_start, tabs):
    lines = [
        f"{kind}, {'0.5, ' if with_start else ''}{mean / 1000:.6g}, {mean / 1000:.6g}, 10%, 20.5%, 0, {calls}, "
        + (name.replace(",", "\t") if tabs else name)
        for kind, mean, calls, name in rows
    ]
    header = NEWER_HEADER.replace("first", "start, first") if with_start else NEWER_HEADER
    found = parse_operators_csv(newer_csv(*lines, header=header))
    assert [(each.kind, each.name, each.calls_per_inference) for each in found] == [
        (kind, name, max(calls, 1)) for kind, _, calls, name in rows
    ]
    for each, (_, mean, calls, _) in zip(found, rows, strict=True):
        assert each.time_ns == pytest.approx(1000 * mean * max(calls, 1), rel=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        OPERATORS.replace("Operator-wise", "Other"),
        newer_csv(),
        newer_csv("ADD, 1, 1, 1%, 1%, 0, 1, a:0", end=""),
        newer_csv("ADD, 1, 1, 1%, 1%, 0, 1"),
        newer_csv("ADD, 1, nan, 1%, 1%, 0, 1, a:0"),
        newer_csv("ADD, 1, 1e+300, 1%, 1%, 0, 1, a:0"),
        newer_csv("ADD, 1, 1, 1%, 1%, 0, -1, a:0"),
        newer_csv("ADD, 1, one, 1%, 1%, 0, 1, a:0"),
        newer_csv("ADD, 1, 1, 1%, 1%, 0, 1, a\0:0"),
        newer_csv("ADD, 1, 1, 1%, 1%, 0, 1, a:0", header="node type, first, %, name"),
        newer_csv("ADD, 1, 1, 1%, 1%, 0, 1, a:0", header=NEWER_HEADER.replace("first", "first, " * 30 + "first")),
        newer_csv("A" * TEXT_LIMIT + ", 1, 1, 1%, 1%, 0, 1, a:0"),
    ],
)
def test_a_damaged_table_is_refused(text):
    with pytest.raises(DeviceError):
        parse_operators_csv(text)


def test_the_arguments():
    found = arguments("/data/local/tmp/a b.tflite", threads=4, runs=50, seconds=1.5, max_seconds=60)
    assert found == [
        "--graph=/data/local/tmp/a b.tflite",
        "--num_threads=4",
        "--num_runs=50",
        "--min_secs=1.5",
        "--max_secs=60",
        "--warmup_runs=1",
        "--warmup_min_secs=0.5",
        "--report_peak_memory_footprint=true",
    ]


def test_the_arguments_name_the_operators_file_for_old_and_new_tools():
    found = arguments("m", threads=1, runs=1, seconds=0, max_seconds=1, operators_csv="/tmp/o.csv")
    assert found[-4:] == [
        "--enable_op_profiling=true",
        "--op_profiling_output_mode=csv",
        "--op_profiling_output_file=/tmp/o.csv",
        "--profiling_output_csv_file=/tmp/o.csv",
    ]
