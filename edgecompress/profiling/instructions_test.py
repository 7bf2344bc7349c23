import json
import platform
import shutil
import statistics
from dataclasses import asdict, replace

import pytest

from edgecompress.devices.address import Address
from edgecompress.devices.ways.emulated import LIBRARIES, QEMU, EmulatedTransport
from edgecompress.errors import DeviceError, ModelFileError
from edgecompress.native.build import MACHINES
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.instructions import RUNS, count_instructions
from edgecompress.profiling.plan import Plan
from edgecompress.storage import sha256_of
from edgecompress.testing.sample_files import fixed_classifier, int8_relu, quantized_relu

pytestmark = [
    pytest.mark.skipif(shutil.which(QEMU) is None or not LIBRARIES.is_dir(), reason=f"it takes {QEMU} and {LIBRARIES}"),
    pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no plugin is built for {platform.machine()}"),
]
PLAN = Plan(processes=2)
SPREAD = 0.0005  # between the medians of processes; memory lies elsewhere in each, and alignment costs a few loops


def count(paths, plan=PLAN, **options):
    with EmulatedTransport(Address("emulated", "cortex-a53")) as transport, Bench(transport, plan) as bench:
        return count_instructions(bench, paths, **options)


def test_processes_agree(tmp_path):
    path, steps = fixed_classifier(tmp_path, height=32, width=32), []
    (found,) = count([path], replace(PLAN, processes=3), on_progress=lambda *step: steps.append(step))
    medians = [statistics.median(own) for own in found.counts]
    assert max(medians) - min(medians) <= SPREAD * min(medians)
    assert [len(own) for own in found.counts] == [RUNS] * 3 and min(map(min, found.counts)) > 1_000_000
    assert found.instructions == round(statistics.median(each for own in found.counts for each in own))
    assert (found.artifact, found.sha256) == (str(path), sha256_of(path))
    assert (found.device, found.threads) == ("emulated:cortex-a53", 1) and found.runtime.startswith("ONNX Runtime ")
    assert found.conditions["emulator"].startswith("qemu-aarch64 version ")
    device = found.conditions["device"]  # and not this machine
    assert (device["model"], device["machine"], device["memory_bytes"]) == ("cortex-a53 under QEMU", "aarch64", None)
    assert found.conditions["line"].startswith("cortex-a53 under QEMU, qemu-aarch64 version ")
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["conditions"] == found.conditions
    assert steps == [("emulated:cortex-a53", done, 3) for done in range(3)] + [("emulated:cortex-a53", 1, 1)]


def test_each_file_of_each_runtime_is_counted(tmp_path):
    paths = [int8_relu(tmp_path), quantized_relu(tmp_path)]
    found = count(paths, replace(PLAN, processes=1))
    assert [each.artifact for each in found] == [str(path) for path in paths]
    assert [each.runtime.split(" ")[0] for each in found] == ["LiteRT", "ONNX"]
    assert all(each.instructions > 0 for each in found)


@pytest.mark.parametrize("threads", [(2,), (1, 2)])
def test_more_than_one_thread_is_refused(threads, tmp_path):
    with pytest.raises(DeviceError, match=r"^emulated:cortex-a53 counts instructions, and those of several threads"):
        count([int8_relu(tmp_path)], replace(PLAN, threads=threads))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"missing\.tflite"):
        count([tmp_path / "missing.tflite"])
