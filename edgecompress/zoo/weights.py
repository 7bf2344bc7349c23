"""Weights to start from: ImageNet's, or those in a file, layer by layer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.errors import ArchitectureError, ModelFileError
from edgecompress.formats.keras.config import summarize_config
from edgecompress.formats.keras.file import check_keras
from edgecompress.formats.keras.opening import open_keras
from edgecompress.keras_types import Model
from edgecompress.values import LayerNote

PUBLISHED_WIDTHS = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
PUBLISHED_RESOLUTIONS = (128, 160, 192, 224)
ORIGIN = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/"  # as in tf_keras.applications


def load_weights(model: Model, source: str) -> tuple[LayerNote, ...]:
    """Load `source`, "imagenet" or a `.h5` or `.keras` file of a model or its weights, into `model`.

    Layers are matched by name; a `.weights.h5` has no names, so that there they are matched by class and order.

    Only the last layer with weights, the classifier, may differ in shape: it then keeps its fresh weights, which the
    returned notes say.

    Raises:
        ArchitectureError: there are no ImageNet weights for this network, or they cannot be had.
        ModelFileError: the file is missing or damaged, or lacks layers, or has other shapes; all of them are named.
    """
    path = _imagenet_file(model) if source == "imagenet" else weights_file(source)
    stored = _read(path, model)
    with_weights = [layer for layer in model.layers if layer.weights]
    problems, fitting = [], {}
    for layer in with_weights:
        wanted = [tuple(weight.shape) for weight in layer.weights]
        arrays = stored.get(layer.name)
        if arrays is None:
            problems.append((layer.name, "is missing"))
        elif [array.shape for array in arrays] != wanted:
            problems.append((layer.name, f"has {[array.shape for array in arrays]}, not {wanted}"))
        else:
            fitting[layer.name] = arrays
    head = with_weights[-1].name
    if any(name != head for name, _ in problems) or not fitting:
        listed = "; ".join(f"{name} {what}" for name, what in problems)
        raise ModelFileError(
            f"'{path}' does not fit this network: {listed}.",
            hint="Width, options and channels must be those that the weights were trained with.",
        )
    for layer in with_weights:
        if layer.name in fitting:
            layer.set_weights(fitting[layer.name])
    return tuple(LayerNote(name, "fresh weights", f"in '{path.name}' it {what}") for name, what in problems)


def weights_file(source: str) -> Path:
    """Return the path of a file of weights, `~` expanded.

    Raises:
        ModelFileError: it names a user that there is not.
    """
    try:
        return Path(source).expanduser()
    except RuntimeError as error:
        raise ModelFileError(f"'{source}' is no path: there is no such user.") from error


def _imagenet_file(model: Model) -> Path:
    """Return the file of Keras's own MobileNet weights, from its cache or by its download."""
    convolution = next((layer for layer in model.layers if layer.name == "conv_pw_13"), None)
    widths = {int(1024 * width): text for width, text in PUBLISHED_WIDTHS.items()}
    filters = convolution.filters if convolution is not None else 0
    if filters not in widths or model.input_shape[-1] != 3:
        raise ArchitectureError(
            f"There are no ImageNet weights for '{model.name}'.",
            hint="Keras has them for mobilenet_v1 with width 0.25, 0.5, 0.75 or 1.0 and 3 channels (--channels 3).",
        )
    nearest = min(PUBLISHED_RESOLUTIONS, key=lambda resolution: abs(resolution - model.input_shape[1]))
    name = f"mobilenet_{widths[filters]}_{nearest}_tf.h5"
    keras = load_keras()
    cache = _cache_folder() / "models" / name
    if cache.exists():
        return cache
    try:
        return Path(keras.utils.get_file(name, ORIGIN + name, cache_subdir="models"))
    except Exception as error:  # get_file raises plain Exception where the network fails
        raise ArchitectureError(
            f"The ImageNet weights {name} are not at {cache}, and cannot be downloaded: {error}",
            hint=f"Put the file there, or name it with --weights FILE. Its origin is {ORIGIN}{name}.",
        ) from error


def _cache_folder() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def _read(path: Path, model: Model) -> dict[str, list[np.ndarray]]:
    """Read what a file holds for each layer of the model, in the order of the layer's weights."""
    if not path.is_file():
        raise ModelFileError(f"There is no weights file '{path}'.", hint="Give 'imagenet', or a .h5 or .keras file.")
    check_keras(path)
    variables = {layer.name: [_variable(weight.name) for weight in layer.weights] for layer in model.layers}
    with open_keras(path) as file:
        # A file without a config holds weights only; its layers are then looked for where this model would keep them.
        layers = summarize_config(file.config or model.get_config()).layers
        found = {layer.summary.name: file.weights.variables(layer) for layer in layers}
        return {
            name: [file.weights.read(data) for data in _in_order(found[name], wanted)]
            for name, wanted in variables.items()
            if found.get(name)
        }


def _in_order(stored: list[tuple[str, Any]], wanted: list[str]) -> list[Any]:
    """Order named variables as the layer does; numbered ones are in order, those of a wrapper behind them."""
    if stored[0][0].isdigit():
        return [data for _, data in stored[: len(wanted)]]
    named = {_variable(name): data for name, data in stored}
    return [named[name] for name in wanted if name in named]


def _variable(name: str) -> str:
    """Return "kernel" of "conv_dw_1/depthwise_kernel:0", which is what Keras 3 calls it."""
    return name.rpartition("/")[2].partition(":")[0].removeprefix("depthwise_")
