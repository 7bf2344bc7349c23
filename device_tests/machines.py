"""What the kernels of a Raspberry Pi 4 and of a phone say of themselves: /proc/cpuinfo and parts of /sys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

IDLE = "0.08 0.05 0.01 1/234 5678\n"
Kind = Literal["pi4", "phone"]
THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
CPU = "devices/system/cpu"
BASE_FEATURES = "fp asimd evtstrm crc32 cpuid"
V8_2_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Cluster:
    """Cores of one design that share a clock."""

    cores: range
    part: int
    capacity: int
    minimum_khz: int
    maximum_khz: int


@dataclass(frozen=True)
class Machine:
    """Everything that is written down of one machine; `files` are texts by their paths below /sys."""

    clusters: tuple[Cluster, ...]
    features: str
    governor: str
    governors: str
    zones_millidegrees: Mapping[str, int]
    cpuinfo_tail: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    load: str = ""  # /proc/loadavg; empty: this machine's


PI4 = Machine(
    clusters=(Cluster(range(4), part=0xD08, capacity=1024, minimum_khz=600_000, maximum_khz=1_800_000),),
    features=BASE_FEATURES,
    governor="ondemand",
    governors="conservative ondemand userspace powersave performance schedutil",
    zones_millidegrees={"cpu-thermal": 48_212},
    cpuinfo_tail="Revision\t: c03114\nSerial\t\t: 1000000012345678\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    files={
        THROTTLED: "0\n",
        "firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        "firmware/devicetree/base/serial-number": "1000000012345678\0",
        "firmware/devicetree/base/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
    },
)
PHONE = Machine(
    clusters=(
        Cluster(range(0, 4), part=0xD05, capacity=261, minimum_khz=300_000, maximum_khz=1_804_800),
        Cluster(range(4, 7), part=0xD41, capacity=871, minimum_khz=710_400, maximum_khz=2_419_200),
        Cluster(range(7, 8), part=0xD44, capacity=1024, minimum_khz=844_800, maximum_khz=2_841_600),
    ),
    features=V8_2_FEATURES,
    governor="schedutil",
    governors="performance schedutil",
    zones_millidegrees={"cpu-0-0-usr": 41_200, "cpu-1-7-usr": 43_900, "skin-therm-usr": 33_500, "battery": 28_100},
    files={
        f"class/power_supply/battery/{name}": f"{value}\n"
        for name, value in {
            "status": "Discharging",
            "capacity": 83,
            "current_now": -312_500,  # microampere, below zero when it discharges
            "voltage_now": 4_123_000,  # microvolt
            "charge_counter": 3_290_000,  # microampere hours
            "temp": 281,  # tenths of a degree
        }.items()
    },
)
MACHINES: Mapping[Kind, Machine] = {"pi4": PI4, "phone": PHONE}


def write_machine(folder: Path, which: Kind | Machine) -> None:
    """Write `folder/cpuinfo` and `folder/sys`, to be bound over a root file system's /proc/cpuinfo and /sys."""
    machine = which if isinstance(which, Machine) else MACHINES[which]
    system = folder / "sys"
    for path, text in (_cores(machine) | _clocks(machine) | _heat(machine) | dict(machine.files)).items():
        (system / path).parent.mkdir(parents=True, exist_ok=True)
        (system / path).write_text(text)
    for cluster in machine.clusters:
        for core in cluster.cores:
            link = system / CPU / f"cpu{core}/cpufreq"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../cpufreq/policy{cluster.cores[0]}")
    (folder / "cpuinfo").write_text(_cpuinfo(machine))
    if machine.load:
        (folder / "loadavg").write_text(machine.load)


def _cpuinfo(machine: Machine) -> str:
    blocks = (
        f"processor\t: {core}\nBogoMIPS\t: 38.40\nFeatures\t: {machine.features}\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {cluster.part:#05x}\nCPU revision\t: 3\n\n"
        for cluster in machine.clusters
        for core in cluster.cores
    )
    return "".join(blocks) + machine.cpuinfo_tail


def _cores(machine: Machine) -> dict[str, str]:
    """Which cores there are, and how they lie together."""
    count = sum(len(cluster.cores) for cluster in machine.clusters)
    files = {f"{CPU}/{name}": f"0-{count - 1}\n" for name in ("possible", "present", "online")}
    files[f"{CPU}/kernel_max"] = f"{count - 1}\n"
    for cluster in machine.clusters:
        siblings = f"{cluster.cores[0]}-{cluster.cores[-1]}" if len(cluster.cores) > 1 else str(cluster.cores[0])
        for core in cluster.cores:
            topology = {
                "physical_package_id": "0",
                "core_id": core,
                "core_cpus_list": core,
                "thread_siblings_list": core,
                "thread_siblings": f"{1 << core:x}",
                "cluster_cpus_list": siblings,
                "core_siblings_list": siblings,
                "core_siblings": f"{sum(1 << each for each in cluster.cores):x}",
                "package_cpus_list": f"0-{count - 1}",
            }
            files |= {f"{CPU}/cpu{core}/topology/{name}": f"{value}\n" for name, value in topology.items()}
            files[f"{CPU}/cpu{core}/cpu_capacity"] = f"{cluster.capacity}\n"
    return files


def _clocks(machine: Machine) -> dict[str, str]:
    files: dict[str, str] = {}
    for cluster in machine.clusters:
        policy = {
            "related_cpus": " ".join(map(str, cluster.cores)),
            "affected_cpus": " ".join(map(str, cluster.cores)),
            "scaling_governor": machine.governor,
            "scaling_available_governors": machine.governors,
            "scaling_cur_freq": cluster.maximum_khz,
            "scaling_min_freq": cluster.minimum_khz,
            "scaling_max_freq": cluster.maximum_khz,
            "cpuinfo_min_freq": cluster.minimum_khz,
            "cpuinfo_max_freq": cluster.maximum_khz,
        }
        folder = f"{CPU}/cpufreq/policy{cluster.cores[0]}"
        files |= {f"{folder}/{name}": f"{value}\n" for name, value in policy.items()}
    return files


def _heat(machine: Machine) -> dict[str, str]:
    """Thermometers, and for each cluster the device that slows it down when it is too hot."""
    files: dict[str, str] = {}
    for number, (zone, millidegrees) in enumerate(machine.zones_millidegrees.items()):
        files[f"class/thermal/thermal_zone{number}/type"] = f"{zone}\n"
        files[f"class/thermal/thermal_zone{number}/temp"] = f"{millidegrees}\n"
    for number, cluster in enumerate(machine.clusters):
        device = f"class/thermal/cooling_device{number}"
        files |= {f"{device}/type": f"cpufreq-cpu{cluster.cores[0]}\n"}
        files |= {f"{device}/cur_state": "0\n", f"{device}/max_state": "12\n"}
    return files
