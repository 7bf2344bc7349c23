"""Files of which some fail, and a run that is measured again and again."""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from edgecompress.errors import DeviceError, ModelFileError, RunFolderError, RuntimeRefusal
from edgecompress.pipeline.on_devices import profile as module
from edgecompress.pipeline.on_devices.kept import added
from edgecompress.pipeline.on_devices.profile import Extras, profile_files, profile_run
from edgecompress.profiling import bench, sustained, warmup
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.readiness import check as readiness
from edgecompress.profiling.runner import session
from edgecompress.report.collect import collect
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import sha256_of
from edgecompress.testing.sample_files import endless, int8_relu, logarithm, partly_delegated
from edgecompress.testing.tflite_files import T, build, svdf
from edgecompress.values import Artifact, InstructionCount, TensorSpec

SHORT = Plan(processes=1, min_runs=5, min_seconds=0.02, max_seconds=0.05, repeats=0)

pytestmark = pytest.mark.usefixtures("short_warm_up")


@pytest.fixture(autouse=True)
def on_our_own(monkeypatch, tmp_path):
    """Short warm-ups, and locks that nobody else on this machine takes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(warmup, "MIN_S", 0.02)
    monkeypatch.setattr(warmup, "MAX_S", 0.05)
    monkeypatch.setattr(sustained, "BLOCK_S", 0.05)


def broken(folder):
    (folder / "broken.tflite").write_bytes(b"broken")
    return folder / "broken.tflite"


def gone(folder):
    return folder / "gone.onnx"


def free(folder):
    path = folder / "free.tflite"
    path.write_bytes(build([T([1, 1], name="x", signature=[1, -1]), T([1, 1])], [("RELU", [0], [1], None)]))
    return path


FAILING = {
    "no model": (broken, "local refused broken.tflite"),
    "none": (gone, "There is no file"),
    "one that crashes": (partial(endless, recursive=True), "The runtime crashed on endless.tflite on local"),
    "one that hangs": (endless, "local gave no answer within 2 s."),
    "one with a free axis": (free, "free.tflite leaves more than the batch free: input 'x' of shape 1x?."),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_file_that_fails_costs_only_itself(name, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "OPEN_TIMEOUT_S", 2.0)
    make, reason = FAILING[name]
    bad, good, other = make(tmp_path), int8_relu(tmp_path), logarithm(tmp_path)
    threads = (1, 2) if name == "no model" else (1,)
    found = profile_files([good, bad, other], plan=replace(SHORT, threads=threads))
    assert [(each.artifact, each.threads) for each in found.measurements] == [
        (str(path), count) for count in threads for path in (good, other)
    ]
    assert all(each.processes == 1 and min(map(len, each.samples_ns)) >= 5 for each in found.measurements)
    assert all(each.conditions["interleaved"] == [str(good), str(other)] for each in found.measurements)
    (failure,) = found.failures  # once, not for each number of threads
    assert (failure.device, failure.artifact) == ("local", str(bad)) and failure.message.startswith(reason)


def test_a_file_that_fails_in_a_later_process_is_left_out_whole(tmp_path, monkeypatch):
    good, bad = int8_relu(tmp_path), logarithm(tmp_path)
    opened, real = [], Bench.open

    def open_once(self, path, **options):
        opened.append(path)
        if path == bad and opened.count(bad) == 2:
            raise RuntimeRefusal("no more")
        return real(self, path, **options)

    monkeypatch.setattr(Bench, "open", open_once)
    found = profile_files([bad, good], plan=replace(SHORT, processes=3))
    assert [(each.artifact, each.processes) for each in found.measurements] == [(str(good), 3)]
    assert [each.message for each in found.failures] == ["no more"]


def test_a_device_that_is_not_ready_is_said_before_anything_else(tmp_path, monkeypatch):
    real = readiness.probe
    monkeypatch.setattr(readiness, "probe", lambda transport: replace(real(transport), bits=32))
    monkeypatch.setattr(Bench, "__init__", pytest.fail)
    with pytest.raises(DeviceError, match="a 64-bit kernel and a 32-bit system") as raised:
        profile_files([int8_relu(tmp_path)], plan=replace(SHORT, runner="native"))
    assert "64-bit" in raised.value.hint


def test_what_a_device_is_warned_of_is_said_with_its_figures_and_nothing_is_asked_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "probe", pytest.fail)
    look = {"cores": "0-7", "allowed_cores": "0-1", "load_average": [8.0, 8.0, 8.0]}
    monkeypatch.setattr(readiness, "snapshot", lambda transport: look)
    (measured,) = profile_files([int8_relu(tmp_path)], plan=SHORT).measurements
    warned = "cores: 8; it does not tell which are fast, of which this account may use 0-1"
    assert measured.conditions["notes"][0] == warned  # of the load the remarks speak, where it is one
    assert not any(note.startswith("load:") for note in measured.conditions["notes"])


def test_the_only_file_raises(tmp_path):
    with pytest.raises(ModelFileError, match="There is no file"):
        profile_files([gone(tmp_path)], plan=SHORT)
    with pytest.raises(RuntimeRefusal, match=r"broken\.tflite"):
        profile_files([int8_relu(tmp_path), broken(tmp_path)], plan=SHORT, all_or_none=True)


def test_several_files_that_all_fail_are_all_named(tmp_path):
    found = profile_files([gone(tmp_path), broken(tmp_path)], plan=SHORT)
    assert not found.measurements and {Path(each.artifact).name for each in found.failures} == {
        "gone.onnx",
        "broken.tflite",
    }


def test_a_device_that_goes_away_keeps_what_it_gave(tmp_path, monkeypatch):
    """It no longer answers once it is to measure with two threads."""
    real, asked = Bench.open, []

    def look(self):
        if asked:
            raise DeviceError("local went away.")
        return {}

    def open_until(self, path, *, threads, **options):
        if threads == 2:
            asked.append(threads)
            raise DeviceError("no answer")
        return real(self, path, threads=threads, **options)

    monkeypatch.setattr(Bench, "open", open_until)
    monkeypatch.setattr(Bench, "look", look)
    paths = [int8_relu(tmp_path), logarithm(tmp_path)]
    found = profile_files(paths, plan=replace(SHORT, threads=(1, 2)))
    assert [(each.artifact, each.threads) for each in found.measurements] == [(str(path), 1) for path in paths]
    assert [(each.message, each.artifact) for each in found.failures] == [("local went away.", "")]


def test_files_with_state_are_measured_in_the_interpreter_and_said_so(tmp_path):
    (measured,) = profile_files([svdf(tmp_path)], plan=replace(SHORT, runner="native")).measurements
    assert measured.runner == "native" and measured.runtime.endswith(" (interpreter)")
    assert "keep a value between inferences" in measured.conditions["interpreter"]
    (plain,) = profile_files([int8_relu(tmp_path)], plan=replace(SHORT, runner="native")).measurements
    assert "(interpreter)" not in plain.runtime and "interpreter" not in plain.conditions


def test_what_else_the_compiled_model_refuses_runs_in_the_python_runner(tmp_path):
    """An output whose length depends on the input's values, which a compiled model has no buffer for."""
    path = tmp_path / "where.tflite"
    path.write_bytes(build([T([4], "BOOL"), T([0, 1], "INT64", signature=[-1, 1])], [("WHERE", [0], [1], None)]))
    (measured,) = profile_files([path], plan=SHORT).measurements
    assert (measured.runner, measured.runtime.endswith(" (interpreter)")) == ("python", True)
    assert measured.conditions["interpreter"].startswith("local refused where.tflite: LiteRt")
    with pytest.raises(RuntimeRefusal, match="LiteRtCreateManagedTensorBufferFromRequirements"):
        profile_files([path], plan=replace(SHORT, runner="native"))


