import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path

import psutil
import pytest

from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import ModelFileError, RuntimeRefusal
from edgecompress.profiling import bench as bench_module
from edgecompress.profiling import track, warmup
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.operators.times import RUNS
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.protocol import profile
from edgecompress.profiling.statistics import compare, summarize
from edgecompress.testing.sample_files import FACE, TFLITE_FILES, fixed_classifier, partly_delegated

SHORT = Plan(processes=2, min_runs=10, min_seconds=0.1, max_seconds=0.2, repeats=0, busy_pause_s=0.0)
BUSY = "the machine was busy: "
LARGE = next(path for path in TFLITE_FILES if path.name == "face_detection_back.tflite")


def children():
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in listed.split()}


@pytest.fixture(autouse=True)
def no_child_is_left(own_children):
    before = children()
    yield
    assert children() <= before


@pytest.fixture(autouse=True)
def short_warm_up(monkeypatch):
    """On a machine that others load, times need not become flat."""
    monkeypatch.setattr(warmup, "MAX_S", 0.6)


def measure(paths, plan=SHORT, **options):
    with Bench(LocalTransport(), plan) as bench:
        return profile(bench, paths, **options)


@pytest.mark.parametrize("runner", ["native", "python"])
def test_two_runtimes_against_one_another(runner, tmp_path):
    paths, steps = [FACE, fixed_classifier(tmp_path)], []
    plan = replace(SHORT, seed=5, runner=runner)
    measurements = measure(paths, plan, on_progress=lambda *step: steps.append(step))

    assert [each.artifact for each in measurements] == [str(path) for path in paths]
    assert [each.runtime.split(" ")[0] for each in measurements] == ["LiteRT", "ONNX"]
    for each, path in zip(measurements, paths, strict=True):
        assert each.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (each.device, each.runner, each.threads, each.processes) == ("local", runner, 1, 2)
        assert len(each.load_ns) == len(each.compile_ns) == len(each.first_ns) == len(each.samples_ns) == 2
        assert min(*each.load_ns, *each.first_ns, *map(min, each.samples_ns)) > 0
        assert each.steady == summarize(each.samples_ns)
        assert 0 < each.model_memory_bytes < each.peak_memory_bytes
        assert each.cpu_ns > 0 and (not each.invalid or each.invalid.startswith(BUSY))  # by others than this test
        assert each.conditions["interleaved"] == [str(path) for path in paths]
        assert each.conditions["before"].keys() == each.conditions["after"].keys()
        assert [warm["seconds"] >= 0.5 for warm in each.conditions["warm_up"]] == [True, True]
        assert json.loads(json.dumps(asdict(each), allow_nan=False))["conditions"] == each.conditions
    assert measurements[1].operators and str(RUNS) in measurements[1].conditions["operators"]
    assert bool(measurements[0].operators) == (runner == "native")
    done = [step[1] for step in steps]
    assert done == sorted(done) and steps[-1] == ("local, threads: 1", 200, 200)


def test_between_blocks_no_runner_runs(tmp_path):
    """All are stopped: what one's threads still do would fall into another's time."""
    seen = []

    def on_progress(what, done, total):
        supervisors = [each for each in psutil.Process().children(recursive=True) if each.children()]
        for worker in (each.children()[0] for each in supervisors if "edgecompress-runner" in each.name()):
            deadline = time.monotonic() + 10
            while worker.status() != psutil.STATUS_STOPPED:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            seen.append(worker.pid)

    measure([FACE, fixed_classifier(tmp_path)], replace(SHORT, processes=1, runner="native"), on_progress=on_progress)
    assert len(set(seen)) >= 2


def test_operators_of_the_model_s_own_and_of_xnnpack(tmp_path):
    (measurement,) = measure([partly_delegated(tmp_path)], replace(SHORT, processes=1, runner="native"))
    names = [(each.name, each.kind) for each in measurement.operators]
    assert names[1] == ("accumulated", "CUMSUM")
    assert [name for name, _ in names] == ["doubled", "accumulated", "y"]


def test_each_thread_count_is_measured():
    measurements = measure([FACE], replace(SHORT, threads=(1, 2), processes=1))
    assert [each.threads for each in measurements] == [1, 2]


@pytest.mark.parametrize("set_aside", ["none", "every second"])
def test_the_timeline_holds_every_inference(set_aside, monkeypatch):
    """Those of blocks that are set aside, too; which blocks are is fixed here, and not left to what else runs."""
    blocks = count()
    monkeypatch.setattr(track, "is_disturbed", lambda *_, **__: set_aside != "none" and next(blocks) % 2 == 1)
    plan = replace(SHORT, processes=1, with_samples=True, repeats=0)  # a round that is repeated stays in the timeline
    with Bench(LocalTransport(), plan) as bench:
        (measurement,) = profile(bench, [FACE])
        timeline = bench.timeline()
    spans = [span for span in timeline.spans if span.lane.startswith("samples") and span.name == "inference"]
    shown, kept = [span.duration_ns for span in spans], list(measurement.samples_ns[0])
    assert Counter(shown) >= Counter(kept)
    assert shown == kept if set_aside == "none" else len(shown) > len(kept) or measurement.invalid
    assert min(span.start_ns for span in timeline.spans) >= 0
    assert {span.lane.split()[0] for span in timeline.spans} == {"processes", "warm-up", "samples", "operators"}


