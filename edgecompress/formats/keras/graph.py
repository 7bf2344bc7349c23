"""The graph of a functional Keras config: which call of a layer takes which outputs of which other calls.

Keras 2 writes `[["conv1", node, tensor, {}]]` for each call, Keras 3 `{"args": [{"class_name": "__keras_tensor__",
"config": {"shape": ..., "keras_history": ["conv1", node, tensor]}}], "kwargs": {}}`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgecompress.errors import ModelFileError
from edgecompress.formats.keras.fields import Shape, shape_of


class Reference(NamedTuple):
    """One output of one call of a layer."""

    layer: str
    node: int
    tensor: int


@dataclass(frozen=True)
class Node:
    """One call of a layer."""

    layer: str
    index: int
    position: int  # of the layer in the config
    inputs: tuple[Reference, ...]


@dataclass(frozen=True)
class Graph:
    """The calls in an order in which each comes after those that it needs."""

    nodes: tuple[Node, ...]
    inputs: tuple[Reference, ...]
    outputs: tuple[Reference, ...]
    recorded: dict[tuple[str, int, int], Shape]  # shapes that Keras 3 wrote beside the references

    @property
    def references(self) -> int:
        """Calls and what they take: the work of one walk."""
        return sum(1 + len(node.inputs) for node in self.nodes) + len(self.outputs)


def read(names: Sequence[str], config: dict[str, Any], models: Collection[str]) -> Graph:
    """Read the graph of a functional config, whose layers have these names.

    Args:
        names: of the layers, in the order of `config["layers"]`.
        config: of a functional model.
        models: the class names of nested models.

    Raises:
        ModelFileError: two layers share a name, or a call needs one that is not there, or itself.
    """
    recorded: dict[tuple[str, int, int], Shape] = {}
    calls: dict[tuple[str, int], tuple[int, list[Reference]]] = {}
    count: dict[str, int] = {}
    for position, (name, entry) in enumerate(zip(names, config["layers"], strict=True)):
        if name in count:
            raise ModelFileError(f"Two layers of the model config have the name {name!r}.")
        stored = entry.get("inbound_nodes") or []
        if not isinstance(stored, list):
            raise ModelFileError(f"Layer {name!r} has no list of inbound_nodes.")
        first = _first_index(entry, stored, models)
        count[name] = max(len(stored), 1)
        for index, node in enumerate(stored or [[]], start=first):
            calls[name, index] = (position, list(_references(node, recorded)))

    def resolve(reference: Reference) -> Reference:
        if reference[:2] in calls:
            return reference
        if count.get(reference.layer) == 1:  # a layer with one call is meant, whatever number that call had
            return next(
                Reference(reference.layer, index, reference.tensor)
                for index in (0, 1)
                if (reference.layer, index) in calls
            )
        raise ModelFileError(f"The model config refers to call {reference.node} of {reference.layer!r}: there is none.")

    nodes = {
        key: Node(*key, position, tuple(resolve(reference) for reference in references))
        for key, (position, references) in calls.items()
    }
    inputs = tuple(resolve(reference) for reference in _references(config.get("input_layers"), recorded))
    outputs = tuple(resolve(reference) for reference in _references(config.get("output_layers"), recorded))
    return Graph(_ordered(nodes), inputs, outputs, recorded)


def _first_index(entry: dict[str, Any], stored: list[Any], models: Collection[str]) -> int:
    """Return 1 where Keras 2 numbers from 1: in models that have inputs of their own, call 0 is that on those."""
    inner = entry.get("config")
    if str(entry.get("class_name")) not in models or not stored or not isinstance(stored[0], list):
        return 0
    layers = inner.get("layers") if isinstance(inner, dict) else inner
    first = layers[0] if isinstance(layers, list) and layers else None
    return 1 if isinstance(first, dict) and first.get("class_name") == "InputLayer" else 0


def _references(stored: Any, recorded: dict[tuple[str, int, int], Shape]) -> Iterator[Reference]:
    if isinstance(stored, dict) and stored.get("class_name") == "__keras_tensor__":
        config = stored.get("config")
        if not isinstance(config, dict) or not _is_reference(config.get("keras_history")):
            raise ModelFileError("The model config holds a tensor without the layer that it comes from.")
        reference = Reference(*config["keras_history"][:3])
        shape = shape_of(config.get("shape"))
        if shape is not None:
            recorded.setdefault(reference, shape)
        yield reference
    elif isinstance(stored, dict):
        for value in stored.values():
            yield from _references(value, recorded)
    elif _is_reference(stored):
        if stored[0] != "_CONSTANT_VALUE":
            yield Reference(*stored[:3])
        yield from _references(list(stored[3:]), recorded)
    elif isinstance(stored, list | tuple):
        for value in stored:
            yield from _references(value, recorded)


def _is_reference(stored: Any) -> bool:
    return (
        isinstance(stored, list | tuple)
        and len(stored) >= 3
        and isinstance(stored[0], str)
        and type(stored[1]) is int
        and type(stored[2]) is int
    )


def _ordered(nodes: dict[tuple[str, int], Node]) -> tuple[Node, ...]:
    """Order the calls as Kahn does; those that can run together stay in the order of the config."""
    waiting = {key: len({reference[:2] for reference in node.inputs}) for key, node in nodes.items()}
    users: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for key, node in nodes.items():
        for source in {reference[:2] for reference in node.inputs}:
            users[source].append(key)
    ready = deque(key for key, missing in waiting.items() if not missing)
    ordered = []
    while ready:
        key = ready.popleft()
        ordered.append(nodes[key])
        for user in users[key]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    if len(ordered) != len(nodes):
        stuck = next(key[0] for key, missing in waiting.items() if missing)
        raise ModelFileError(f"Layer {stuck!r} of the model config depends on its own output.")
    return tuple(ordered)
