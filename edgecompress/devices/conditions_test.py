import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.devices import conditions
from edgecompress.devices.conditions import parse_snapshot, snapshot
from edgecompress.devices.cores import clusters

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
    "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq": "1400000\n",
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
    found = snapshot(root=str(machine(PI_4)))
    assert found["board"] == "Raspberry Pi 4 Model B Rev 1.1"
    assert found["flags"] == ["asimd"]
    clock = {"governor": "ondemand", "now_mhz": 600.0, "limit_mhz": 1400.0, "max_mhz": 1500.0}
    assert found["clocks"] == {"0 1 2 3": clock}
    assert found["temperatures"] == {"thermal_zone0 cpu-thermal": 48.212}
    assert found["throttled"] == "50005"
    assert found["load_average"] == [0.52, 0.58, 0.59]
    assert found["memory_total_bytes"] == 3884400 * 1024 and found["memory_available_bytes"] == 2995732 * 1024
    assert (found["cores"], found["allowed_cores"]) == ("0-3", "0-3")
    assert "virtual" not in found and "smt" not in found


def test_a_virtual_intel_machine(machine):
    found = snapshot(
        root=str(
            machine(
                {
                    "proc/cpuinfo": "model name\t: Intel(R) Xeon(R)\nflags\t: avx2 fma hypervisor avx512_vnni sse\n",
                    "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "7\n",
                    "sys/devices/system/cpu/smt/active": "1\n",
                }
            )
        )
    )
    assert found["processor"] == "Intel(R) Xeon(R)" and found["virtual"] is True and found["smt"] is True
    assert found["flags"] == ["avx2", "fma", "avx512_vnni"]
    assert found["throttle_counts"] == {"cpu1": 7}


@pytest.mark.parametrize("missing", PI_4)
def test_each_file_may_be_missing_or_not_understood(machine, missing):
    root = str(machine(PI_4))
    whole = snapshot(root=root)
    (Path(root) / missing).write_bytes(b"\xff\x00 not a number")
    snapshot(root=root)
    (Path(root) / missing).unlink()
    assert snapshot(root=root).keys() <= whole.keys()


def test_an_empty_machine_still_has_a_type(tmp_path):
    assert list(snapshot(root=str(tmp_path))) == ["machine"]


def test_this_machine():
    found = snapshot()
    assert found["memory_available_bytes"] <= found["memory_total_bytes"]
    assert found["kernel"] and found["cores"] and found["allowed_cores"]
    assert json.loads(json.dumps(found)) == found


PHONE = """\
proc/loadavg:4.11 3.20 2.95 3/2899 12345
sys/devices/system/cpu/cpu0/cpu_capacity:250
sys/devices/system/cpu/cpu7/cpu_capacity:1024
sys/devices/system/cpu/cpufreq/policy7/related_cpus:7
sys/devices/system/cpu/cpufreq/policy7/scaling_governor:schedutil
sys/devices/system/cpu/cpufreq/policy7/scaling_cur_freq:1100000
sys/devices/system/cpu/cpufreq/policy7/scaling_max_freq:1800000
sys/devices/system/cpu/cpufreq/policy7/cpuinfo_max_freq:2841600
sys/class/thermal/thermal_zone0/type:cpu-0-0-usr
sys/class/thermal/thermal_zone0/temp:41200
sys/class/thermal/thermal_zone1/type:broken
sys/class/thermal/thermal_zone1/temp:-274000
sys/class/power_supply/battery/capacity:83
sys/class/power_supply/battery/status:Discharging
sys/class/power_supply/battery/temp:281
sys/class/power_supply/battery/current_now:-312500
sys/class/power_supply/battery/voltage_now:4123000
mWakefulness:Asleep
mLowPowerModeEnabled:true
thermal:Thermal Status: 2
"""


def test_a_phone():
    found = parse_snapshot(PHONE)
    assert found["capacities"] == {"cpu0": 250, "cpu7": 1024}
    assert found["clocks"]["7"]["limit_mhz"] == 1800.0
    assert found["temperatures"] == {"thermal_zone0 cpu-0-0-usr": 41.2}
    assert (found["awake"], found["battery_saver"], found["thermal_status"]) == (False, True, 2)
    assert found["battery"] == {
        "percent": 83.0, "status": "Discharging", "temperature_c": 28.1, "current_ma": -312.5, "voltage_v": 4.123
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("throttled=0x50005", "50005"),
        ("throttled=0x0", "0"),
        ("VCHI initialization failed", None),
        ("Can't open device file: /dev/vcio", None),
        ("", None),
        ("throttled=0x" + "f" * 999, None),
    ],
)
def test_the_pi_firmwares_word_by_vcgencmd(said, word):
    assert parse_snapshot(f"vcgencmd:{said}\n").get("throttled") == word


