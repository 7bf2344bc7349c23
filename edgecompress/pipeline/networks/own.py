"""A model that somebody brings, ready to be trained on: one image in, the scores of classes out."""

from __future__ import annotations

import math
from pathlib import Path

from edgecompress.environment import load_keras
from edgecompress.errors import RecipeError, UnsupportedModelError, UntrustedCodeError
from edgecompress.keras_bridge.graph import copy_model, replay
from edgecompress.keras_bridge.head import gives_probabilities, gives_single_probabilities, with_new_head
from edgecompress.keras_bridge.input_range import own_input_range
from edgecompress.keras_types import Model
from edgecompress.loading import load_model
from edgecompress.pipeline.networks.network import Network
from edgecompress.recipes import ModelSection
from edgecompress.tfmot.native import native
from edgecompress.values import LayerNote
from edgecompress.zoo.weights import weights_file

SHOWN_LAYERS = 5


def own_network(section: ModelSection) -> Network:
    """Load the file of a recipe's model; what it does not tell of itself must be said there.

    Raises:
        ModelFileError, UntrustedCodeError, UnsupportedModelError: the file cannot be used.
        RecipeError: neither the file nor the recipe says the size of its images or the range of their pixels.
    """
    path = weights_file(section.file)
    loaded = copy_model(_loaded(path))
    height, width, channels = _input(path, loaded, section.resolution)
    plain = loaded if None not in loaded.inputs[0].shape[1:] else _of_size(loaded, (height, width, channels))
    frozen = [layer.name for layer in plain.layers if layer.weights and not layer.trainable]
    for layer in plain.layers:
        layer.trainable = True
    own = own_input_range(native(plain))
    pixels = _range(path, section, own)
    if section.new_head:  # tried now, as it can fail
        example, head = with_new_head(copy_model(plain), section.new_head)
    else:
        example, head = plain, ""
    _require_scores(path, example, new_head=section.new_head)

    def construct(channels: int, classes: int) -> tuple[Model, tuple[LayerNote, ...]]:
        model = copy_model(plain)
        if not head:
            return model, ()
        model, name = with_new_head(model, classes)
        return copy_model(model), (LayerNote(name, "fresh weights", f"a new classifier of {classes} classes"),)

    return Network(
        (height, width),
        channels,
        pixels,
        construct,
        logits=not gives_probabilities(example),
        head=head,
        trained=not head,
        assumptions=tuple(_said(frozen, section, own, logits=not gives_probabilities(example))),
    )


def _loaded(path: Path) -> Model:
    try:
        return load_model(path)
    except UntrustedCodeError as error:
        raise UnsupportedModelError(
            f"{error.message} Such models are converted with --trust, but not trained on.",
            hint="Replace it by Keras's own layers.",
        ) from error


def _input(path: Path, model: Model, resolution: int | None) -> tuple[int, int, int]:
    """The height, width and channels of the model's only input."""
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    kinds = [tensor.dtype for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] not in (1, 3) or kinds != ["float32"]:
        listed = ", ".join(f"{kind} {shape}" for kind, shape in zip(kinds, shapes, strict=True))
        raise UnsupportedModelError(
            f"'{path}' takes {listed}; one input of images is needed, float32 (None, height, width, 1 or 3).",
            hint="Models of other inputs can be converted, but not trained here.",
        )
    _, height, width, channels = shapes[0]
    if None in (height, width):
        if resolution is None:
            raise RecipeError(f"'{path}' takes images of any size.", hint="Say which: --resolution 96.")
        height, width = height or resolution, width or resolution
    if resolution not in (None, height, width):
        raise RecipeError(
            f"'{path}' takes images of {height} x {width}, and the resolution is to be {resolution}.",
            hint="Leave the resolution out.",
        )
    return height, width, channels


def _of_size(model: Model, shape: tuple[int, int, int]) -> Model:
    """The same graph and weights behind an input of this shape."""
    keras = load_keras()
    inputs = keras.Input(shape, name=model.inputs[0]._keras_history.operation.name)
    inner = replay(model, lambda layer, prefix: layer)
    return copy_model(keras.Model(inputs, inner(inputs), name=model.name))


def _range(path: Path, section: ModelSection, own: tuple[float, float] | None) -> tuple[float, float]:
    chosen = section.input_range or own
    if chosen is None:
        raise RecipeError(
            f"It is not known what range '{path}' expects pixels in, and by a wrong one it computes nonsense.",
            hint="Say it: --input-range 0 255, 0 1 or -1 1.",
        )
    if not (all(map(math.isfinite, chosen)) and chosen[0] < chosen[1]):
        raise RecipeError(
            f"The input range {chosen[0]:g} {chosen[1]:g} is none: two numbers are needed, the lower one first.",
            hint="Say --input-range 0 1, for example.",
        )
    return chosen


def _require_scores(path: Path, model: Model, *, new_head: int) -> None:
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    cut = "Cut it where it gives features: keras.Model(model.inputs, features)."
    head = "With --new-head CLASSES it gets a classifier."
    if len(shapes) != 1 or len(shapes[0]) != 2 or None in shapes[0][1:]:
        raise UnsupportedModelError(
            f"'{path}' gives {', '.join(map(str, shapes))}; the scores of classes are needed, (None, classes).",
            hint=cut if new_head or len(shapes) != 1 else head,
        )
    if gives_single_probabilities(model):
        raise UnsupportedModelError(
            f"'{path}' ends in a sigmoid, which asks of each class by itself; one of several is learnt here.",
            hint=head,
        )


def _said(frozen: list[str], section: ModelSection, own: tuple[float, float] | None, *, logits: bool) -> list[str]:
    said = []
    if section.input_range is None and own is not None:
        said.append(f"Pixels 0..255 are mapped to {own[0]:g}..{own[1]:g}: what the model's first layer expects.")
    if logits:
        said.append("The outputs are taken for logits, as no softmax is behind them.")
    if frozen:
        more = f" and {len(frozen) - SHOWN_LAYERS} more" if frozen[SHOWN_LAYERS:] else ""
        said.append(
            f"Frozen in the file, and trained here: {', '.join(frozen[:SHOWN_LAYERS])}{more}; --freeze keeps layers as "
            "they are."
        )
    return said
