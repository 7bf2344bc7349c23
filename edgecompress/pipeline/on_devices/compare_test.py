import re
import tempfile
from dataclasses import replace

import numpy as np
import pytest

from edgecompress.pipeline.on_devices import compare as module
from edgecompress.pipeline.on_devices.compare import DeviceVerdict, _sentence, compare_files
from edgecompress.pipeline.on_devices.profile import Profiled
from edgecompress.profiling import warmup
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.protocol_test import BUSY, busy_core
from edgecompress.profiling.statistics import compare, summarize
from edgecompress.testing.sample_files import FACE, fixed_classifier
from edgecompress.values import Failure, InstructionCount, Measurement

SHORT = Plan(processes=3, min_runs=5, min_seconds=0.05, max_seconds=0.2, repeats=0)


@pytest.fixture(autouse=True)
def on_our_own(monkeypatch, tmp_path):
    """Short warm-ups, and locks that nobody else on this machine takes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(warmup, "MIN_S", 0.1)
    monkeypatch.setattr(warmup, "MAX_S", 0.2)


def measurement(device, threads, samples_ns, invalid=""):
    nothing = (0,) * len(samples_ns)
    return Measurement(
        **{"artifact": "a", "sha256": "", "device": device, "runner": "native", "runtime": "", "threads": threads},
        **{"processes": len(samples_ns), "load_ns": nothing, "compile_ns": nothing, "first_ns": nothing},
        **{"samples_ns": samples_ns, "steady": summarize(samples_ns), "cpu_ns": 0.0, "peak_memory_bytes": 0},
        **{"model_memory_bytes": 0, "output_hash": "", "operators": (), "conditions": {}, "invalid": invalid},
    )


def count(device, instructions):
    return InstructionCount("a", "", device, "", 1, ((instructions,),), instructions, "", {})


def samples(center_ns, seed, processes=4):
    generator = np.random.default_rng(seed)
    return tuple(tuple(generator.integers(center_ns, center_ns + 100, 50).tolist()) for _ in range(processes))


@pytest.mark.parametrize("turned", [False, True])
def test_very_different_files_are_told_apart(turned, tmp_path):
    """A detector takes several times as long as a classifier of tiny images.

    Student's factor is 7 for three pairs and 3.4 for six: on a busy machine, three leave the difference's size open.
    """
    plan = replace(SHORT, processes=6)
    small = fixed_classifier(tmp_path, height=32, width=32)
    paths = [FACE, small] if turned else [small, FACE]
    ((verdict,), failures) = (found := compare_files(*paths, devices=["local"], plan=plan)).verdicts, found.failures
    assert failures == () and (verdict.device, verdict.threads, verdict.metric) == ("local", 1, "time")
    assert verdict.low <= verdict.ratio <= verdict.high
    if verdict.invalid:  # this machine has other things to do, and a verdict is the last thing to give then
        assert verdict.verdict == "cannot tell" and verdict.sentence.startswith("cannot be told from")
        return
    assert verdict.verdict == ("faster" if turned else "slower")
    assert verdict.high < 0.5 if turned else verdict.low > 2
    assert re.fullmatch(rf"is {verdict.verdict} by \d+\.\d % \[\d+\.\d, \d+\.\d\] than", verdict.sentence)


def test_a_file_against_itself_is_measured_twice(tmp_path):
    """How the verdict comes out is a matter of luck, one time in fifty; that the ratio is near 1 is not."""
    path = fixed_classifier(tmp_path, height=32, width=32)
    (verdict,) = compare_files(path, path, devices=["local"], plan=SHORT).verdicts
    assert verdict.low <= verdict.ratio <= verdict.high and 0.2 < verdict.ratio < 5


def test_on_a_busy_machine_nothing_is_told(tmp_path):
    small = fixed_classifier(tmp_path, height=32, width=32)
    with busy_core() as mask:
        plan = replace(SHORT, processes=2, cores=mask)
        (verdict,) = compare_files(small, FACE, devices=["local"], plan=plan).verdicts
    assert verdict.invalid.startswith(BUSY) and verdict.verdict == "cannot tell"


@pytest.mark.parametrize(
    ("verdict", "ratio", "low", "high", "sentence"),
    [
        ("slower", 9.123, 8.5, 9.8, "is slower by 812.3 % [750.0, 880.0] than"),
        ("faster", 0.929, 0.92, 0.938, "is faster by 7.1 % [6.2, 8.0] than"),
        ("cannot tell", 1.01, 0.97, 1.052, "cannot be told from (time -3.0 .. +5.2 %)"),
    ],
)
def test_the_sentence(verdict, ratio, low, high, sentence):
    assert _sentence(verdict, ratio, low, high) == sentence


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Compares what was measured elsewhere."""

    def run(**found):
        monkeypatch.setattr(module, "profile_files", lambda *paths, **options: Profiled(**found))
        return compare_files(tmp_path / "a.tflite", tmp_path / "b.tflite", devices=["local"], plan=SHORT)

    return run


