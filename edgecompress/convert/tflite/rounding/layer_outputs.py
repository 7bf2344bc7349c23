"""Which layer of a Keras model computes each tensor of the float file that is made of it: found by what they compute.

The converter fuses, folds and renames, differently from release to release. So names are not read: both compute the
same samples, and what agrees to the rounding of float32 is the same tensor.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecompress.formats.tflite.file import parse_graph
from edgecompress.keras_bridge.walks import functional_of, run
from edgecompress.keras_types import Model
from edgecompress.runtimes.inner import inner_tensors

SAME = 1e-4  # of the largest number of a tensor: two roundings of some hundred layers, each of 2^-24 sqrt(terms)


@dataclass(frozen=True)
class Output:
    """What a layer or operation computes in one of its calls."""

    layer: str
    call: int = 0
    place: int = 0  # among the outputs of the call


def outputs_in(content: bytes, model: Model, samples: Sequence[np.ndarray]) -> dict[str, Output]:
    """Return, by the names of a float TFLite file's tensors, the outputs of the model's layers that they are.

    Args:
        content: the file, of one subgraph.
        model: the Keras 3 model that it was made of, or one that computes the same in other layers.
        samples: an array an input, one sample each: with more than that a file would have to be run again.

    A tensor that is no layer's output, but a step inside of one, is left out. Where several agree, such as a ReLU that
    clips nothing, the last ones are taken in their order.
    """
    graph = parse_graph(content)
    with tempfile.TemporaryDirectory(prefix="edgecompress-") as folder:
        path = Path(folder) / "float.tflite"
        path.write_bytes(content)
        inputs = tuple(graph.tensors[index].spec for index in graph.inputs)
        wanted = [(index, graph.tensors[index].spec) for index in graph.producers]
        tensors = dict(zip(graph.producers, inner_tensors(path, inputs, samples, wanted), strict=True))
    candidates = _computed(model, samples)
    functional = functional_of(model)
    found = {
        graph.tensors[index].name: Output(tensor._keras_history.operation.name)
        for index, tensor in zip(graph.inputs, functional.inputs, strict=True)
    }
    for index in reversed(graph.producers):
        tensor = tensors[index]
        for output in reversed(candidates):
            if tensor is not None and _same(candidates[output], tensor):
                found[graph.tensors[index].name] = output
                del candidates[output]
                break
    return found


def _computed(model: Model, samples: Sequence[np.ndarray]) -> dict[Output, np.ndarray]:
    """What every call of a layer computes, but those that change nothing at inference, such as a dropout."""
    calls, _ = run(functional_of(model), samples)
    times: Counter[str] = Counter()
    computed: dict[Output, np.ndarray] = {}
    seen = {id(sample) for sample in samples}
    for operation, outputs in calls:
        for place, output in enumerate(outputs):
            if id(output) not in seen:
                computed[Output(operation.name, times[operation.name], place)] = np.asarray(output)
            seen.add(id(output))
        times[operation.name] += 1
    return computed


def _same(computed: np.ndarray, tensor: np.ndarray) -> bool:
    if computed.shape != tensor.shape or computed.dtype != tensor.dtype:
        return False
    return bool(np.abs(computed - tensor).max(initial=0.0) <= SAME * np.abs(tensor).max(initial=0.0))
