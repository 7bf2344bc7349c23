"""`edgecompress devices`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from edgecompress.cli.device_options import folder_option, on_option
from edgecompress.cli.output import json_option, kib, print_error, print_json, print_line, print_table

if TYPE_CHECKING:
    from edgecompress.devices.address import Address
    from edgecompress.devices.inventory import Entry


@click.group("devices", invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List what is connected or configured: model, SoC, clusters, memory, system, and why one cannot be used.

    Boards are configured in devices.toml; see docs/devices.md.

    Example: edgecompress devices
    """
    if context.invoked_subcommand is not None:
        return
    from edgecompress.devices.inventory import inventory

    found = inventory()
    if as_json:
        print_json(found)
        return
    columns = ["device", "model", "SoC", "cores", "memory GiB", "system", "state"]
    print_table("Devices", columns, [_row(entry) for entry in found])
    for entry in found:
        if entry.state != "ready":
            print_line(f"{entry.device}: {entry.why}")


@command.command("clean")
@on_option
@folder_option
def clean_command(devices: tuple[str | Address, ...]) -> None:
    """Remove the files that measuring has left on devices; one that cannot be cleaned does not keep the others from it.

    Example: edgecompress devices clean --on ssh:pi@raspberrypi.local
    """
    from edgecompress.devices.configured import resolve
    from edgecompress.devices.connect import connect
    from edgecompress.devices.lock import reserved
    from edgecompress.devices.store import clean
    from edgecompress.errors import DeviceError
    from edgecompress.profiling.holder import holder

    failed = False
    for address in [resolve(device) for device in devices]:
        try:
            with connect(address) as transport, reserved(transport, holder=holder):
                print_line(f"{transport.address}: removed {kib(clean(transport))} KiB.")
        except DeviceError as error:
            print_error(error.message, error.hint)
            failed = True
    if failed:
        raise SystemExit(1)


def _row(entry: Entry) -> list[str]:
    info = entry.info
    device = f"{entry.device} ({entry.name})" if entry.name else entry.device
    if info is None:
        return [device, "", "", "", "", "", entry.state]
    kinds = " + ".join(
        f"{len(kind.cores)}" + (f" x {kind.max_mhz:.0f} MHz" if kind.max_mhz else "") for kind in entry.clusters
    )
    memory = f"{info.memory_bytes / 2**30:.1f}" if info.memory_bytes else ""
    return [device, info.model, info.soc, kinds, memory, info.system, entry.state]
