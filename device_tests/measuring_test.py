"""A device computes what this machine computes, and what it says of its speed can be read."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from device_tests.conftest import SHORT
from device_tests.servers import ALIAS, free_port, ssh_server
from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.devices.address import parse_address
from edgecompress.devices.connect import connect
from edgecompress.errors import RuntimeRefusal
from edgecompress.pipeline.on_devices.profile import profile_files
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.instructions import count_instructions
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.protocol import profile
from edgecompress.profiling.runner.outputs import outputs_on
from edgecompress.report.trace import write_trace
from edgecompress.runtimes.inputs import example_inputs
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.testing.binary_files import network
from edgecompress.testing.sample_files import FACE, fixed_classifier, partly_delegated

# Float kernels of two processors add in another order: some hundred products of float32, whose sum is then off by at
# most that many times 2^-24 of its terms' size, and layers hand the difference on. Seen: 5e-6 of the largest output.
FLOAT_TOLERANCE = 1e-4


@pytest.fixture
def small(tmp_path):
    return partly_delegated(tmp_path)


@pytest.fixture(params=["tflite", "onnx"])
def model(request, small, tmp_path):
    return small if request.param == "tflite" else fixed_classifier(tmp_path, height=16, width=32)


@pytest.mark.parametrize("kind", ["real", "tflite", "onnx"])
def test_outputs_equal_the_host_s(bench, kind, small, tmp_path):
    model = {"real": FACE, "tflite": small}.get(kind) or fixed_classifier(tmp_path, height=16, width=32)
    with RuntimeProcess(model) as process:
        specs, _, _ = process.describe()
        records = [example_inputs(specs, seed=seed) for seed in range(2)]
        expected = [process.run(record) for record in records]
    found = outputs_on(bench, model, records)
    for index, output in enumerate(found):
        for row, outputs in zip(output, expected, strict=True):
            scale = np.abs(outputs[index]).max()
            assert np.abs(row.reshape(outputs[index].shape) - outputs[index]).max() <= FLOAT_TOLERANCE * scale


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_binary_layers_compute_the_host_s_numbers_on_kernels_that_are_brought_along(bench, kind, tmp_path):
    model, expected = network(tmp_path)
    if kind == "onnx":
        tflite, model = model, tmp_path / "binary.onnx"
        model.write_bytes(emit_onnx(tflite.read_bytes()))
    records = [[np.random.default_rng(seed).normal(size=(1, 13, 11, 3)).astype(np.float32)] for seed in range(2)]
    found = outputs_on(bench, model, records)
    for row, (image,) in enumerate(records):
        for output, wanted in zip(found, expected(image), strict=True):
            assert output[row].tobytes() == wanted.tobytes()  # every operation is rounded by itself, everywhere
    (measurement,) = profile(bench, [model])
    assert "with edgecompress kernels (" in measurement.runtime


def test_a_measurement_is_whole(bench, model):
    (measurement,) = profile(bench, [model])
    assert measurement.device == bench.device and measurement.runner == "native"
    assert measurement.steady.count == sum(map(len, measurement.samples_ns)) >= 5
    assert min(map(min, measurement.samples_ns)) > 0
    assert min(*measurement.load_ns, *measurement.compile_ns, *measurement.first_ns) > 0
    assert 0 < measurement.model_memory_bytes < measurement.peak_memory_bytes
    assert measurement.cpu_ns > 0 and measurement.operators and len(measurement.output_hash) == 16
    conditions = measurement.conditions
    assert conditions["before"]["memory_total_bytes"] > 0 and conditions["after"]["load_average"]
    assert conditions["device"]["machine"] in ("aarch64", "x86_64")
    assert json.loads(json.dumps(conditions, allow_nan=False)) == conditions
    assert not measurement.invalid or measurement.invalid.startswith("the machine was busy: ")  # by others than this


def test_cores_are_kept_to(transport, small):
    with Bench(transport, replace(Plan(**SHORT), cores="2")) as bench:
        (measurement,) = profile(bench, [small])
    assert measurement.conditions["mask"] == "2"
    spans = [span for span in bench.timeline().spans if span.name == "block"]
    assert spans and {span.details["core"] for span in spans} == {1}


def test_a_trace_of_it_can_be_written(device, small, tmp_path):
    found = profile_files([small], devices=[device], plan=replace(Plan(**SHORT), with_samples=True))
    write_trace(tmp_path / "trace.json", found.timelines)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert sum(event.get("name") == "inference" for event in events) >= 5


@pytest.mark.emulated
def test_python_on_the_device_measures_too(fleet, small, tmp_path, monkeypatch):
    """On this machine, through an sshd of its own: the root file systems have no Python."""

    with ssh_server(tmp_path / "sshd", None, port=free_port()) as host:
        monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", str(host.config))
        with (
            connect(parse_address(f"ssh:{ALIAS}")) as transport,
            Bench(transport, Plan(runner="python", python=sys.executable, **SHORT)) as bench,
        ):
            (measurement,) = profile(bench, [small])
    assert measurement.runner == "python" and measurement.steady.count >= 5


@pytest.mark.emulated
def test_big_cores_that_are_not_there_are_refused_in_a_sentence(fleet, small):
    with (
        connect(parse_address(f"adb:{fleet.phone.serial}")) as transport,
        Bench(transport, Plan(cores="big", **SHORT)) as bench,
        pytest.raises(RuntimeRefusal, match="the cores 0xf0 cannot be had"),
    ):
        profile(bench, [small])


@pytest.mark.emulated
@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a76"])
def test_instructions_repeat(fleet, small, cpu):
    with connect(parse_address(f"emulated:{cpu}")) as transport, Bench(transport, Plan(processes=2)) as bench:
        (count,) = count_instructions(bench, [small])
    medians = [np.median(own) for own in count.counts]
    assert max(medians) - min(medians) <= 0.0005 * count.instructions
