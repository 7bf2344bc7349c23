"""What an artifact computes on a device, on inputs of ours."""

from __future__ import annotations

import math
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from edgecompress.child.channel import DTYPES
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError, UnsupportedModelError
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.runner.session import RunnerTensor

RECORD_TIMEOUT_S = 10.0  # for each record, on the slowest device
MAX_OUTPUT_BYTES = 1 << 30


def outputs_on(bench: Bench, path: Path, records: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Run records on a device, one array an input each; return one stacked array (N, ...) an output, raw.

    Raises DeviceError, RuntimeRefusal; UnsupportedModelError if an output's shape depends on the input.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompress-") as folder:
        inputs, outputs = Path(folder) / "inputs", Path(folder) / "outputs"
        with inputs.open("wb") as file:
            for record in records:
                file.write(b"".join(np.ascontiguousarray(array).tobytes() for array in record))
        counts = Path(folder) / "counts"  # of an emulated device, which are of no interest here
        emulated = bench.device.startswith("emulated:")
        session, how = bench.open(path, threads=1, inputs=inputs, counts=counts if emulated else None)
        local = isinstance(bench.transport, LocalTransport)
        target = str(outputs) if local else f"{bench.transport.folder}/outputs-{uuid.uuid4().hex}"
        try:
            try:
                source = how.words[how.words.index("--inputs") + 1]
                timeout_s = RECORD_TIMEOUT_S * (len(records) + 6)
                count, tensors = session.run_batch(source, target, timeout_s=timeout_s)
            finally:
                bench.close(session)
            if count != len(records):
                raise DeviceError(f"{bench.device} ran {count} of {len(records)} inputs.")
            if not local:
                bench.transport.pull(target, outputs)
        finally:
            if not local:
                with suppress(DeviceError):  # it may have gone, which is being said
                    bench.transport.shell('rm -f "$1"', target)
        return _split(outputs, tensors, count, bench.device)


def _split(path: Path, tensors: tuple[RunnerTensor, ...], count: int, device: str) -> list[np.ndarray]:
    """Take the records of the outputs apart, as the device has described them."""
    if any(tensor.dtype not in DTYPES for tensor in tensors):
        raise DeviceError(f"The outputs from {device} are of a type that is not known.")
    sizes = [math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize for tensor in tensors]
    expected = sum(sizes) * count
    if min(sizes, default=0) < 0 or expected > MAX_OUTPUT_BYTES:
        raise DeviceError(f"The outputs from {device} are of a size that cannot be.")
    if path.stat().st_size != expected:
        raise UnsupportedModelError(
            f"The outputs from {device} take {path.stat().st_size} bytes instead of {expected}: "
            "their shapes depend on the input, or the disk of the device is full."
        )
    rows = np.fromfile(path, np.uint8).reshape(count, -1)
    starts = np.cumsum([0, *sizes])
    return [
        np.ascontiguousarray(rows[:, start : start + size]).view(tensor.dtype).reshape(count, *tensor.shape)
        for tensor, start, size in zip(tensors, starts, sizes, strict=False)
    ]