def test_a_round_ends_at_the_cap_or_when_it_is_precise():
    (capped,) = measure([FACE], replace(SHORT, half_width=0.0))
    (precise,) = measure([FACE], replace(SHORT, half_width=1e9, max_seconds=60.0))
    for each, least_s in ((capped, 0.2), (precise, 0.1)):
        assert all(sum(series) >= least_s * 1e9 for series in each.samples_ns)
    assert not capped.conditions["precise"] and precise.conditions["precise"]


def test_a_tenfold_difference_is_seen():
    small, large = measure([FACE, LARGE], replace(SHORT, processes=4))
    result = compare(small.samples_ns, large.samples_ns)
    assert result.verdict == "slower" and result.ratio > 2


def test_without_operator_times_the_measurement_is_intact(tmp_path):
    """ONNX Runtime's profiler loads the file again, and by then it is gone."""
    path = fixed_classifier(tmp_path)
    plan = replace(SHORT, processes=1)
    (measurement,) = measure([path], plan, on_progress=lambda what, done, total: done and path.write_bytes(b"gone"))
    assert measurement.operators == () and "refused" in measurement.conditions["operators"]
    assert measurement.steady.count == len(measurement.samples_ns[0]) >= 10


@contextlib.contextmanager
def load(processes, core=None):
    """That many processes that want a core all the time; each in a session, by which some kernels share cores out."""
    spin = [sys.executable, "-S", "-c", "while True: pass"]
    others = [subprocess.Popen(spin, start_new_session=True) for _ in range(processes)]
    try:
        if core is not None:
            for other in others:
                os.sched_setaffinity(other.pid, {core})
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@contextlib.contextmanager
def busy_core():
    """Two processes that want one core, and the mask by which a plan measures on that core alone."""
    core = min(os.sched_getaffinity(0))
    with load(2, core):
        yield f"{1 << core:x}"


@pytest.mark.parametrize(("runner", "path"), [("native", FACE), ("native", LARGE), ("python", LARGE)])
def test_on_a_busy_machine_no_wrong_figure_is_valid(runner, path, monkeypatch):
    """As many processes as cores leave it one now and then, and then the figure is right; two on its one core never.

    What is right is known all the same: the processor time of an inference, which waiting does not change. A median
    lies above it by 2 % at the most, as the marks allow, and by what the mean has less than the median.
    """
    cores = len(os.sched_getaffinity(0))
    plan = replace(SHORT, processes=1, runner=runner, repeats=1)
    monkeypatch.setattr(warmup, "MIN_S", 0.1)
    with load(cores):
        (measurement,) = measure([path], plan)
    assert measurement.invalid.startswith(BUSY) or measurement.steady.p50_ns <= 1.1 * measurement.cpu_ns
    with busy_core() as mask:
        (measurement,) = measure([path], replace(plan, cores=mask))
    assert measurement.invalid.startswith(f"{BUSY}the model could not run for ")
    assert all(note.startswith(f"a round was repeated: {BUSY}") for note in measurement.conditions["notes"])
    assert len(measurement.conditions["notes"]) == plan.repeats
    assert measurement.steady.count == len(measurement.samples_ns[0]) > 0  # they are there, for whoever wants to look


def test_several_threads_on_a_busy_machine():
    cores = len(os.sched_getaffinity(0))
    with load(2 * cores):
        (measurement,) = measure([LARGE], replace(SHORT, processes=1, threads=(2,), runner="native"))
    assert measurement.invalid.startswith(BUSY)


def test_what_is_invalid_is_not_repeated_any_longer():
    with busy_core() as mask:
        (measurement,) = measure([FACE], replace(SHORT, processes=2, repeats=1, cores=mask))
    assert len(measurement.conditions["notes"]) == 1 and measurement.processes == 2


def test_conditions_say_what_others_did():
    (measurement,) = measure([FACE], replace(SHORT, processes=1))
    found = measurement.conditions
    assert found["blocks"][0] >= 1 and found["disturbed_blocks"][0] >= 0
    assert found["others_cores"][0] >= 0 and found["not_told"] == []


def test_a_phone_that_sleeps_is_invalid_at_once_and_no_round_is_repeated(monkeypatch):
    """The conditions of this machine, with what a phone would say besides."""
    told = bench_module.snapshot

    def asleep(*arguments, **options):
        clocks = {"0-63": {"governor": "schedutil", "now_mhz": 600.0, "limit_mhz": 600.0, "max_mhz": 1800.0}}
        return {**told(*arguments, **options), "awake": False, "clocks": clocks}

    monkeypatch.setattr(bench_module, "snapshot", asleep)
    (measurement,) = measure([FACE], replace(SHORT, processes=1, repeats=2, cool_down_s=0.0))
    assert measurement.invalid.startswith("the screen was off") and measurement.conditions["notes"] == []
    assert "cores 0-63 were limited to 600 of 1800 MHz" in measurement.conditions["remarks"]
    assert "governor schedutil, 600 (idle) of 600 MHz (limited from 1800)" in measurement.conditions["line"]


def test_more_threads_than_cores_are_a_remark():
    (measurement,) = measure([FACE], replace(SHORT, processes=1, threads=(2,), cores="1"))
    assert "2 threads shared 1 core" in measurement.conditions["remarks"]


def test_an_artifact_that_does_not_run_is_named(tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"broken")
    with pytest.raises(RuntimeRefusal, match=r"broken\.tflite"):
        measure([FACE, tmp_path / "broken.tflite"])
    with pytest.raises(ModelFileError, match=r"missing\.tflite"):
        measure([tmp_path / "missing.tflite"])
