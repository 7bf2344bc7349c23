"""From a Keras model to a TFLite file, through its concrete function.

`TFLiteConverter.from_keras_model` writes a SavedModel first, which takes longer than
the conversion itself.
"""

from __future__ import annotations

import re
from typing import Any

from edgecompress.convert.tflite.annotate import rename
from edgecompress.environment import load_tensorflow
from edgecompress.errors import ConversionError, UnsupportedModelError
from edgecompress.keras_types import Model
from edgecompress.quiet import quiet
from edgecompress.tfmot.native import native

SHOWN_LAYERS = 5
_OPERATION = re.compile(r"'tf\.(\w+)' op")
_PATH = re.compile(r'(?:"|node )([^"\s]+/[^"\s]*)')  # of an operation, in a location
_PLACE = re.compile(r"^.*error: (loc\(.*?\)+: )?")


def export_float(model: Model, *, sparse: bool = False) -> bytes:
    """Return the model as a float32 TFLite file with batch size 1; `sparse` stores kernels with many zeros sparsely.

    Raises:
        ConversionError: TensorFlow's converter refuses the model.
        UnsupportedModelError: an input has a free size besides the batch, or a layer assigns to a variable.
    """
    tensorflow = load_tensorflow()
    return _convert(model, [tensorflow.lite.Optimize.EXPERIMENTAL_SPARSITY] if sparse else [])


def export_quantization_aware(model: Model) -> bytes:
    """Return a model with TF-MOT's fake quantization as a TFLite file that computes in int8, with float32 inputs."""
    return _convert(model, [load_tensorflow().lite.Optimize.DEFAULT])


def _convert(model: Model, optimizations: list[Any]) -> bytes:
    model = native(model)
    specs = [_input_spec(model, tensor) for tensor in model.inputs]
    traced = None
    with quiet():
        try:
            traced = _traced(model, specs)
            converter = _converter(traced)
            converter.optimizations = optimizations
            content = converter.convert()
        except UnsupportedModelError:
            raise
        except Exception as error:  # the converter raises its own, ValueError, RuntimeError and more
            raise _refusal(model, traced, str(error) or type(error).__name__) from error
    inputs, outputs = tuple(spec.name for spec in specs), tuple(map(_plain, model.output_names))
    return rename(content, model.own_names, inputs=inputs, outputs=outputs)


def _refusal(model: Model, traced: Any, said: str) -> ConversionError:
    """Name the layers whose operations the converter complains of, and what it says, without its places in code."""
    operations = list(dict.fromkeys(_OPERATION.findall(said)))
    computed = traced.graph.get_operations() if traced is not None else ()
    paths = [each.name for each in computed if each.type in operations] + _PATH.findall(said)
    paths = list(map(model.own_names, paths))
    known = {layer.name for layer in model.layers}
    layers = list(dict.fromkeys(f"'{part}'" for path in paths for part in path.split("/") if part in known))
    where = f" at {', '.join(layers[:SHOWN_LAYERS])}" if layers else ""
    if operations and "nor a flex op" in said:
        what = f"TFLite has no operator {', '.join(f'tf.{name}' for name in operations)}"
    else:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        what = _PLACE.sub("", next((line for line in lines if "error: " in line), lines[0])).rstrip(".")
    return ConversionError(
        f"TensorFlow's TFLite converter refused '{model.name}'{where}: {what}.",
        hint="Replace the layer by others that TFLite has, or take it out and compute it where the file is used.",
    )


def _input_spec(model: Model, tensor: Any) -> Any:
    name = _plain(tensor.name)
    if any(size is None for size in tensor.shape[1:]):
        raise UnsupportedModelError(
            f"Input '{name}' of '{model.name}' has the shape {tuple(tensor.shape)}, with free sizes.",
            hint="Rebuild the model with a fixed height and width.",
        )
    return load_tensorflow().TensorSpec((1, *tensor.shape[1:]), tensor.dtype, name=name)


def _traced(model: Model, specs: list[Any]) -> Any:
    # Without AutoGraph, as Keras 3 traces its models: it would say what is raised in there in its own words.
    call = load_tensorflow().function(lambda *tensors: model.traced(tensors), autograph=False)
    return call.get_concrete_function(*specs)


def _converter(traced: Any) -> Any:
    """The converter of frozen graphs where there is nothing to freeze, neither variables nor functions that are called.

    The other one imports and copies the graph twice to freeze it, which takes longer than all else that it does; it
    would write a SavedModel first if the model was given as well.
    """
    tensorflow, graph = load_tensorflow(), traced.graph.as_graph_def()
    if traced.captured_inputs or graph.library.function:
        return tensorflow.lite.TFLiteConverter.from_concrete_functions([traced])
    return tensorflow.compat.v1.lite.TFLiteConverter(graph, traced.inputs, traced.outputs)


def _plain(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name.split(":")[0])
