"""What there is to measure on: this machine, attached phones, configured boards, emulated processors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from edgecompress.devices.address import EMULATED_CPUS, Address
from edgecompress.devices.conditions import snapshot
from edgecompress.devices.configured import configured_devices
from edgecompress.devices.connect import connect
from edgecompress.devices.cores import Cluster, clusters
from edgecompress.devices.probe import DeviceInfo, probe
from edgecompress.devices.ways.adb_server import Listing, listing, state_hint
from edgecompress.errors import DeviceError


@dataclass(frozen=True)
class Entry:
    """A device, and whether it can be used; `why` says why not."""

    device: str
    name: str  # the user's own, or empty
    state: str  # "ready", or what adb says, or "unusable"
    why: str = ""
    info: DeviceInfo | None = None
    clusters: tuple[Cluster, ...] = ()


def inventory() -> list[Entry]:
    """Look at every device, all at the same time; one that does not answer is an entry that says so.

    Raises:
        DeviceError: the file of configured devices is damaged.
    """
    names = {address: name for name, address in configured_devices().items()}
    wanted = [Address("local"), *(address for address in names if address.kind in ("ssh", "local"))]
    entries: list[Entry] = []
    attached = Listing(())
    try:
        attached = listing()
    except DeviceError as error:
        entries.append(Entry("adb", "", "unusable", str(error)))
    if attached.warning:
        entries.append(Entry("adb", "", "of two versions", attached.warning))
    for each in attached.devices:
        if each.state == "device":
            wanted.append(Address("adb", each.serial))
        else:
            entries.append(Entry(f"adb:{each.serial}", "", each.state, state_hint(each.state)))
    known = {entry.device for entry in entries} | {str(address) for address in wanted}
    missing = [each for each in names if each.kind == "adb" and each.target and str(each) not in known]
    entries += [Entry(str(address), names[address], "unusable", "It is not connected.") for address in missing]
    wanted += [Address("emulated", cpu) for cpu in EMULATED_CPUS]
    wanted = list(dict.fromkeys(wanted))
    with ThreadPoolExecutor(len(wanted)) as pool:
        looked_at = list(pool.map(lambda address: _entry(address, names.get(address, "")), wanted))
    return [*looked_at, *entries]


def _entry(address: Address, name: str) -> Entry:
    try:
        with connect(address) as transport:
            if address.kind == "emulated":
                return Entry(str(address), name, "ready", "It counts instructions, and keeps no time.")
            return Entry(str(address), name, "ready", "", probe(transport), clusters(snapshot(transport)))
    except DeviceError as error:
        return Entry(str(address), name, "unusable", str(error))
