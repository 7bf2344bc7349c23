import hashlib
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from edgecompress.errors import ModelFileError, RuntimeRefusal
from edgecompress.profiling import warmup
from edgecompress.profiling.protocol import OPERATOR_RUNS, profile
from edgecompress.profiling.statistics import compare, summarize
from edgecompress.runtimes.sample_files_test import FACE, TFLITE_FILES, endless, fixed_classifier

SHORT = {"processes": 2, "min_runs": 10, "min_seconds": 0.1, "max_seconds": 0.2}
LARGE = next(path for path in TFLITE_FILES if path.name == "face_detection_back.tflite")


def children():
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in listed.split()}


def wait_until_stopped(pid):
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] != "T":
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def no_child_is_left():
    before = children()
    yield
    assert children() <= before


@pytest.fixture(autouse=True)
def short_warm_up(monkeypatch):
    """On a machine that others load, times need not become flat."""
    monkeypatch.setattr(warmup, "MAX_S", 0.6)


def test_two_runtimes_against_one_another(tmp_path):
    paths = [FACE, fixed_classifier(tmp_path)]
    steps, before = [], children()

    def on_progress(what, done, total):
        steps.append((what, done, total))
        for pid in children() - before:  # between two blocks nobody may run; a signal takes a moment to arrive
            wait_until_stopped(pid)

    measurements = profile(paths, **SHORT, seed=5, device="this desk", on_progress=on_progress)

    assert [each.artifact for each in measurements] == [str(path) for path in paths]
    assert [each.runtime.split(" ")[0] for each in measurements] == ["LiteRT", "ONNX"]
    for each, path in zip(measurements, paths, strict=True):
        assert each.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (each.device, each.threads, each.processes) == ("this desk", 1, 2)
        assert len(each.load_ns) == len(each.first_ns) == len(each.samples_ns) == 2
        assert min(*each.load_ns, *each.first_ns, *map(min, each.samples_ns)) > 0
        assert each.steady == summarize(each.samples_ns, seed=5)
        assert 0 < each.model_memory_bytes < each.peak_memory_bytes
        assert each.operators and str(OPERATOR_RUNS) in each.conditions["operators"]
        assert each.conditions["interleaved"] == [str(path) for path in paths]
        assert each.conditions["before"].keys() == each.conditions["after"].keys()
        assert [warm["seconds"] >= 0.5 for warm in each.conditions["warm_up"]] == [True, True]
        assert json.loads(json.dumps(asdict(each)))["conditions"] == each.conditions
    done = [step[1] for step in steps]
    assert done == sorted(done) and steps[-1] == ("threads: 1", 200, 200)


def test_each_thread_count_is_measured():
    measurements = profile([FACE], threads=(1, 2), **SHORT | {"processes": 1})
    assert [each.threads for each in measurements] == [1, 2]


def test_a_round_ends_at_the_cap_or_when_it_is_precise():
    (capped,) = profile([FACE], **SHORT | {"half_width": 0.0})
    (precise,) = profile([FACE], **SHORT | {"half_width": 1e9, "max_seconds": 60.0})
    for each, least_s in ((capped, 0.2), (precise, 0.1)):
        assert all(sum(series) >= least_s * 1e9 for series in each.samples_ns)
    assert not capped.conditions["precise"] and precise.conditions["precise"]


def test_a_tenfold_difference_is_seen():
    small, large = profile([FACE, LARGE], **SHORT | {"processes": 3})
    result = compare(small.samples_ns, large.samples_ns)
    assert result.verdict == "slower" and result.ratio > 2


@pytest.mark.parametrize(("crashing", "reason"), [(False, "refused"), (True, "crashed (SIGSEGV)")])
def test_without_operator_times_the_measurement_is_intact(crashing, reason, tmp_path):
    """The profiler loads the file again, and by then it is gone, or another that crashes LiteRT."""
    path = tmp_path / "model.tflite"
    path.write_bytes(FACE.read_bytes())

    def on_progress(what, done, total):
        if done > 0:
            path.unlink(missing_ok=True)
            if crashing:
                endless(tmp_path, recursive=True, shape=(1, 128, 128, 3)).rename(path)

    (measurement,) = profile([path], **SHORT | {"processes": 1}, on_progress=on_progress)
    assert measurement.operators == () and reason in measurement.conditions["operators"]
    assert measurement.steady.count == len(measurement.samples_ns[0]) >= 10


def test_an_artifact_that_does_not_run_is_named(tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"broken")
    with pytest.raises(RuntimeRefusal, match=r"broken\.tflite"):
        profile([FACE, tmp_path / "broken.tflite"], **SHORT)
    with pytest.raises(ModelFileError, match=r"missing\.tflite"):
        profile([tmp_path / "missing.tflite"], **SHORT)
