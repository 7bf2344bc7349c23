"""The service of a child process that holds a model in its runtime; one model at a time."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from edgecompress.child.service import Answer, Handler, Request
from edgecompress.runtimes.engines.session import Session, open_session
from edgecompress.runtimes.indices import index_bounds
from edgecompress.runtimes.inner import answer as inner_tensor

_open: list[Session] = []  # the model that is held, if there is one


def open_model(request: Request, *, path: str, plain: bool, kernels: str, as_written: bool) -> Answer:
    """Import the runtime, load the model, and describe it."""
    _open.clear()
    session = open_session(path, plain=plain, kernels=kernels, as_written=as_written)
    _open.append(session)
    specs = {side: [asdict(spec) for spec in getattr(session, side)] for side in ("inputs", "outputs")}
    return {**specs, "runtime": session.runtime}, []


def close_model(request: Request) -> Answer:
    """Let go of the model."""
    _open.clear()
    return {}, []


def bounds_of_indices(request: Request, *, path: str) -> Answer:
    """Tell how large the indices may be that a model takes, by its inputs' names."""
    return index_bounds(path), []


def run(request: Request) -> Answer:
    """Run one inference."""
    (session,) = _open
    session.bind(request.arrays)
    session.invoke()
    return {}, session.read()


def run_rows(request: Request) -> Answer:
    """Run the rows of the arrays, one after another, and join what each output gives along its first axis."""
    (session,) = _open
    rows = []
    for index in range(len(request.arrays[0])):
        session.bind([array[index : index + 1] for array in request.arrays])
        session.invoke()
        rows.append(session.read())
    return {}, [np.concatenate(output) for output in zip(*rows, strict=True)]


def run_batch(request: Request) -> Answer:
    """Run the rows of one array, one after another, and stack each output."""
    answer, outputs = run_rows(request)
    if any(len(output) != len(request.arrays[0]) for output in outputs):
        raise ValueError("the outputs have no batch axis of one")
    return answer, outputs


REQUESTS: dict[str, Handler] = {
    "open": open_model,
    "close": close_model,
    "index_bounds": bounds_of_indices,
    "run": run,
    "run_rows": run_rows,
    "run_batch": run_batch,
    "inner": inner_tensor,
}
