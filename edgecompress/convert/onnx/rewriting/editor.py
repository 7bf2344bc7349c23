"""An ONNX graph that is edited: who makes and reads which value, constants as arrays, new nodes and constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from edgecompress.convert.onnx.check import STANDARD, least_ir_version
from edgecompress.convert.onnx.functions import DOMAIN, VERSION, function
from edgecompress.convert.onnx.rewriting.opening import open_model
from edgecompress.convert.onnx.values import Constants, Names
from edgecompress.formats.onnx.graph import infer_shapes
from edgecompress.formats.onnx.summary import known_shapes
from edgecompress.formats.onnx.tensors import constant_of, stored

_NO_FOLDER = Path()  # tensors in other files are refused before any is looked for


@dataclass(eq=False)
class Node:
    """A node of the graph; unlike its protobuf message it can be a key."""

    proto: NodeProto

    @property
    def kind(self) -> str:
        """The operator: its name, behind that of its domain where it is none of ONNX's own or edgecompress's."""
        own = self.proto.domain in (*STANDARD, DOMAIN)
        return self.proto.op_type if own else f"{self.proto.domain}.{self.proto.op_type}"

    @property
    def inputs(self) -> list[str]:
        """The values that it reads; "" where one is left out."""
        return list(self.proto.input)

    @property
    def output(self) -> str:
        """The first value that it makes."""
        return self.proto.output[0] if self.proto.output else ""

    @property
    def name(self) -> str:
        """What the node is called, or else the value that it makes."""
        return self.proto.name or self.output

    def attribute(self, name: str, default: Any) -> Any:
        """The value of an attribute; the default where the node has none of that name and of the default's kind."""
        for each in self.proto.attribute:
            if each.name == name:
                value = helper.get_attribute_value(each)
                value = value.decode(errors="replace") if isinstance(value, bytes) else value
                return value if isinstance(value, type(default)) else default
        return default


