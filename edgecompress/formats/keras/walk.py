"""The walk over a Keras config: each layer is called as the model calls it, on shapes instead of arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from edgecompress.errors import ModelFileError
from edgecompress.formats.keras import graph as keras_graph
from edgecompress.formats.keras.fields import MAX_RANK, Fields, Shape, shape_of
from edgecompress.formats.keras.layers import Inference, infer
from edgecompress.formats.summary import LayerSummary
from edgecompress.values import TensorSpec

MODELS = {"Functional", "Model", "Sequential"}
WRAPPERS = {"PruneLowMagnitude", "ClusterWeights", "QuantizeWrapper", "QuantizeWrapperV2", "QuantizeAnnotate"}
MAX_CALLS = 100_000  # of layers, counting those in nested models each time, and the references between them
MAX_NAME = 1000


@dataclass(frozen=True)
class ConfigLayer:
    """One layer, and where a file keeps its weights."""

    summary: LayerSummary  # its name has those of the nested models before it: "backbone/conv1"
    kernels: tuple[Shape, ...] | None  # None where the config does not tell
    group: str  # the outermost layer that holds it: its group in `.h5`
    owners: tuple[str, ...]  # the names of its wrappers, then its own
    containers: tuple[str, ...]  # its groups in `.keras`, innermost first: "layers/conv2d_3"
    nested: bool  # shares its group in `.h5` with other layers


@dataclass(frozen=True)
class _Tensor:
    """What flows between layers; the shape is None where it is not known."""

    layer: str
    shape: Shape | None
    dtype: str = "float32"


@dataclass(frozen=True)
class _Place:
    """Where the walk is: inside which models and wrappers, and how often a wrapper repeats its layer."""

    models: tuple[str, ...] = ()
    position: tuple[int, ...] = ()  # in the config, one number a model
    owners: tuple[str, ...] = ()
    containers: tuple[str, ...] = ("",)
    group: str = ""
    repeats: int = 1


class Walk:
    """Calls the layers of a config once for each of their nodes, and collects what the calls say."""

    def __init__(self) -> None:
        self.layers: dict[tuple[int, ...], ConfigLayer] = {}  # by position in the config
        self.inputs: list[TensorSpec] = []
        self._graphs: dict[int, keras_graph.Graph] = {}  # by identity of the config
        self._calls = 0

    def run(self, kind: str, config: dict[str, Any]) -> tuple[TensorSpec, ...]:
        """Call the outermost model and return its outputs."""
        outputs = self._model(kind, config, None, _Place())
        return tuple(TensorSpec(tensor.layer, _shown(tensor.shape), tensor.dtype) for tensor in outputs)

    def _model(
        self, kind: str, config: dict[str, Any], inputs: Sequence[_Tensor] | None, place: _Place
    ) -> list[_Tensor]:
        """Call a model; `inputs` is None for the outermost."""
        self._charge(len(config["layers"]) + 1)
        call = self._sequential if kind == "Sequential" else self._functional
        return call(config, inputs, _places(config["layers"], place))

    def _functional(
        self, config: dict[str, Any], inputs: Sequence[_Tensor] | None, places: Sequence[_Place]
    ) -> list[_Tensor]:
        entries = config["layers"]
        if id(config) not in self._graphs:
            self._graphs[id(config)] = keras_graph.read([_name(entry) for entry in entries], config, MODELS)
        graph = self._graphs[id(config)]
        self._charge(graph.references)
        given = {reference.layer: tensor for reference, tensor in zip(graph.inputs, inputs or (), strict=False)}
        made: dict[tuple[str, int], list[_Tensor]] = {}
        for node in graph.nodes:
            entry, place = entries[node.position], places[node.position]
            if class_of(entry) == "InputLayer":
                tensors = [given[node.layer]] if node.layer in given else []
            else:
                tensors = [_pick(made, reference) for reference in node.inputs]
            made[node.layer, node.index] = [
                self._recorded(tensor, graph.recorded.get((node.layer, node.index, i)), place)
                for i, tensor in enumerate(self._call(entry, tensors, place))
            ]
        return [_pick(made, reference) for reference in graph.outputs]

    def _recorded(self, tensor: _Tensor, shape: Shape | None, place: _Place) -> _Tensor:
        """Where no rule gave a shape, take the one that Keras 3 wrote beside a use of the tensor."""
        if tensor.shape is not None or shape is None:
            return tensor
        layer = self.layers.get(place.position)
        if layer is not None:
            self.layers[place.position] = replace(layer, summary=replace(layer.summary, output_shape=shape))
        return replace(tensor, shape=shape)

    def _sequential(
        self, config: dict[str, Any], inputs: Sequence[_Tensor] | None, places: Sequence[_Place]
    ) -> list[_Tensor]:
        entries = config["layers"]
        tensors = list(inputs or ())
        if inputs is None and entries and class_of(entries[0]) != "InputLayer":
            first = entries[0].get("config")
            stored = first.get("batch_input_shape") if isinstance(first, dict) else None
            shape = shape_of(stored) or shape_of(config.get("build_input_shape"))
            tensors = [_Tensor(_name(entries[0]), shape)]
            self.inputs.append(TensorSpec(_name(entries[0]), _shown(shape), "float32"))
        for entry, place in zip(entries, places, strict=True):
            tensors = self._call(entry, tensors, place)
        return tensors

    def _call(self, entry: dict[str, Any], inputs: Sequence[_Tensor], place: _Place) -> list[_Tensor]:
        kind, config, name = class_of(entry), entry.get("config"), _name(entry)
        if kind in MODELS:
            inner = replace(place, models=(*place.models, name), containers=(f"{place.containers[0]}/",))
            return self._model(kind, layers_config(config), inputs, inner)
        if not isinstance(config, dict):
            raise ModelFileError(f"Layer {name!r} ({kind}) has no config.")
        place = replace(place, owners=(*place.owners, name))
        wrapped = config.get("layer")
        if kind in WRAPPERS | {"TimeDistributed"} and isinstance(wrapped, dict):
            place = replace(place, containers=(f"{place.containers[0]}/layer", *place.containers))
            call = self._call if kind in WRAPPERS else self._time_distributed
            return call(wrapped, inputs, place)
        return [self._leaf(kind, entry, inputs, place)]

    def _time_distributed(self, wrapped: dict[str, Any], inputs: Sequence[_Tensor], place: _Place) -> list[_Tensor]:
        shape = inputs[0].shape if inputs else None
        if shape is None or len(shape) < 3:
            outputs = self._call(wrapped, [_Tensor("", None)], place)
            return [replace(tensor, shape=None) for tensor in outputs]
        steps, once = shape[1], replace(inputs[0], shape=(shape[0], *shape[2:]))
        outputs = self._call(wrapped, [once], replace(place, repeats=place.repeats * max(steps, 0)))
        return [
            replace(tensor, shape=tensor.shape and (tensor.shape[0], steps, *tensor.shape[1:])) for tensor in outputs
        ]

    def _leaf(self, kind: str, entry: dict[str, Any], inputs: Sequence[_Tensor], place: _Place) -> _Tensor:
        name, dtype = "/".join((*place.models, place.owners[-1])), _dtype(entry["config"].get("dtype"))
        shapes = [tensor.shape for tensor in inputs]
        if kind == "InputLayer":
            found = self._input(name, entry["config"], shapes, dtype, place)
        else:
            if shapes == [None]:  # the file may tell what the layer before did not
                build = entry.get("build_config")
                shapes = [shape_of(build.get("input_shape")) if isinstance(build, dict) else None]
            found = _infer(name, kind, entry["config"], shapes)
        self._record(name, kind, found, place)
        return _Tensor(name, found.output if found else None, dtype)

    def _input(
        self, name: str, config: dict[str, Any], shapes: Sequence[Shape | None], dtype: str, place: _Place
    ) -> Inference | None:
        shape = shape_of(config.get("batch_input_shape", config.get("batch_shape")))
        if not place.models:
            self.inputs.append(TensorSpec(name, _shown(shape), dtype))
        given = shapes[0] if shapes else None
        return Inference(given or shape) if given or shape else None  # type: ignore[arg-type]

    def _record(self, name: str, kind: str, found: Inference | None, place: _Place) -> None:
        """Add a call: parameters count once however often a layer is called, multiply-adds each time."""
        before = self.layers.get(place.position)
        work = found.multiply_adds * place.repeats if found else 0
        if before is not None:
            summary = replace(before.summary, multiply_adds=before.summary.multiply_adds + work)
            self.layers[place.position] = replace(before, summary=summary)
            return
        kernels = found.kernels if found else None
        parameters = sum(prod(kernel) for kernel in kernels or ()) + (found.other_parameters if found else 0)
        self.layers[place.position] = ConfigLayer(
            LayerSummary(name, kind, _shown(found.output if found else None), parameters, work),
            kernels,
            place.group,
            place.owners,
            place.containers,
            nested=bool(place.models),
        )

    def _charge(self, calls: int) -> None:
        self._calls += calls
        if self._calls > MAX_CALLS:
            raise ModelFileError(f"The model config makes more than {MAX_CALLS} calls of layers.")


_OTHER_OPERATIONS = ("Reshape", "Dot", "Average")


def layers_config(config: Any) -> dict[str, Any]:
    """Return the config of a model; early Keras 2 wrote a Sequential as the bare list of its layers."""
    config = {"layers": config} if isinstance(config, list) else config
    layers = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(layers, list) or not all(isinstance(entry, dict) for entry in layers):
        raise ModelFileError("The model config has no list of layers.")
    return config


def class_of(entry: dict[str, Any]) -> str:
    """Return the class name of a layer; one that somebody registered keeps its package, `Package>Name`.

    An operation of Keras 3 that has other options than the layer of its name is `ops.Name`.
    """
    registered = str(entry.get("registered_name") or "")
    name = registered if ">" in registered else str(entry.get("class_name", ""))
    if name in _OTHER_OPERATIONS and str(entry.get("module")).startswith("keras.src.ops."):
        name = f"ops.{name}"
    if len(name) > MAX_NAME:
        raise ModelFileError(f"The model config holds a class name of {len(name)} characters.")
    return name


def _infer(name: str, kind: str, config: dict[str, Any], shapes: Sequence[Shape | None]) -> Inference | None:
    known = [shape for shape in shapes if shape is not None]
    if len(known) != len(shapes):
        return None
    try:
        found = infer(kind, Fields(config), known)
    except ValueError as error:
        raise ModelFileError(f"Layer {name!r} ({kind}) is not valid: {error}.") from error
    if found and len(found.output) > MAX_RANK:
        raise ModelFileError(f"Layer {name!r} ({kind}) is not valid: its output has {len(found.output)} axes.")
    return found


def _places(entries: Sequence[dict[str, Any]], place: _Place) -> list[_Place]:
    """Give each layer its place; `.keras` files name it by class, then `_1`, `_2` for later ones of that class."""
    seen: dict[str, int] = {}
    places = []
    for position, entry in enumerate(entries):
        container = _snake_case(class_of(entry).rpartition(">")[2])
        number = seen[container] = seen.get(container, -1) + 1
        container = f"{place.containers[0]}layers/{container}" + (f"_{number}" if number else "")
        places.append(
            replace(
                place,
                position=(*place.position, position),
                containers=(container,),
                group=place.group or _name(entry),
            )
        )
    return places


def _pick(made: dict[tuple[str, int], list[_Tensor]], reference: keras_graph.Reference) -> _Tensor:
    tensors = made[reference.layer, reference.node]
    if 0 <= reference.tensor < len(tensors):
        return tensors[reference.tensor]
    return _Tensor(reference.layer, None)


def _snake_case(name: str) -> str:
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


def _name(entry: dict[str, Any]) -> str:
    config = entry.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    name = str(entry.get("name") or inner or entry.get("class_name", ""))
    if len(name) > MAX_NAME:
        raise ModelFileError(f"The model config holds a layer name of {len(name)} characters.")
    return name


def _dtype(stored: Any) -> str:
    """Return the dtype that a layer computes in, from a name or a policy."""
    if isinstance(stored, dict):
        inner = stored.get("config")
        stored = inner.get("name") if isinstance(inner, dict) else None
    return stored.removeprefix("mixed_") if isinstance(stored, str) else "float32"


def _shown(shape: Shape | None) -> Shape:
    return (-1,) if shape is None else shape