@pytest.fixture
def run(tmp_path):
    """A run with two files."""
    made = RunFolder(tmp_path / "run")
    made.artifacts.mkdir(parents=True)
    for make in (int8_relu, partly_delegated):
        make(made.artifacts)
    describe(made)
    return made


def describe(run):
    spec = TensorSpec("x", (1,), "float32")
    run.write(
        "artifacts",
        [
            Artifact(
                f"artifacts/{path.name}", "tflite:int8", "model", (spec,), (spec,), path.stat().st_size, sha256_of(path)
            )
            for path in sorted(run.artifacts.iterdir())
        ],
    )


def keys(run):
    return [(each.artifact, each.sha256, each.threads) for each in run.read_measurements()]


def test_measurements_are_added_and_the_report_shows_those_of_the_present_files(run):
    first, second = run.read_artifacts()
    profile_run(run, plan=SHORT)
    once = [(first.path, first.sha256, 1), (second.path, second.sha256, 1)]
    assert keys(run) == once
    profile_run(run, plan=replace(SHORT, threads=(2,)))
    assert keys(run) == [*once, *((path, digest, 2) for path, digest, _ in once)]
    before = run.read_measurements()
    profile_run(run, plan=SHORT)  # in the place of the first
    assert sorted(keys(run)) == sorted((each.artifact, each.sha256, each.threads) for each in before)
    assert [each for each in run.read_measurements() if each.threads == 2] == [
        each for each in before if each.threads == 2
    ]
    assert not set(run.read_measurements()[-1].samples_ns) & set(before[1].samples_ns)

    int8_relu(run.artifacts, scale=0.25)  # another file of that name
    describe(run)
    profile_run(run, plan=SHORT)
    again = next(each for each in run.read_artifacts() if each.path.endswith("relu.tflite"))
    assert {digest for path, digest, _ in keys(run) if path == again.path} == {
        again.sha256,
        *(d for p, d, _ in once if p == again.path),
    }
    content = collect(run)
    row = next(row for row in content.rows if row.artifact == again.path)
    assert [timing.setting.threads for timing in row.timings] == [1]
    assert any("earlier files, left out: 2" in notice.text for notice in content.notices)