class Editor:
    """The graph of a model that is bounded, inlined, and of an opset that the functions are written in."""

    def __init__(self, content: bytes) -> None:
        model = open_model(content)
        self._model, self._graph = model, model.graph
        self.outputs = dict.fromkeys(value.name for value in self._graph.output)
        self.shapes = known_shapes(infer_shapes(model).graph)
        self._names = Names(value.name for value in (*self._graph.input, *self._graph.initializer))
        self._constants = Constants(self._names, self._graph.initializer)
        self.store = self._constants.store
        self._producers: dict[str, Node] = {}
        self._readers: dict[str, dict[Node, None]] = {}
        self._nodes: dict[Node, None] = {}
        for proto in self._graph.initializer:
            stored(proto, _NO_FOLDER)
        for proto in self._graph.node:
            tensor = constant_of(proto, _NO_FOLDER) if proto.op_type == "Constant" else None
            if tensor is not None and tensor.is_plain and proto.output[0] not in self.outputs:
                constant = TensorProto()
                constant.CopyFrom(tensor.proto)
                constant.name = proto.output[0]
                self._constants.protos[constant.name] = constant
                self._names.take(constant.name)
            else:
                self._enter(Node(proto))

    @property
    def nodes(self) -> list[Node]:
        """All nodes: those of the file in its order, then new ones."""
        return list(self._nodes)

    def constant(self, value: str) -> np.ndarray | None:
        """The elements of a constant, also behind Identity; None for what is computed, or no plain numbers."""
        producer = self._producers.get(value)
        if producer is not None and producer.kind == "Identity":
            value = producer.inputs[0]
        if value not in self._constants.protos:
            return None
        tensor = stored(self._constants.protos[value], _NO_FOLDER)
        return tensor.array() if tensor.is_plain else None

    def producer(self, value: str) -> Node | None:
        """The node that makes a value; None for inputs and constants."""
        return self._producers.get(value)

    def readers(self, value: str) -> list[Node]:
        """The nodes that read a value."""
        return list(self._readers.get(value, ()))

    def only_reader(self, value: str) -> Node | None:
        """The node that alone reads a value, which is no output of the model; None otherwise."""
        readers = self.readers(value)
        return readers[0] if len(readers) == 1 and value not in self.outputs else None

    def add(self, kind: str, *inputs: str, near: str, output: str = "", own: bool = False, **attributes: Any) -> Node:
        """Add a node, named after the value `near`; `own` where it is a function of edgecompress."""
        name = self._names.claim(f"{near}/{kind}")
        proto = helper.make_node(kind, inputs, [output or name], name=name, domain=DOMAIN if own else "", **attributes)
        return self._enter(Node(proto))

    def copy(self, node: Node, source: str) -> Node:
        """Add a node that does with `source` what another does with its first input."""
        proto = NodeProto()
        proto.CopyFrom(node.proto)
        proto.name = self._names.claim(f"{node.name}/moved")
        proto.input[0], proto.output[:] = source, [proto.name]
        return self._enter(Node(proto))

    def reads(self, node: Node, inputs: list[str]) -> None:
        """Let a node read other values."""
        self._forget(node)
        node.proto.input[:] = inputs
        for value in inputs:
            self._readers.setdefault(value, {})[node] = None

    def makes(self, node: Node, output: str) -> None:
        """Let a node make another value, which no other node makes any more."""
        if self._producers.get(node.output) is node:
            del self._producers[node.output]
        node.proto.output[0] = output
        self._producers[output] = node

    def remove(self, node: Node) -> None:
        """Take a node out."""
        self._forget(node)
        del self._nodes[node]
        for value in node.proto.output:
            if self._producers.get(value) is node:
                del self._producers[value]

    def bypass(self, node: Node, value: str) -> None:
        """Take a node out, the only reader of a value, and let that one's producer make what it made."""
        before, output = self._producers[value], node.output
        self.remove(node)
        self.makes(before, output)

    def replace(self, value: str, other: str) -> None:
        """Let all nodes that read a value read another."""
        for reader in self.readers(value):
            self.reads(reader, [other if each == value else each for each in reader.inputs])

    def drop_unneeded(self) -> None:
        """Take out what no output depends on, and bring nodes behind those whose values they read."""
        ordered, entered = dict[Node, None](), set[Node]()
        pending = [(node, False) for name in reversed(self.outputs) if (node := self._producers.get(name))]
        while pending:
            node, seen = pending.pop()
            if seen:
                ordered[node] = None
            elif node not in entered:
                entered.add(node)
                pending.append((node, True))
                pending += [(made, False) for value in reversed(node.inputs) if (made := self._producers.get(value))]
        for node in self.nodes:
            if node not in ordered:
                self.remove(node)
        self._nodes = ordered

    def content(self, metadata: Mapping[str, str]) -> bytes:
        """The model with what was edited, the functions that it calls, and its metadata, where `metadata` prevails."""
        self.drop_unneeded()
        names = set[str]()
        for proto in (node.proto for node in self._nodes if node.proto.name):
            if proto.name in names:  # others' files may use one twice
                proto.name = self._names.claim(proto.name)
            names.add(proto.name)
        needed = {value for node in self._nodes for value in node.inputs} | set(self.outputs)
        constants = [proto for name, proto in self._constants.protos.items() if name in needed]
        called = sorted({node.proto.op_type for node in self._nodes if node.proto.domain == DOMAIN})
        model, graph = self._model, self._graph
        kept = {each.key: each.value for each in model.metadata_props}
        inputs = [value for value in graph.input if value.name not in self._constants.protos]
        for field, values in (
            ("node", [node.proto for node in self._nodes]),
            ("initializer", constants),
            ("input", inputs),
        ):
            graph.ClearField(field)
            getattr(graph, field).extend(values)
        graph.ClearField("value_info")  # shapes of values that are no more, or are bits now
        opset = next(each.version for each in model.opset_import if each.domain in STANDARD)
        model.functions.extend(function(name, opset) for name in called)
        model.opset_import.append(helper.make_opsetid(DOMAIN, VERSION))
        model.ir_version = max(model.ir_version, least_ir_version(model))
        helper.set_model_props(model, kept | dict(metadata))
        return model.SerializeToString()

    def _enter(self, node: Node) -> Node:
        self._nodes[node] = None
        for name in (node.proto.name, *node.proto.output):
            self._names.take(name)
        for value in node.proto.output:
            self._producers[value] = node
        for value in node.proto.input:
            self._readers.setdefault(value, {})[node] = None
        return node

    def _forget(self, node: Node) -> None:
        for value in node.inputs:
            self._readers.get(value, {}).pop(node, None)
