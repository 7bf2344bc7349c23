"""Where all devices of a command say who they are before anything is measured, so that none is measured twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from edgecompress.devices.address import Address
from edgecompress.devices.connect import connect
from edgecompress.devices.identity import Identity, identify
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError


class Meeting:
    """The devices of one command, of which `count` are expected."""

    def __init__(self, count: int) -> None:
        self._alone = count == 1
        self._awaited = count
        self._names: dict[Identity, Address] = {}
        self._changed = threading.Condition()
        self.refusal: DeviceError | None = None

    @contextmanager
    def joined(self, address: Address) -> Iterator[Transport]:
        """A way to the device, once every other one has joined, too, or cannot be reached.

        Raises:
            DeviceError: this one cannot be reached, or two are one device.
        """
        with ExitStack() as stack:
            try:
                transport = stack.enter_context(connect(address))
                if not self._alone:
                    self._introduce(address, identify(transport))
            finally:
                with self._changed:
                    self._awaited -= 1
                    self._changed.notify_all()
            with self._changed:
                self._changed.wait_for(lambda: self._awaited == 0)
            if self.refusal:
                raise self.refusal
            yield transport

    def _introduce(self, address: Address, who: Identity) -> None:
        with self._changed:
            if who.device and who in self._names:
                self.refusal = DeviceError(
                    f"A device is named twice: {self._names[who]} and {address} are one device.",
                    hint="A device is measured once.",
                )
            self._names[who] = address