def test_sustained_measurements_are_kept_for_each_number_of_threads(run):
    found = profile_run(run, plan=replace(SHORT, threads=(1, 2)), extras=Extras(sustained_s=1.0))
    assert [(each.artifact, each.threads) for each in found.sustained] == [
        (artifact.path, threads) for artifact in run.read_artifacts() for threads in (1, 2)
    ]
    assert run.read_sustained() == list(found.sustained) == list(collect(run).sustained)
    assert all(each.seconds >= 1 and each.windows for each in found.sustained)


def test_an_artifact_that_was_changed_costs_only_itself(run):
    (run.artifacts / "relu.tflite").write_bytes(b"changed")
    found = profile_run(run, plan=SHORT)
    assert [each.artifact for each in run.read_measurements()] == ["artifacts/partly.tflite"]
    (failure,) = found.failures
    assert failure.artifact == "artifacts/relu.tflite" and "was changed since it was converted" in failure.message
    (run.artifacts / "partly.tflite").unlink()
    with pytest.raises(RunFolderError, match=r"partly|relu"):
        profile_run(run, plan=SHORT)


@pytest.mark.parametrize("name", ["measurements", "instructions", "sustained"])
def test_figures_that_cannot_be_added_to_are_found_before_anything_is_measured(name, run, monkeypatch):
    (run.path / f"{name}.json").write_text('[{"artifact": 1}]')
    monkeypatch.setattr(module, "profile_files", None)
    with pytest.raises(
        RunFolderError, match=rf"is added to what was.*{name}\.json' is damaged.*Move {name}\.json away"
    ):
        profile_run(run, plan=SHORT)
    assert (run.path / f"{name}.json").read_text() == '[{"artifact": 1}]'


def test_what_is_added_takes_the_place_of_its_own_kind_alone():
    def count(artifact, digest, device, instructions):
        return InstructionCount(artifact, digest, device, "", 1, (), instructions, "", {})

    earlier = [count("a", "1", "x", 1), count("a", "1", "y", 2), count("b", "1", "x", 3)]
    found = [count("a", "2", "x", 4), count("b", "1", "x", 5)]
    assert added(earlier, found) == [*earlier[:2], *found]
    assert added([], found) == found and added(earlier, []) == earlier
