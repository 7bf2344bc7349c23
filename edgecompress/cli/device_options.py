"""Options that several commands have: where to measure, and how."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from edgecompress.devices.address import Address

_FOLDER = "edgecompress.device_folder"
_DURATION = re.compile(r"(\d{1,6}(?:\.\d+)?)(s|m|h)?")
_SHAPE = re.compile(r"(?P<name>.+)=(?P<lengths>[0-9]{1,10}(?:x[0-9]{1,10}){0,7})", re.DOTALL)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Counts(click.ParamType):
    """Whole numbers, separated by commas, such as "1,4"."""

    name = "N[,N...]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Take the text apart."""
        if isinstance(value, tuple):
            return value
        words = str(value).split(",")
        if not all(word.isascii() and word.isdecimal() and len(word) < 3 and 1 <= int(word) <= 64 for word in words):
            self.fail(f"'{value}' is no list of numbers from 1 to 64, such as 1,4.", param, ctx)
        return tuple(dict.fromkeys(map(int, words)))


class Duration(click.ParamType):
    """A time such as "90s" or "10m", in seconds."""

    name = "TIME"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Take the text apart."""
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value))
        if not found or not 1 <= float(found[1]) * _SECONDS[found[2] or "s"] <= 6 * 3600:
            self.fail(f"'{value}' is no time from 1s to 6h, such as 90s or 10m.", param, ctx)
        return float(found[1]) * _SECONDS[found[2] or "s"]


class Shape(click.ParamType):
    """An input's name with its shape, such as "input=1x512"."""

    name = "INPUT=AxB..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, tuple[int, ...]]:
        """Take the text apart; a name may hold the sign itself."""
        if isinstance(value, tuple):
            return value
        found = _SHAPE.fullmatch(str(value))
        if not found or not all(1 <= int(length) < 2**31 for length in found["lengths"].split("x")):
            self.fail(f"'{value}' is no input with the lengths of all its axes, such as input=1x512.", param, ctx)
        return found["name"], tuple(map(int, found["lengths"].split("x")))


def in_folder(
    context: click.Context, parameter: click.Parameter, devices: tuple[str, ...]
) -> tuple[str | Address, ...]:
    """Return the devices with the folder of `--device-folder`, if there is one.

    Raises:
        click.UsageError: a device has no folder of ours.
        DeviceError: there is no such device, or the folder is no absolute path.
    """
    folder = context.meta.get(_FOLDER)
    if folder is None:
        return devices
    from edgecompress.devices.configured import resolve

    addresses = [resolve(device) for device in devices]
    if not addresses:
        raise click.UsageError("--device-folder is for the devices of --on, and there is none.")
    for address in addresses:
        if address.kind not in ("adb", "ssh"):
            raise click.UsageError(f"--device-folder is for phones and boards, and {address} is none.")
    return tuple(address.using(folder=folder) for address in addresses)


def _keep(context: click.Context, parameter: click.Parameter, folder: str | None) -> None:
    context.meta[_FOLDER] = folder


folder_option = click.option(
    "--device-folder",
    metavar="PATH",
    is_eager=True,  # --on takes it along
    expose_value=False,
    callback=_keep,
    help="Where files lie on the devices; otherwise a folder is looked for that can be written and executed.",
)
on_option = click.option(
    "--on",
    "devices",
    multiple=True,
    default=("local",),
    show_default=True,
    metavar="DEVICE",
    callback=in_folder,
    help="local, adb, adb:SERIAL, ssh:USER@HOST[:PORT], emulated:CPU, or a name from devices.toml; may be repeated.",
)
threads_option = click.option(
    "--threads", multiple=True, type=Counts(), default=("1",), show_default=True, help="Such as 1,4; may be repeated."
)
cores_option = click.option(
    "--cores", default="all", show_default=True, metavar="prime|big|mid|little|all|MASK", help="Cores to keep to."
)
strict_option = click.option(
    "--strict", is_flag=True, help="End with 3 if a figure is invalid, or taken in conditions that need a remark."
)
runner_option = click.option(
    "--runner",
    type=click.Choice(["auto", "native", "python"]),
    default="auto",
    show_default=True,
    help="Our C program, or Python and the runtimes' packages on the device.",
)

shape_option = click.option(
    "--shape",
    "shapes",
    multiple=True,
    type=Shape(),
    help="The shape of an input that leaves an axis free, such as input=1x512; may be repeated.",
)


def measuring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of all that measure: on which devices, `--strict`, and what `plan_options` takes."""
    for option in (
        strict_option,
        runner_option,
        shape_option,
        cores_option,
        threads_option,
        folder_option,
        on_option,
    ):  # the last stands first
        command = option(command)
    return command


def plan_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return what a `Plan` takes of the options that `measuring_options` gives.

    Raises:
        click.UsageError: an input has two shapes.
    """
    threads = tuple(dict.fromkeys(count for counts in given["threads"] for count in counts))
    return {"runner": given["runner"], "threads": threads, "cores": given["cores"], "shapes": once(given["shapes"])}


def require_good_conditions(figures: Iterable[tuple[str, str, Iterable[str]]]) -> None:
    """See that none of these is invalid or remarked on: devices, why they are invalid, and remarks.

    Raises:
        LimitNotMet: one is.
    """
    from edgecompress.errors import LimitNotMet

    found = [f"{device}: {why}" for device, invalid, remarks in figures for why in (invalid, *remarks) if why]
    if found:
        raise LimitNotMet(
            f"The conditions were not what --strict asks for: {'; '.join(dict.fromkeys(found))}.",
            hint="The figures are printed all the same.",
        )


def once(shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the shapes, each input's once.

    Raises:
        click.UsageError: an input has two.
    """
    names = [name for name, _ in shapes]
    for name in names:
        if names.count(name) > 1:
            raise click.UsageError(f"--shape gives input '{name}' twice.")
    return shapes
