"""What the daemon knows of its device: its name, the keys that its owner allowed, and its present fault."""

from __future__ import annotations

import os
import time
from pathlib import Path

from device_tests.adbd.wire import PublicKey

FAULTS = ("", "full-disk", "read-only", "cut-push", "cut-run", "unauthorized", "offline", "old", "gone", "reboot")
REBOOT_S = 3.0


class Device:
    """Its files are opened at once: they lie outside of the root that the daemon then moves into."""

    def __init__(self, model: str, fault_file: Path, key_file: Path | None) -> None:
        self._model = model
        self._up_again_s: float | None = None  # once it is being rebooted
        self.asks_for_key = key_file is not None
        self._fault_file = fault_file.open("rb")
        self._key_file = key_file.open("ab") if key_file else None
        self._keys = [PublicKey.parse(line) for line in key_file.read_bytes().splitlines()] if key_file else []

    @property
    def fault(self) -> str:
        """One of `FAULTS`, as the file says now."""
        return os.pread(self._fault_file.fileno(), 64, 0).decode("ascii", "replace").strip()

    @property
    def banner(self) -> bytes:
        """What it says of itself; before Android 7 it had no features."""
        features = "" if self.fault == "old" else "features=shell_v2,cmd"
        return f"device::ro.product.name={self._model};ro.product.model={self._model};{features}".encode()

    @property
    def is_down(self) -> bool:
        """Whether it answers nobody: for good, or while it starts anew, which it does once a fault."""
        fault = self.fault
        if fault != "reboot":
            self._up_again_s = None
            return fault == "gone"
        if self._up_again_s is None:
            self._up_again_s = time.monotonic() + REBOOT_S
        return time.monotonic() < self._up_again_s

    def knows_signer(self, token: bytes, signature: bytes) -> bool:
        """Whether one of the allowed keys signed `token`."""
        return any(key.verifies(token, signature) for key in self._keys)

    def allow(self, line: bytes) -> None:
        """Remember a key, as when the owner answers the phone's question with "always allow"."""
        self._keys.append(PublicKey.parse(line))
        if self._key_file:
            self._key_file.write(line.strip() + b"\n")
            self._key_file.flush()
