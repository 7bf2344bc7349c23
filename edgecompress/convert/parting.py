"""Where a quantized file parts from the float file that it was made from: the first tensor beyond the bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecompress.convert.agreement import BOUNDS, Differences
from edgecompress.convert.probes import Probes
from edgecompress.formats.tflite.file import read_graph
from edgecompress.runtimes.inner import inner_tensors


def first_parting(float_path: Path, path: Path, probes: Probes, *, precision: str) -> str:
    """Return the name of the first tensor of a TFLite file that agrees with the float file's no more; "" for none.

    Tensors are those that both files have by one name, in the order in which they are computed, on the first sample.
    """
    float_graph, graph = read_graph(float_path), read_graph(path)
    by_name = {float_graph.tensors[index].name: index for index in float_graph.producers}
    common = [index for index in graph.producers if graph.tensors[index].name in by_name]
    common = [index for index in common if not graph.operators or graph.producers[index].kind != "DEQUANTIZE"]
    sample = [array[:1] for array in probes.arrays]
    sides = []
    for where, source, indices in (
        (float_path, float_graph, [by_name[graph.tensors[index].name] for index in common]),
        (path, graph, common),
    ):
        inputs = tuple(source.tensors[index].spec for index in source.inputs)
        sides.append(inner_tensors(where, inputs, sample, [(each, source.tensors[each].spec) for each in indices]))
    for index, expected, found in zip(common, *sides, strict=True):
        if expected is None or found is None:
            continue
        quant = graph.tensors[index].quant
        step = quant.scales[0] if quant and len(quant.scales) == 1 else 0.0
        differences = Differences(graph.tensors[index].name, np.asarray(expected), np.asarray(found))
        if not differences.holds(precision, BOUNDS[precision].floor_db, step=step):
            return differences.output
    return ""
