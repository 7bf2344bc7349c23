"""Several devices at once: what one of them cannot do leaves the others' results alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import TypeVar

from edgecompress.devices.address import Address
from edgecompress.devices.holding.lock import reserved
from edgecompress.devices.wire.client import end_clients
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError, EdgeCompressError
from edgecompress.pipeline.on_devices.meeting import Meeting
from edgecompress.profiling.runner.holder import holder
from edgecompress.progress import Progress, silent
from edgecompress.values import Failure

STOP_EVERY_S = 0.1
Result = TypeVar("Result")
Work = Callable[[Transport, Progress], Result]


def on_each(
    addresses: Sequence[Address], work: Work[Result], *, on_progress: Progress = silent
) -> tuple[list[Result], list[Failure]]:
    """Do `work` on every device, all at the same time; return results and failures, in the order of the addresses.

    Each device is kept to ourselves meanwhile. Raises the error itself if the only device fails, and DeviceError if two
    names are of one device; on Ctrl-C, ends what runs on every device first.
    """
    if len(addresses) == 1:
        return [_one(addresses[0], work, on_progress, Meeting(1))], []
    stopping, meeting = threading.Event(), Meeting(len(addresses))
    results: list[Result] = []
    failures: list[Failure] = []
    with ThreadPoolExecutor(len(addresses)) as pool:
        futures = [
            pool.submit(_one, address, work, _stoppable(on_progress, stopping), meeting) for address in addresses
        ]
        try:
            for address, future in zip(addresses, futures, strict=True):
                _collect(str(address), future, results, failures)
        except BaseException:
            stopping.set()
            while not all(future.done() for future in futures):  # one may be about to start another command
                end_clients()
                wait(futures, timeout=STOP_EVERY_S)
            raise
    if meeting.refusal:
        raise meeting.refusal
    return results, failures


def _one(address: Address, work: Work[Result], on_progress: Progress, meeting: Meeting) -> Result:
    with meeting.joined(address) as transport, _reserved(transport, on_progress):
        return work(transport, on_progress)


def _reserved(transport: Transport, on_progress: Progress) -> AbstractContextManager[None]:
    waiting = f"waiting for {transport.address}"
    return reserved(transport, holder=holder, on_wait=lambda: on_progress(waiting, 0, 1))


def _collect(device: str, future: Future[Result], results: list[Result], failures: list[Failure]) -> None:
    try:
        results.append(future.result())
    except EdgeCompressError as error:
        failures.append(Failure(device, error.message, error.hint))


def _stoppable(on_progress: Progress, stopping: threading.Event) -> Progress:
    """Work reports often: the moment to end it."""
    lock = threading.Lock()

    def report(what: str, done: int, total: int) -> None:
        if stopping.is_set():
            raise DeviceError("The measurement was interrupted.")
        with lock:
            on_progress(what, done, total)

    return report
