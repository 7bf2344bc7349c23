"""Names, signature and metadata of a TFLite file, written into the file itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from edgecompress.convert.tflite.editor import Editor
from edgecompress.convert.tflite.flatbuffer import pack
from edgecompress.convert.tflite.taps import own_outputs

SIGNATURE = "serving_default"


def annotate(
    content: bytes,
    *,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    metadata: dict[str, str] | None = None,
) -> bytes:
    """Return the file with its inputs and outputs so named, a signature of the same names, and `metadata` embedded.

    An output that is an input, or an output before, becomes a tensor of its own; one that is called as an input is gets
    a name of its own.
    """
    editor = Editor(content)
    own_outputs(editor)
    _name(editor, inputs, _distinct(outputs, inputs))
    for key, text in (metadata or {}).items():
        _add_metadata(editor.model, key, text.encode())
    return pack(editor.model, len(content))


def name_boundary(content: bytes, *, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> bytes:
    """Return the file with its inputs and outputs so named, and a signature of the same names.

    The signature is what calibration and applications address tensors by; the converter leaves it out of files made
    from a concrete function.
    """
    editor = Editor(content)
    _name(editor, inputs, outputs)
    return pack(editor.model, len(content))


def rename(content: bytes, named: Callable[[str], str], *, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> bytes:
    """Return what `name_boundary` does, with every other tensor called as `named` says, each layer once in its name.

    Of what is fused the converter lists every operation, several of a batch norm, which adds up in a small file.
    """
    editor = Editor(content)
    for graph in editor.model.subgraphs:
        texts = [each.name or b"" for each in graph.tensors]
        names = [text if isinstance(text, str) else text.decode(errors="replace") for text in texts]
        distinct = _distinct([_shortened(named(name)) for name in names], ())
        for tensor, name in zip(graph.tensors, distinct, strict=True):
            tensor.name = name
    _name(editor, inputs, outputs)
    return pack(editor.model, len(content))


def with_signature(content: bytes) -> bytes:
    """Return the file with a signature by the names that its inputs and outputs have, if it has none that is called so.

    The converter leaves it out of files made from a concrete function, as somebody else's may be.
    """
    editor = Editor(content)
    if any(signature.signatureKey in (SIGNATURE, SIGNATURE.encode()) for signature in editor.model.signatureDefs or []):
        return content
    inputs, outputs = (tuple(map(editor.name, indices)) for indices in (editor.graph.inputs, editor.graph.outputs))
    return name_boundary(content, inputs=inputs, outputs=outputs)


def _name(editor: Editor, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    graph, named = editor.graph, set[int]()
    for names, indices in ((inputs, graph.inputs), (outputs, graph.outputs)):
        for name, index in zip(names, indices, strict=True):
            if index not in named:
                _free(graph, name, index)
                graph.tensors[index].name = name
                named.add(index)
    signature = editor.schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.subgraphIndex = 0
    signature.inputs = _tensor_map(inputs, graph.inputs)
    signature.outputs = _tensor_map(outputs, graph.outputs)
    editor.model.signatureDefs = [signature]


def _shortened(name: str) -> str:
    """Keep, of "model/layer/Op;model/layer/Op_1;model/other/Op", the first operation of each layer."""
    kept: dict[str, str] = {}
    for path in name.split(";"):
        kept.setdefault(path.rpartition("/")[0] or path, path)
    return ";".join(kept.values())


def _distinct(names: Sequence[str], taken: Collection[str]) -> tuple[str, ...]:
    """The names, with what makes them different from each other and from those that are taken."""
    found: dict[str, None] = {}
    for name in names:
        count, free = 0, name
        while free in taken or free in found:
            count += 1
            free = f"{name}_{count}"
        found[free] = None
    return tuple(found)


def _free(graph: Any, name: str, index: int) -> None:
    """Rename any other tensor that has the name already: names are how operators are found."""
    for other, tensor in enumerate(graph.tensors):
        if other != index and tensor.name in (name, name.encode()):
            tensor.name = f"{name}_inner"


def _tensor_map(names: tuple[str, ...], indices: Any) -> list[Any]:
    from ai_edge_litert import schema_py_generated as schema

    entries = []
    for name, index in zip(names, indices, strict=True):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, int(index)
        entries.append(entry)
    return entries


def _add_metadata(model: Any, key: str, data: bytes) -> None:
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = key, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
