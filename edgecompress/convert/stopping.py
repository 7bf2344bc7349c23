"""Where a TFLite file stops: the first operator that LiteRT refuses, crashes on or hangs on, by halving the graph."""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecompress.convert.tflite.editor import Editor
from edgecompress.convert.tflite.post_training import layer_of
from edgecompress.errors import RuntimeRefusal
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.samples import run_samples


def first_stop(content: bytes, arrays: Sequence[np.ndarray]) -> str:
    """Return "'layer' (KIND)" of the first operator with which a graph no longer runs; "" if all run, or it has loops.

    The operators up to the N-th stop if the N-th or one before does, so that log2 of their number are run.

    Args:
        content: the file; of one with loops, which are graphs of their own, no beginning is made.
        arrays: the samples that it stopped on, real numbers, an array an input.
    """
    editor = Editor(content)
    if len(editor.model.subgraphs) > 1:
        return ""
    count = len(editor.graph.operators)
    with tempfile.TemporaryDirectory(prefix="edgecompress-") as folder:

        def stops(operators: int) -> bool:
            path = Path(folder) / f"{operators}.tflite"
            path.write_bytes(_beginning(content, operators))
            try:
                with RuntimeProcess(path) as process:
                    run_samples(process, arrays)
            except RuntimeRefusal:
                return True
            return False

        place = bisect_left(range(1, count + 1), True, key=stops)
    if place == count:
        return ""
    operator = editor.graph.operators[place]
    return f"'{layer_of(editor.name(operator.outputs[0]))}' ({editor.kind(operator)})"


def _beginning(content: bytes, operators: int) -> bytes:
    """The graph's first operators; all that they compute and do not read is an output."""
    editor = Editor(content)
    graph = editor.graph
    graph.operators = graph.operators[:operators]
    read = {index for operator in graph.operators for index in operator.inputs}
    graph.outputs = [index for operator in graph.operators for index in operator.outputs if index not in read]
    editor.model.signatureDefs = []
    return editor.content()
