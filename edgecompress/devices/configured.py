"""Devices that the user has given names, in `devices.toml`:

[devices]
pi = "ssh:pi@raspberrypi.local"

[devices.phone]
address = "adb:R5CT10"
folder = "/data/local/tmp/mine"  # for our files there, in the place of one that is looked for
python = "/data/local/tmp/venv/bin/python"  # in the place of `python3`
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from edgecompress.devices.address import FORMS, Address, parse_address
from edgecompress.errors import DeviceError
from edgecompress.suggest import suggest

_KEYS = ("address", "folder", "python")


def configuration_file() -> Path:
    """Return where the file is, or would be."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "edgecompress" / "devices.toml"


def configured_devices() -> dict[str, Address]:
    """Return the addresses by their names, each with its folder and Python; none if there is no file.

    Raises:
        DeviceError: the file is damaged, or an address in it is.
    """
    path = configuration_file()
    try:
        table = tomllib.loads(path.read_text()).get("devices", {})
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DeviceError(f"'{path}' cannot be read: {error}.") from error
    if not isinstance(table, dict):
        raise DeviceError(f"'{path}' is damaged.", hint='Expected [devices] with lines such as pi = "ssh:pi@host".')
    return {name: _address(name, device) for name, device in table.items()}


def resolve(text: str | Address) -> Address:
    """Return the address behind a name of the user's, or take `text` as an address itself.

    Raises:
        DeviceError: it is neither.
    """
    if isinstance(text, Address):
        return text
    devices = configured_devices()
    if text in devices:
        return devices[text]
    try:
        return parse_address(text)
    except DeviceError as error:
        if not devices or ":" in text:
            raise
        hint = f"{suggest(text, devices)} Other forms are: {FORMS}."
        raise DeviceError(error.message, hint=hint) from error


def _address(name: str, device: Any) -> Address:
    keys = device if isinstance(device, dict) else {"address": device}
    where = f"'{name}' in '{configuration_file()}'"
    if unknown := [key for key in keys if key not in _KEYS]:
        raise DeviceError(f"{where} has a key '{unknown[0]}'.", hint=suggest(unknown[0], _KEYS))
    if "address" not in keys or not all(isinstance(value, str) for value in keys.values()):
        raise DeviceError(
            f"{where} is damaged.",
            hint=f'Expected {name} = "ssh:pi@host", or [devices.{name}] with address = "ssh:pi@host", folder, python.',
        )
    try:
        address = parse_address(keys["address"])
        return address.using(folder=keys.get("folder", ""), python=keys.get("python", ""))
    except DeviceError as error:
        raise DeviceError(f"{where}: {error.message}", hint=error.hint) from error
