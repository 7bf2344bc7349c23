"""Devices that the user has given names, in `devices.toml`:

[devices]
pi = "ssh:pi@raspberrypi.local"
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from edgecompress.devices.address import Address, parse_address
from edgecompress.errors import DeviceError


def configuration_file() -> Path:
    """Return where the file is, or would be."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "edgecompress" / "devices.toml"


def configured_devices() -> dict[str, Address]:
    """Return the addresses by their names; none if there is no file.

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
    if not isinstance(table, dict) or not all(isinstance(text, str) for text in table.values()):
        raise DeviceError(f"'{path}' is damaged.", hint='Expected [devices] with lines such as pi = "ssh:pi@host".')
    return {name: parse_address(text) for name, text in table.items()}


def resolve(text: str) -> Address:
    """Return the address behind a name of the user's, or take `text` as an address itself."""
    return configured_devices().get(text) or parse_address(text)
