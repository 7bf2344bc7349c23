import json

import pytest

from edgecompress.devices.conditions import snapshot

PI_4 = {
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"
    "CPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nRevision\t: c03111\nModel\t\t: Raspberry Pi 4 Model B Rev 1.1\n",
    "proc/meminfo": "MemTotal:        3884400 kB\nMemFree:          128388 kB\nMemAvailable:    2995732 kB\n",
    "proc/loadavg": "0.52 0.58 0.59 1/432 1234\n",
    "proc/sys/kernel/osrelease": "6.6.20+rpt-rpi-v8\n",
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.1\0",
    "proc/self/status": "Name:\tpython\nCpus_allowed_list:\t0-3\n",
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/devices/system/cpu/cpufreq/policy0/related_cpus": "0 1 2 3\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "600000\n",
    "sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq": "1500000\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48212\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
}


@pytest.fixture
def machine(tmp_path):
    def make(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return make


def test_a_raspberry_pi(machine):
    found = snapshot(machine(PI_4))
    assert found["board"] == "Raspberry Pi 4 Model B Rev 1.1"
    assert found["flags"] == ["asimd"]
    assert found["clocks"] == {"0 1 2 3": {"governor": "ondemand", "now_mhz": 600.0, "max_mhz": 1500.0}}
    assert found["temperatures"] == {"thermal_zone0 cpu-thermal": 48.212}
    assert found["throttled"] == "50005"
    assert found["load_average"] == [0.52, 0.58, 0.59]
    assert found["memory_total_bytes"] == 3884400 * 1024 and found["memory_available_bytes"] == 2995732 * 1024
    assert (found["cores"], found["allowed_cores"]) == ("0-3", "0-3")
    assert "virtual" not in found


def test_a_virtual_intel_machine(machine):
    found = snapshot(
        machine(
            {
                "proc/cpuinfo": "model name\t: Intel(R) Xeon(R)\nflags\t: fpu avx2 fma hypervisor avx512_vnni sse\n",
                "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "7\n",
            }
        )
    )
    assert found["processor"] == "Intel(R) Xeon(R)" and found["virtual"] is True
    assert found["flags"] == ["avx2", "fma", "avx512_vnni"]
    assert found["throttle_counts"] == {"cpu1": 7}


@pytest.mark.parametrize("missing", PI_4)
def test_each_file_may_be_missing_or_not_understood(machine, missing):
    root = machine(PI_4)
    whole = snapshot(root)
    (root / missing).write_bytes(b"\xff\x00 not a number")
    snapshot(root)
    (root / missing).unlink()
    assert snapshot(root).keys() <= whole.keys()


def test_an_empty_machine_still_has_a_type(tmp_path):
    assert list(snapshot(tmp_path)) == ["machine"]


def test_this_machine():
    found = snapshot()
    assert found["memory_available_bytes"] <= found["memory_total_bytes"]
    assert found["kernel"] and found["cores"] and found["allowed_cores"]
    assert json.loads(json.dumps(found)) == found
