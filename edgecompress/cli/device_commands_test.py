"""The commands that ask devices, as a person would call them, and what goes wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgecompress.devices.conditions import snapshot
from edgecompress.devices.cores import KINDS, clusters
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.pipeline.on_devices import verify as device_verify
from edgecompress.pipeline.on_devices.verify_test import int8_classifier, tflite_classifier
from edgecompress.profiling.bench import MAX_SAMPLE_SPANS
from edgecompress.profiling.runner.outputs import outputs_on
from edgecompress.testing.sample_files import fixed_classifier
from edgecompress.testing.tflite_files import T, build

CLOSED = "ssh:nobody@127.0.0.1:1"  # where nothing listens
pytestmark = pytest.mark.usefixtures("on_our_own")


@pytest.fixture
def model(tmp_path):
    return fixed_classifier(tmp_path, height=32, width=32)


def one_line(text):
    """Undo the wrapping of usage errors, whose box is drawn around them."""
    return " ".join(text.replace("│", " ").split())


def test_clean_removes_what_was_left(say, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = Path(LocalTransport().folder)
    (folder / "0123").mkdir(parents=True)
    (folder / "0123/model.tflite").write_bytes(bytes(100_000))
    kept = tmp_path / "cache/edgecompress/kept"
    kept.write_bytes(b"kept")
    result = say("devices", "clean")
    assert result.code == 0 and result.out.startswith("local: removed ") and result.out.endswith(" KiB.\n")
    assert float(result.out.split()[2]) >= 97.0
    assert not folder.exists() and kept.exists()
    assert say("devices", "clean", "--on", "local").out == "local: removed 0.0 KiB.\n"
    result = say("devices", "clean", "--on", CLOSED, "--on", "local")
    assert (result.code, result.out) == (1, "local: removed 0.0 KiB.\n")
    assert result.err.startswith(f"Error: {CLOSED} refuses connections at port 1.")


@pytest.mark.parametrize("device", ["nonsense", "adb:-x", "ssh:-oProxyCommand=x", "emulated:z80", ""])
@pytest.mark.parametrize("words", ["profile {model}", "compare {model} {model}", "verify {model} --data digits:2"])
def test_what_is_no_device_is_a_sentence(words, device, say, tmp_path):
    model = tflite_classifier(tmp_path)
    result = say(*words.format(model=model).split(), "--on", device)
    assert result.code == 1 and not result.out
    assert result.err.startswith("Error: ") and device.partition(":")[2] in result.err and result.err.count("\n") == 1


@pytest.mark.parametrize("words", ["0", "65", "1,", ",", "two", "1.5", "-1", "1,0"])
def test_threads_that_are_none(words, say, model):
    result = say("profile", model, "--threads", words)
    assert result.code == 2 and "is no list of numbers from 1 to 64" in one_line(result.err)


@pytest.mark.parametrize("words", ["10x", "0s", "0.5", "7h", "s", "", "1e3", "-5s", "nan", "9999999s"])
def test_times_that_are_none(words, say, model):
    result = say("profile", model, "--sustained", words)
    assert result.code == 2 and "is no time from 1s to 6h, such as 90s or 10m" in one_line(result.err)


@pytest.mark.skipif(len(clusters(snapshot())) > 1, reason="this machine has cores of several kinds")
@pytest.mark.parametrize("cores", KINDS)
def test_cores_of_a_kind_that_is_not_there(cores, say, model):
    result = say("profile", model, "--cores", cores)
    assert result.code == 1 and f"so that none are '{cores}'. Give `--cores all`, or a mask." in result.err


@pytest.mark.parametrize("cores", ["0", "middle", "", "fffffffffffffffff"])
def test_cores_that_are_none(cores, say, model):
    result = say("profile", model, "--cores", cores)
    assert result.code == 1 and f"'{cores}' names no cores." in result.err


def test_a_profile_with_each_thread_count(say, model, quick):
    result = say("profile", model, "--threads", "1,2", "--processes", "1", "--json", "--quiet")
    assert result.code == 0 and not result.err
    found = json.loads(result.out)
    assert [(each["artifact"], each["threads"]) for each in found["measurements"]] == [(str(model), 1), (str(model), 2)]
    assert found["failures"] == [] and min(map(min, found["measurements"][0]["samples_ns"])) > 0


def test_a_trace_has_an_event_for_each_inference(say, model, quick, tmp_path):
    result = say("profile", model, "--processes", "1", "--trace", tmp_path / "out.json", "--json")
    assert result.code == 0
    (measured,) = json.loads(result.out)["measurements"]
    events = json.loads((tmp_path / "out.json").read_text())["traceEvents"]
    lanes = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    durations_us = [
        event["dur"]
        for event in events
        if event["ph"] == "X" and event["name"] == "inference"
        if lanes[event["pid"], event["tid"]].startswith("samples ")
    ]
    # On a busy machine blocks are set aside and rounds repeated: the trace shows those, too, until it is full.
    wanted = Counter(sample_ns / 1000 for sample_ns in measured["samples_ns"][0])
    assert wanted <= Counter(durations_us) or len(durations_us) > 0.9 * MAX_SAMPLE_SPANS


def test_a_trace_that_cannot_be_written_is_a_sentence(say, model, quick, tmp_path):
    (tmp_path / "file").write_text("")
    result = say("profile", model, "--processes", "1", "--trace", tmp_path / "file/out.json", "--quiet")
    assert result.code == 1 and result.err.startswith("Error: ") and "file" in result.err


def test_a_device_that_fails_leaves_the_other_s_table(say, model, quick):
    result = say("profile", model, "--processes", "1", "--on", CLOSED, "--on", "local", "--quiet")
    assert result.code == 1
    assert "On local (" in result.out and str(model) in one_line(result.out).replace(" ", "")
    assert result.err.startswith(f"Error: {CLOSED} refuses connections at port 1. Is its ssh server running")
    assert result.err.count("\n") == 1


def test_a_file_that_fails_leaves_the_other_s_table(say, model, quick, tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"broken")
    words = ["profile", model, tmp_path / "broken.tflite", tmp_path / "gone.onnx", "--processes", "1"]
    result = say(*words)
    assert result.code == 1 and "On local (" in result.out and model.name in result.out
    assert "refused broken.tflite: " in result.err and f"There is no file {tmp_path / 'gone.onnx'}." in result.err
    assert result.err.count("Error: ") == 2
    document = json.loads(say(*words, "--json").out)
    assert [each["artifact"] for each in document["measurements"]] == [str(model)]
    assert {each["artifact"] for each in document["failures"]} == {str(words[2]), str(words[3])}


@pytest.fixture
def free(tmp_path):
    """A file whose input may be of any width."""
    path = tmp_path / "free.tflite"
    tensors = [T([1, 1, 1, 3], name=name, signature=[-1, 8, -1, 3]) for name in ("x", "y")]
    path.write_bytes(build(tensors, [("LOGISTIC", [0], [1], None)]))
    return path


def test_a_free_axis_needs_a_shape_which_the_refusal_tells(say, free, quick):
    result = say("profile", free, "--processes", "1")
    assert result.code == 1 and "input 'x' of shape ?x8x?x3" in result.err and "`--shape x=1x8xNx3`" in result.err
    found = json.loads(say("profile", free, "--processes", "1", "--shape", "x=1x8x16x3", "--json").out)
    assert found["failures"] == [] and found["measurements"][0]["artifact"] == str(free)
    compared = say("compare", free, free, "--processes", "2", "--shape", "x=1x8x16x3")
    assert compared.code == 0 and " free.tflite " in compared.out


@pytest.mark.parametrize(
    ("shape", "code", "reason"),
    [
        ("x=1x9x16x3", 1, "the shape 1x9x16x3 does not fit input 'x', which is ?x8x?x3"),
        ("z=1x8x16x3", 1, "There is no input 'z' to give a shape; the files' inputs are 'x'."),
        ("x=1x8xNx3", 2, "'x=1x8xNx3' is no input with the lengths of all its axes"),
        ("x=0x8x1x3", 2, "is no input with the lengths"),
        ("1x8x1x3", 2, "is no input with the lengths"),
        ("x=1x8x99999999999x3", 2, "is no input with the lengths"),
    ],
)
def test_shapes_that_are_wrong(shape, code, reason, say, free):
    result = say("profile", free, "--shape", shape)
    assert result.code == code and reason in one_line(result.err)


def test_a_shape_is_given_once(say, free):
    result = say("profile", free, "--shape", "x=1x8x1x3", "--shape", "x=1x8x2x3")
    assert result.code == 2 and "--shape gives input 'x' twice." in one_line(result.err)


def test_verify_needs_the_shape_of_a_free_axis_too(say, tmp_path):
    tensors = [T([1, 1, 1, 1], name=name, signature=[-1, -1, -1, 1]) for name in ("x", "y")]
    path = tmp_path / "free.tflite"
    path.write_bytes(build(tensors, [("LOGISTIC", [0], [1], None)]))
    feed = ("--data", "digits:4", "--input-range", "0", "1")
    refused = say("verify", path, *feed)
    assert refused.code == 1 and "`--shape x=1xNxNx1`" in refused.err
    found = json.loads(say("verify", path, *feed, "--shape", "x=1x8x8x1", "--json").out)
    assert found["agreements"][0]["equal_outputs"] == 100 and found["failures"] == []
    random = json.loads(say("verify", path, *feed[2:], "--limit", "3", "--shape", "x=1x5x7x1", "--json").out)
    assert random["agreements"][0]["equal_outputs"] == 100 and random["agreements"][0]["images"] == 3


def test_sustained_prints_speed_against_time(say, model):
    result = say("profile", model, "--sustained", "1s")
    assert result.code == 0 and "without a pause" in result.out
    assert "Time of an inference in the last third against the first: " in result.out


def test_compare_is_a_sentence_a_device(say, model, quick, tmp_path):
    other = tflite_classifier(tmp_path)  # 640 multiply-adds
    result = say("compare", model, other, "--processes", "2", "--on", "local", "--on", CLOSED)
    assert result.code == 1 and f"Error: {CLOSED} refuses connections at port 1." in result.err
    sentence, *invalid = result.out.splitlines()  # a busy machine adds a line that says so
    assert sentence.startswith(f"local, 1 thread(s): {other.name} ") and sentence.endswith(f" {model.name}")
    assert invalid.pop(next(i for i, line in enumerate(invalid) if line.startswith("  Conditions: ")))
    assert all(line.startswith(("  INVALID: the machine was busy", "  On local, ")) for line in invalid)
    assert say("compare", model, other, "--processes", "1").code == 2


def test_verify_says_whether_outputs_are_the_same(say, tmp_path):
    path = tflite_classifier(tmp_path)
    feed = ("--data", "digits:20", "--input-range", "-1", "1")
    result = say("verify", path, *feed, "--json")
    assert result.code == 0
    document = json.loads(result.out)
    (found,) = document["agreements"]
    assert document["failures"] == []
    assert (found["artifact"], found["device"], found["images"], found["equal_outputs"]) == (
        str(path),
        "local",
        20,
        100,
    )
    table = say("verify", path, *feed, "--on", "local")
    assert table.code == 0 and "Outputs against this machine's" in table.out and "100.000" in table.out
    assert f"{path} was fed pixels as -1 to 1, as you said." in one_line(table.out)


def test_verify_of_several_files_fails_and_still_says_what_the_others_give(say, tmp_path):
    good, bad = int8_classifier(tmp_path), tmp_path / "gone.tflite"
    result = say("verify", bad, good, "--limit", "3", "--on", "local")
    assert result.code == 1 and f"There is no file {bad}." in one_line(result.err) and f"{good}" in result.out
    found = json.loads(say("verify", good, bad, "--limit", "3", "--json").out)
    assert [each["artifact"] for each in found["agreements"]] == [str(good)]
    assert [each["artifact"] for each in found["failures"]] == [str(bad)]


def test_verify_without_data_feeds_random_inputs_and_says_which(say, tmp_path):
    path = int8_classifier(tmp_path)
    result = say("verify", path, "--limit", "10", "--kernels", "xnnpack,reference")
    assert result.code == 0 and "local, reference kernels" in one_line(result.out) and "accuracy" not in result.out
    assert "was fed random inputs: image -1.00787 to 1, as its quantization can hold." in one_line(result.out)
    (found,) = json.loads(say("verify", path, "--limit", "10", "--json").out)["agreements"]
    assert found["accuracy"] is None and found["images"] == 10 and found["assumed"].startswith("random inputs: ")


@pytest.fixture
def off_by(monkeypatch):
    """Returns a function after which this machine, as a device, says all scores so many codes higher."""

    def spoil(codes):
        def spoilt(*arguments):
            return [np.clip(each.astype(int) + codes, -128, 127).astype(each.dtype) for each in outputs_on(*arguments)]

        monkeypatch.setattr(device_verify, "outputs_on", spoilt)

    return spoil


def test_limits_on_steps_and_argmax_end_with_3(say, off_by, tmp_path):
    result = say("verify", tflite_classifier(tmp_path), "--input-range", "-1", "1", "--max-steps", "1")
    assert result.code == 0 and "Note: Not quantized, so that there are no steps" in result.err
    words = ["verify", int8_classifier(tmp_path), "--data", "digits:20"]
    off_by(1)
    assert say(*words, "--max-steps", "1", "--min-argmax", "100").code == 0
    off_by(2)
    result = say(*words, "--max-steps", "1", "--json")
    assert result.code == 3 and "int8.tflite on local: 2 steps, of at most 1" in result.err
    assert json.loads(result.out)["agreements"][0]["largest_steps"] == 2


def test_garbage_is_an_error_without_any_limit(say, off_by, tmp_path):
    off_by(100)
    result = say("verify", int8_classifier(tmp_path), "--data", "digits:20", "--json")
    assert result.code == 1 and "Error: local computes garbage for " in result.err
    document = json.loads(result.out)
    assert document["failures"][0]["device"] == "local" and document["agreements"][0]["garbage"]


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (
            "verify {model}",
            1,
            "does not say which values its input 'x' takes. Say it as the model was trained: `--input",
        ),
        ("verify {model} --input-range 1 0", 2, "--input-range needs two finite numbers, the smaller one first."),
        ("verify {model} --input-range 0 inf", 2, "--input-range needs two finite numbers"),
        ("verify {model} --input-range 0 nan", 2, "--input-range needs two finite numbers"),
        ("verify {model} --kernels fast", 2, "'fast' is no family of kernels; there are xnnpack, builtin, reference."),
        ("verify {model} --min-argmax 101", 2, "101"),
        ("verify {folder} --input-range 0 1", 2, "--input-range is for FILEs"),
        ("verify {model} --data digtis:20", 1, "digtis"),
        ("verify {model} --data digits:20 --max-drop 1", 2, "--max-drop needs a RUN, and no --on."),
        ("verify {folder}/gone.tflite --data digits:20", 1, "There is no file"),
        ("profile {folder}/gone.tflite", 1, "There is no file"),
        ("profile {folder}/notes.txt", 1, "cannot be run"),
        ("profile {folder} {model}", 1, "cannot be mixed"),
        ("profile {folder}", 1, "Error: "),
        ("profile {model} --on local --on local", 1, "local is named twice."),
        ("profile {model} --benchmark-model {folder}/gone", 1, "benchmark_model runs TFLite files"),
        ("profile {model} --on emulated:max --sustained 5s", 1, "emulated:max "),
        ("profile {model} --set-governor no-such-governor", 1, "Error: "),
        ("profile", 2, "RUN|FILE"),
        ("compare {model}", 2, "SECOND"),
        ("compare {model} {folder}", 1, "Error: "),
    ],
)
def test_errors_are_sentences(words, code, reason, say, model, tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    result = say(*words.format(model=model, folder=tmp_path).split())
    assert result.code == code and reason in one_line(result.err)
    assert code == 2 or result.err.count("\n") == 1


def test_a_recipe_for_a_device_that_does_not_exist_ends_before_the_training(say, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[model]\narchitecture = "lenet_5"\n[data]\nname = "digits"\n[profile]\ndevices = ["moon"]\n')
    result = say("run", recipe, "--out", tmp_path / "run")
    assert result.code == 1 and "'moon' is no device" in result.err
    assert not (tmp_path / "run").exists()


def test_a_trace_that_cannot_be_written_costs_no_figures(say, model, tmp_path):
    (tmp_path / "file").touch()
    result = say("profile", model, "--processes", "1", "--trace", tmp_path / "file" / "trace.json")
    assert result.code == 1 and "Cannot write" in result.err and "p50 ms" in result.out
