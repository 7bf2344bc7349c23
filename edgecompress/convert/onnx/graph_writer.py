"""An ONNX graph that grows node by node: unique names, equal constants kept once, unneeded nodes left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, ValueInfoProto, helper

from edgecompress.convert.onnx.functions import DOMAIN, VERSION, function
from edgecompress.convert.onnx.values import Constants, Names

_OPSET, _IR_VERSION = 20, 9  # the first opset with Gelu; both of 2023, so that older runtimes load the file too


class GraphWriter:
    """Values are their names; every method that makes one returns it."""

    def __init__(self) -> None:
        self.scope = ""  # names of new nodes begin with it
        self._nodes: list[NodeProto] = []
        self._made: set[str] = set()  # values that nodes make
        names = Names()
        self.claim = names.claim
        self._constants = Constants(names)
        self.initializer = self._constants.add

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        return self.nodes(op_type, *inputs, outputs=1, **attributes)[0]

    def nodes(self, op_type: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs."""
        name = self.claim(f"{self.scope}/{op_type}")
        values = [name] + [self.claim(f"{name}_{number}") for number in range(1, outputs)]
        self._nodes.append(helper.make_node(op_type, inputs, values, name=name, **attributes))
        self._made.update(values)
        return values

    def constant(self, array: np.ndarray, name: str = "") -> str:
        """A constant, or the one of equal contents that is there already."""
        return self._constants.store(array, name or f"{self.scope}/constant")

    def integers(self, *values: int) -> str:
        """A constant list of int64, as shapes, axes and paddings are."""
        return self.constant(np.array(values, np.int64))

    def reshape(self, value: str, shape: tuple[int, ...]) -> str:
        """The value in another shape."""
        return self.node("Reshape", value, self.integers(*shape))

    def build(
        self,
        inputs: Sequence[ValueInfoProto],
        outputs: Sequence[tuple[str, ValueInfoProto]],
        metadata: Mapping[str, str],
    ) -> ModelProto:
        """The model of the nodes and constants that its outputs need; each value given is made an output of its own."""
        final: dict[str, str] = {}  # what a value is called as an output
        for value, info in outputs:
            if value not in self._made or value in final:  # an input, a constant, or an output already
                value = self.node("Identity", value)
            final[value] = info.name
        needed = set(final)
        nodes: list[NodeProto] = []
        for node in reversed(self._nodes):
            if not needed.isdisjoint(node.output):
                needed.update(node.input)
                nodes.append(node)
        nodes.reverse()
        for node in nodes:
            node.input[:] = [final.get(value, value) for value in node.input]
            node.output[:] = [final.get(value, value) for value in node.output]
        constants = [tensor for name, tensor in self._constants.protos.items() if name in needed]
        called = sorted({node.op_type for node in nodes if node.domain == DOMAIN})
        own_domain = [helper.make_opsetid(DOMAIN, VERSION)] if called else []
        model = helper.make_model(
            helper.make_graph(nodes, "main", inputs, [info for _, info in outputs], constants),
            functions=[function(name, _OPSET) for name in called],
            opset_imports=[helper.make_opsetid("", _OPSET), *own_domain],
            ir_version=_IR_VERSION,
            producer_name="edgecompress",
        )
        helper.set_model_props(model, dict(metadata))
        return model