def test_measurements_pair_up_by_device_and_threads(measured):
    keys = [("local", 1), ("local", 4), ("ssh:board", 1)]
    pairs = [(samples(10_000, 2 * i), samples(10_000 * (2 + i), 2 * i + 1)) for i in range(3)]
    flat = [measurement(*key, side) for key, pair in zip(keys, pairs, strict=True) for side in pair]
    verdicts = measured(measurements=tuple(flat)).verdicts
    assert [(each.device, each.threads) for each in verdicts] == keys
    for each, (first, second) in zip(verdicts, pairs, strict=True):
        expected = compare(first, second)
        assert (each.ratio, each.low, each.high) == (expected.ratio, expected.low, expected.high)
        assert each.verdict == "slower"
    assert [round(each.ratio) for each in verdicts] == [2, 3, 4]


@pytest.mark.parametrize("which", [0, 1])
def test_what_speaks_against_either_is_said(which, measured):
    """And nothing is called faster or slower, however different the samples are."""
    pair = [measurement("local", 1, samples(10_000 << side, 1), "it was hot" * (side == which)) for side in (0, 1)]
    (found,) = measured(measurements=tuple(pair)).verdicts
    assert (found.invalid, found.verdict) == ("it was hot", "cannot tell") and "cannot be told" in found.sentence


@pytest.mark.parametrize(
    ("first", "second", "verdict", "sentence"),
    [
        (1_402_000, 662_000, "fewer", "takes 52.8 % fewer instructions than"),
        (1_000, 1_500, "more", "takes 50.0 % more instructions than"),
        (1_000, 1_000, "equal", "takes as many instructions as"),
    ],
)
def test_instructions_are_compared_as_they_are(first, second, verdict, sentence, measured):
    (found,) = measured(instructions=(count("emulated:max", first), count("emulated:max", second))).verdicts
    ratio = second / first
    assert found == DeviceVerdict("emulated:max", 1, "instructions", verdict, ratio, ratio, ratio, sentence)


def test_failures_come_along(measured):
    failure = Failure("ssh:board", "It is off.", "")
    assert measured(failures=(failure,)).failures == (failure,)


def test_the_line_and_the_remarks_on_either_file_stand_by_the_verdict(monkeypatch):
    one, two = (measurement("pi", 1, samples(1000, seed)) for seed in (1, 2))
    one = replace(one, conditions={"line": "51 °C", "remarks": ["hot"]})
    two = replace(two, conditions={"line": "51 °C", "remarks": ["hot", "busy"]})
    monkeypatch.setattr(module, "profile_files", lambda *_, **__: Profiled(measurements=(one, two)))
    (found,) = compare_files("a", "b", devices=["pi"], plan=SHORT).verdicts
    assert (found.conditions, found.remarks) == ("51 °C", ("hot", "busy"))
