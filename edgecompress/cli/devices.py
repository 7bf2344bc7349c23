"""`edgecompress devices`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from edgecompress.cli.device_options import folder_option, in_folder, on_option
from edgecompress.cli.output import (
    json_option,
    kib,
    print_error,
    print_json,
    print_line,
    print_table,
    progress_bars,
)

if TYPE_CHECKING:
    from edgecompress.devices.address import Address
    from edgecompress.profiling.readiness.check import Readiness
    from edgecompress.profiling.readiness.inventory import Entry
    from edgecompress.profiling.readiness.step import Step


@click.group("devices", invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List what is connected or configured: model, SoC, clusters, memory, system, and what keeps one from measuring.

    Boards are configured in devices.toml; see docs/devices.md.

    Example: edgecompress devices
    """
    if context.invoked_subcommand is not None:
        return
    from edgecompress.profiling.readiness.inventory import inventory

    found = inventory()
    if as_json:
        print_json(found)
        return
    columns = ["device", "model", "SoC", "cores", "memory GiB", "system", "state"]
    print_table("Devices", columns, [_row(entry) for entry in found])
    for entry in found:
        if entry.step:
            print_line(f"{entry.device}: {_told(entry.step)}")


@command.command("check")
@click.option(
    "--on",
    "devices",
    multiple=True,
    metavar="DEVICE",
    callback=in_folder,
    show_default="all that `edgecompress devices` lists",
    help="local, adb, adb:SERIAL, ssh:USER@HOST[:PORT], emulated:CPU, or a name from devices.toml; may be repeated.",
)
@folder_option
@json_option
def check_command(devices: tuple[str | Address, ...], as_json: bool) -> None:
    """Say of each device, step by step, whether it can measure, and what to do where it cannot.

    A device is ready once the runner has answered on it. Ends with exit code 1 if one is not; without --on, an
    emulated processor and adb itself may be missing.

    Example: edgecompress devices check --on ssh:pi@raspberrypi.local
    """
    from edgecompress.devices.configured import resolve
    from edgecompress.profiling.readiness.check import Readiness, check_address
    from edgecompress.profiling.readiness.inventory import Known, known_devices

    known = [Known(str(each), "", each) for each in map(resolve, devices)] if devices else known_devices()
    told = []
    for each in known:
        if not as_json:
            print_line(f"{each.device} ({each.name})" if each.name else each.device)
        tell = (lambda step: None) if as_json else _print_step
        if each.address is None:
            assert each.step
            tell(each.step)
            found = Readiness([each.step])
        else:
            with progress_bars() as progress:
                found = check_address(each.address, on_step=tell, on_push=progress)
        told.append((each, found))
        if not as_json:
            print_line(f"  {_verdict(found)}")
    if as_json:
        print_json([_as_json(each.device, each.name, found) for each, found in told])
    if not all(found.is_ready or (each.is_optional and not devices) for each, found in told):
        raise SystemExit(1)


@command.command("clean")
@on_option
@folder_option
def clean_command(devices: tuple[str | Address, ...]) -> None:
    """Remove the files that measuring has left on devices; one that cannot be cleaned does not keep the others from it.

    Example: edgecompress devices clean --on ssh:pi@raspberrypi.local
    """
    from edgecompress.devices.configured import resolve
    from edgecompress.devices.connect import connect
    from edgecompress.devices.holding.lock import reserved
    from edgecompress.devices.store import clean
    from edgecompress.errors import DeviceError
    from edgecompress.profiling.runner.holder import holder

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


def _told(step: Step) -> str:
    """A step in a line, with its remedy and where more is said about that."""
    text = f"{step.name}: {step.found.rstrip('.')}"
    return (
        f"{text}. {step.remedy} See {step.see}." if step.remedy else f"{text}{f'. See {step.see}.' if step.see else ''}"
    )


def _print_step(step: Step) -> None:
    print_line(f"  {step.state:<4}  {_told(step)}")


def _verdict(found: Readiness) -> str:
    if not found.is_ready:
        return "not ready"
    count = len(found.warnings)
    return "ready" + (f", with {count} warning{'s' if count > 1 else ''}" if count else "")


def _as_json(device: str, name: str, found: Readiness) -> dict[str, Any]:
    keys = ("name", "state", "found", "remedy", "see")
    steps = [{key: getattr(step, key) for key in keys} for step in found.steps]
    return {"device": device, "name": name, "ready": found.is_ready, "steps": steps}


def _row(entry: Entry) -> list[str]:
    info, state = entry.info, "ready" if entry.ready else "not ready"
    device = f"{entry.device} ({entry.name})" if entry.name else entry.device
    if info is None:
        return [device, "", "", "", "", "", state]
    kinds = " + ".join(
        f"{len(kind.cores)}" + (f" x {kind.max_mhz:.0f} MHz" if kind.max_mhz else "") for kind in entry.clusters
    )
    memory = f"{info.memory_bytes / 2**30:.1f}" if info.memory_bytes else ""
    return [device, info.model, info.soc, kinds, memory, info.system, state]
