"""What there is to measure on: this machine, attached phones, configured boards, emulated processors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from edgecompress.devices.address import EMULATED_CPUS, Address
from edgecompress.devices.configured import configured_devices
from edgecompress.devices.cores import Cluster, clusters
from edgecompress.devices.probe import DeviceInfo
from edgecompress.devices.ways.adb_server import Listing, listing, state_hint
from edgecompress.errors import DeviceError
from edgecompress.profiling.readiness.check import Wanted, check_address
from edgecompress.profiling.readiness.step import Step, no, warn

BRIEFLY = Wanted(with_library=False, with_push=False)


@dataclass(frozen=True)
class Entry:
    """A device, and whether it can be used: the first step that is not "ok", if there is one."""

    device: str
    name: str  # the user's own, or empty
    ready: bool
    step: Step | None = None
    info: DeviceInfo | None = None
    clusters: tuple[Cluster, ...] = ()


@dataclass(frozen=True)
class Known:
    """A device that there may be; `step` says what is wrong if that is known without asking it."""

    device: str
    name: str
    address: Address | None
    step: Step | None = None

    @property
    def is_optional(self) -> bool:
        """Whether nobody has asked for it: adb itself, or an emulated processor."""
        return self.device == "adb" or (self.address is not None and self.address.kind == "emulated")


def known_devices() -> list[Known]:
    """Return this machine, the configured devices, what adb lists, and the emulated processors.

    Raises:
        DeviceError: the file of configured devices is damaged.
    """
    names = {address: name for name, address in configured_devices().items()}
    attached, others = _attached(names)
    wanted = [Address("local"), *(address for address in names if address.kind in ("ssh", "local")), *attached]
    wanted += [Address("emulated", cpu) for cpu in EMULATED_CPUS]
    return [*(Known(str(each), names.get(each, ""), each) for each in dict.fromkeys(wanted)), *others]


def inventory() -> list[Entry]:
    """Look at every device, all at the same time; one that is not ready is an entry that says why.

    Raises:
        DeviceError: the file of configured devices is damaged.
    """
    known = known_devices()
    with ThreadPoolExecutor(len(known)) as pool:
        return list(pool.map(_entry, known))


def _attached(names: dict[Address, str]) -> tuple[list[Address], list[Known]]:
    """The phones that adb reaches; and those that it does not, with what is wrong with itself."""
    others: list[Known] = []
    found = Listing(())
    try:
        found = listing()
    except DeviceError as error:
        others.append(Known("adb", "", None, no("adb", error)))
    if found.warning:
        others.append(Known("adb", "", None, warn("adb", "its server is of another version", found.warning)))
    reached = [Address("adb", each.serial) for each in found.devices if each.state == "device"]
    for each in found.devices:
        if each.state != "device":
            address = Address("adb", each.serial)
            step = Step("adb", "no", f"It is {each.state}.", state_hint(each.state))
            others.append(Known(str(address), names.get(address, ""), None, step))
    listed = {each.serial for each in found.devices}
    for address, name in names.items():
        if address.kind == "adb" and address.target and address.target not in listed:
            step = Step("adb", "no", "It is not connected.", "`adb devices` lists what is.")
            others.append(Known(str(address), name, None, step))
    return [next((each for each in names if each == address), address) for address in reached], others


def _entry(known: Known) -> Entry:
    if known.address is None:
        return Entry(known.device, known.name, False, known.step)
    found = check_address(known.address, BRIEFLY)
    step = next((each for each in reversed(found.steps) if each.state == "no"), None)
    step = step or next(iter(found.warnings), None)
    return Entry(known.device, known.name, found.is_ready, step, found.info, clusters(found.conditions))