DUMPSYS = """#!/bin/sh
[ "$1" = power ] && printf '  mStayOn=false\n  mWakefulness=Awake\n  mWakefulnessChanging=false\n'
[ "$1" = thermalservice ] && printf 'IsStatusOverride: false\nThermal Status: 3\nThermal Status: 0\n'
exit 0
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program of the device on this machine; such a program has a third of a second."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(conditions, "PROGRAM_LIMIT_S", 0.3)

    def put(name, text):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    return put


@pytest.mark.parametrize("shell", [name for name in ("dash", "bash", "mksh", "busybox") if shutil.which(name)])
def test_programs_are_asked_and_the_ones_that_hang_are_named(shell, program, tmp_path):
    program("dumpsys", DUMPSYS)
    program("settings", '#!/bin/sh\n[ "$*" = "get global low_power" ] && echo 1\n')
    program("vcgencmd", "#!/bin/sh\nexec sleep 60\n")
    words = [shell, *(["sh"] if shell == "busybox" else []), "-c", conditions._SCRIPT, "sh", "", "", "0.3"]
    found = parse_snapshot(subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout)
    assert (found["thermal_status"], found["awake"], found["battery_saver"]) == (3, True, True)
    assert found["silent"] == ["vcgencmd"] and "throttled" not in found and found["load_average"]


def test_what_is_silent_is_not_asked_again(program, tmp_path):
    program("vcgencmd", f"#!/bin/sh\necho called >> '{tmp_path}/calls'\nexec sleep 60\n")
    first = snapshot()
    assert snapshot(without=first["silent"])["silent"] == first["silent"] == ["vcgencmd"]
    assert (tmp_path / "calls").read_text() == "called\n"


def test_a_program_that_fails_tells_nothing(program):
    program("vcgencmd", "#!/bin/sh\necho 'VCHI initialization failed'\nexit 255\n")
    found = snapshot()
    assert "throttled" not in found and "silent" not in found


def test_a_program_that_cannot_be_ended_costs_its_answer_and_no_more(program, monkeypatch):
    """Its child holds the outputs open, as one does that waits for a driver."""
    program("vcgencmd", "#!/bin/sh\nsleep 20\n")
    monkeypatch.setattr(conditions, "SNAPSHOT_TIMEOUT_S", 1)
    found = snapshot()
    assert found["silent"] == sorted(conditions.PROGRAMS) and found["load_average"]


def test_control_characters_of_a_device_go_no_further():
    text = "sys/devices/system/cpu/cpufreq/policy0/scaling_governor:\x1b]0;x\x07ondemand\nboard:\x1b[2JPi\n"
    found = parse_snapshot(text)
    assert found["clocks"]["policy0"]["governor"] == "]0;xondemand" and found["board"] == "[2JPi"


PATHS = st.sampled_from([line.partition(":")[0] for line in PHONE.splitlines()])


@given(st.lists(st.tuples(PATHS, st.text(max_size=30))))
def test_whatever_a_device_says_becomes_json_or_nothing(lines):
    found = parse_snapshot("\n".join(f"{path}:{text}" for path, text in lines))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    clusters(found)


CORES = ["cpuidle/cpu_capacity:5", "cpu/cpu_capacity:5", f"cpu{'9' * 5000}/cpu_capacity:5", "cpu\u0663/cpu_capacity:5"]
ANSWERS = [
    *(f"sys/devices/system/cpu/{line}" for line in CORES),
    *(f"sys/devices/system/cpu/cpu1/cpu_capacity:{text}" for text in ("9" * 5000, "nan", "-1", "1e9", "\u00b2")),
    f"sys/devices/system/cpu/cpufreq/policy0/related_cpus:0 {'9' * 5000} x \u00b2",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_cores_and_figures_that_are_no_numbers_are_left_out(answer):
    found = parse_snapshot(f"{answer}\nsys/devices/system/cpu/cpu0/cpu_capacity:250\n")
    assert found["capacities"] == {"cpu0": 250}
    assert [each.cores for each in clusters(found)] == [(0,)]
