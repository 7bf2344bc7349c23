"""What the daemon knows of its device: its name, the keys that its owner allowed, and its present fault."""

from __future__ import annotations

import os
from pathlib import Path

from device_tests.adbd.wire import PublicKey

FAULTS = ("", "full-disk", "read-only", "cut-push", "cut-run", "unauthorized", "offline")


class Device:
    """Its files are opened at once: they lie outside of the root that the daemon then moves into."""

    def __init__(self, model: str, fault_file: Path, key_file: Path | None) -> None:
        self.banner = f"device::ro.product.name={model};ro.product.model={model};features=shell_v2,cmd".encode()
        self.asks_for_key = key_file is not None
        self._fault_file = fault_file.open("rb")
        self._key_file = key_file.open("ab") if key_file else None
        self._keys = [PublicKey.parse(line) for line in key_file.read_bytes().splitlines()] if key_file else []

    @property
    def fault(self) -> str:
        """One of `FAULTS`, as the file says now."""
        return os.pread(self._fault_file.fileno(), 64, 0).decode("ascii", "replace").strip()

    def knows_signer(self, token: bytes, signature: bytes) -> bool:
        """Whether one of the allowed keys signed `token`."""
        return any(key.verifies(token, signature) for key in self._keys)

    def allow(self, line: bytes) -> None:
        """Remember a key, as when the owner answers the phone's question with "always allow"."""
        self._keys.append(PublicKey.parse(line))
        if self._key_file:
            self._key_file.write(line.strip() + b"\n")
            self._key_file.flush()
