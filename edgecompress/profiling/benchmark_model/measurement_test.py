import json
from dataclasses import asdict
from pathlib import Path

import pytest

from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError, UnsupportedModelError
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.benchmark_model.measurement import profile_with_benchmark_model
from edgecompress.profiling.benchmark_model.tool import parse_operators_csv, parse_output
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.statistics import summarize
from edgecompress.storage import sha256_of
from edgecompress.testing.sample_files import fixed_classifier, int8_relu, partly_delegated

TESTDATA = Path(__file__).parent / "testdata"
WITH_MEDIAN = TESTDATA / "tensorflow_2_20_percentiles.txt"
WITHOUT_MEDIAN = TESTDATA / "tensorflow_peak_memory.txt"
OPERATORS = TESTDATA / "operators_with_start.csv"

# Replays a recorded output, notes its arguments down, and writes the operators' table where it is asked to.
REPLAY = """#!/bin/sh
echo "$@" >> "{folder}/calls"
for each in "$@"; do
  case $each in --op_profiling_output_file=*) [ -z "{table}" ] || cat "{table}" > "${{each#*=}}" ;; esac
done
cat "{output}"
exit {status}
"""


@pytest.fixture
def made(tmp_path):
    """Makes a tool; the transport's folder is there, as `place` makes it on other devices."""
    (tmp_path / "device").mkdir()

    def make(output, *, table="", status=0):
        tool = tmp_path / "benchmark_model"
        tool.write_text(REPLAY.format(folder=tmp_path, output=output, table=table, status=status))
        tool.chmod(0o755)
        return tool

    return make


def measure(tool, paths, **options):
    with Bench(LocalTransport(tool.parent / "device"), Plan(**options)) as bench:
        return profile_with_benchmark_model(bench, tool, paths)


def calls(tool):
    return (tool.parent / "calls").read_text().splitlines()


@pytest.mark.parametrize("recorded", [WITH_MEDIAN, WITHOUT_MEDIAN])
def test_the_figures_are_the_tool_s(recorded, made, tmp_path):
    path, told = int8_relu(tmp_path), parse_output(recorded.read_text())
    (found,) = measure(made(recorded), [path], processes=3, seed=4)

    middle_ns = told.mean_ns if told.median_ns is None else told.median_ns
    assert (found.artifact, found.sha256, found.device) == (str(path), sha256_of(path), "local")
    assert (found.runner, found.threads, found.processes) == ("benchmark_model", 1, 3)
    assert found.samples_ns == ((middle_ns,),) * 3
    assert found.steady == summarize([[middle_ns]] * 3)
    assert (found.load_ns, found.compile_ns, found.first_ns) == ((told.init_ns,) * 3, (0,) * 3, (told.first_ns,) * 3)
    assert found.peak_memory_bytes == (told.peak_memory_bytes or 0)
    assert found.model_memory_bytes == (told.model_memory_bytes or 0)
    assert found.conditions["runs"] == [asdict(told)] * 3
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["conditions"] == found.conditions


def test_processes_take_turns_for_each_thread_count(made, tmp_path):
    paths = [int8_relu(tmp_path), partly_delegated(tmp_path)]
    tool = made(WITH_MEDIAN)
    found = measure(tool, paths, processes=2, threads=(1, 4))
    assert [(each.artifact, each.threads) for each in found] == [(str(p), t) for t in (1, 4) for p in paths]
    timed = [call for call in calls(tool) if "op_profiling" not in call]
    for turn, threads in enumerate((1, 1, 4, 4)):
        two = timed[2 * turn : 2 * turn + 2]
        assert {next(str(path) for path in paths if f"--graph={path} " in call) for call in two} == set(map(str, paths))
        assert all(f"--num_threads={threads} " in call for call in two)
    assert len(timed) == 8 and len(calls(tool)) == 12  # and one for the operators of each


def test_operators_come_from_a_run_of_their_own(made, tmp_path):
    tool = made(WITH_MEDIAN, table=OPERATORS)
    (found,) = measure(tool, [int8_relu(tmp_path)], processes=2)
    assert found.operators == parse_operators_csv(OPERATORS.read_text())
    assert ["op_profiling" in call for call in calls(tool)] == [False, False, True]
    assert list((tmp_path / "device").iterdir()) == []


def test_without_a_table_the_reason_is_noted(made, tmp_path):
    (found,) = measure(made(WITH_MEDIAN), [int8_relu(tmp_path)], processes=1)
    assert found.operators == () and "writes no table" in found.conditions["operators"]


def test_a_tool_that_fails_is_quoted(made, tmp_path):
    tool = made(TESTDATA / "tensorflow_2024_failed.txt", status=1)
    with pytest.raises(DeviceError, match=r'^benchmark_model .+ It said "ERROR: Tensor 36 has invalid .+"'):
        measure(tool, [int8_relu(tmp_path)])


def test_a_tool_that_is_not_executable_says_why(made, tmp_path):
    tool = made(WITH_MEDIAN)
    tool.chmod(0o644)
    with pytest.raises(DeviceError, match=r"^benchmark_model ended without its summary.* Permission denied"):
        measure(tool, [int8_relu(tmp_path)])


def test_a_tool_that_is_missing_is_named(tmp_path):
    with pytest.raises(DeviceError, match=r"^There is no file '.*/benchmark_model'\. Give the path of a "):
        measure(tmp_path / "benchmark_model", [int8_relu(tmp_path)])


def test_an_onnx_file_is_refused_before_anything_runs(made, tmp_path):
    tool = made(WITH_MEDIAN)
    with pytest.raises(UnsupportedModelError, match=r"^benchmark_model runs TFLite files, not classifier\.onnx\.$"):
        measure(tool, [int8_relu(tmp_path), fixed_classifier(tmp_path)])
    assert not (tmp_path / "calls").exists()
