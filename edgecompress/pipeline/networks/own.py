"""A model that somebody brings, ready to be trained on: what it takes, and what it ends in."""

from __future__ import annotations

import math
from pathlib import Path

from edgecompress.errors import RecipeError, UnsupportedModelError, UntrustedCodeError
from edgecompress.formats.keras.file import read_keras
from edgecompress.keras_bridge.graph import copy_model, with_input_shapes
from edgecompress.keras_bridge.head import end_of, with_end, with_new_head
from edgecompress.keras_bridge.input_range import own_input_range
from edgecompress.keras_types import Model
from edgecompress.loading import load_model
from edgecompress.pipeline.networks.network import Network
from edgecompress.pipeline.networks.task import known_loss
from edgecompress.recipes import ModelSection
from edgecompress.tfmot.native import native
from edgecompress.values import LayerNote, TensorSpec
from edgecompress.zoo.weights import weights_file

SHOWN_LAYERS = 5


def own_network(section: ModelSection) -> Network:
    """Load the file of a recipe's model; what it does not tell of itself must be said there, or stays open.

    Raises:
        ModelFileError, UntrustedCodeError, UnsupportedModelError: the file cannot be used.
        RecipeError: neither the file nor the recipe says the size of its images, or the range is none.
    """
    path = weights_file(section.file)
    loaded = copy_model(_loaded(path))
    image = _image(path, loaded, section.resolution)
    plain = with_input_shapes(loaded, [image]) if image else loaded
    frozen = [layer.name for layer in plain.layers if layer.weights and not layer.trainable]
    for layer in plain.layers:
        layer.trainable = True
    own = own_input_range(native(plain)) if image else None
    loss = "" if section.new_head else compiled_loss(path)
    _require_range(section.input_range)
    if section.new_head:  # tried now, as it can fail
        example, head = with_new_head(copy_model(plain), section.new_head)
    else:
        example, head = plain, ""
    _require_scores(path, example, new_head=section.new_head)
    end = end_of(example)

    def construct(channels: int, outputs: int, end: str) -> tuple[Model, tuple[LayerNote, ...]]:
        model = copy_model(plain)
        if not head:
            return model, ()
        model, name = with_new_head(model, outputs)
        note = LayerNote(name, "fresh weights", f"a new end of {outputs} output{'' if outputs == 1 else 's'}")
        return copy_model(with_end(model, end)), (note,)

    return Network(
        image[:2] if image else None,
        image[2] if image else None,
        section.input_range or own,
        construct,
        inputs=array_inputs(plain),
        end="" if head and end == "softmax" else end,
        loss=known_loss(loss),
        head=head,
        trained=not head,
        assumptions=tuple(_said(frozen, section, own, loss)),
    )


def compiled_loss(path: Path) -> str:
    """Return the name of the loss that a model file was compiled with; "" where it does not say one."""
    return read_keras(path).metadata.get("loss", "")


def _loaded(path: Path) -> Model:
    try:
        return load_model(path)
    except UntrustedCodeError as error:
        raise UnsupportedModelError(
            f"{error.message} Such models are converted with --trust, but not trained on.",
            hint="Replace it by Keras's own layers.",
        ) from error


def _image(path: Path, model: Model, resolution: int | None) -> tuple[int, int, int] | None:
    """The height, width and channels of the model's only input, where it can take images."""
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    kinds = [tensor.dtype for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] not in (1, 3) or kinds != ["float32"]:
        if resolution is not None:
            listed = ", ".join(f"{kind} {shape}" for kind, shape in zip(kinds, shapes, strict=True))
            raise RecipeError(f"'{path}' takes {listed}, which are no images.", hint="Leave the resolution out.")
        return None
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


def array_inputs(model: Model) -> tuple[TensorSpec, ...]:
    """Return the inputs of a model as arrays are given to them, with -1 for a free axis."""
    return tuple(
        TensorSpec(each.name, (1, *(side or -1 for side in each.shape[1:])), each.dtype) for each in model.inputs
    )


def _require_range(chosen: tuple[float, float] | None) -> None:
    if chosen is not None and not (all(map(math.isfinite, chosen)) and chosen[0] < chosen[1]):
        raise RecipeError(
            f"The input range {chosen[0]:g} {chosen[1]:g} is none: two numbers are needed, the lower one first.",
            hint="Say --input-range 0 1, for example.",
        )


def _require_scores(path: Path, model: Model, *, new_head: int) -> None:
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    cut = "Cut it where it gives features: keras.Model(model.inputs, features)."
    head = "With --new-head CLASSES it gets a classifier."
    free = bool(shapes) and None in (shapes[0][-1:] if len(model.inputs[0].shape) != 4 else shapes[0][1:])
    if len(shapes) != 1 or len(shapes[0]) < 2 or free:  # lengths of sequences are the data's
        raise UnsupportedModelError(
            f"'{path}' gives {', '.join(map(str, shapes))}; one output of a known shape is needed.",
            hint=cut if new_head or len(shapes) != 1 else head,
        )


def _said(frozen: list[str], section: ModelSection, own: tuple[float, float] | None, loss: str) -> list[str]:
    said = []
    if section.input_range is None and own is not None:
        said.append(f"Pixels 0..255 are mapped to {own[0]:g}..{own[1]:g}: what the model's first layer expects.")
    if loss and not known_loss(loss):
        said.append(f"The file was compiled to minimize '{loss}', which is not known here; --loss says another one.")
    if frozen:
        more = f" and {len(frozen) - SHOWN_LAYERS} more" if frozen[SHOWN_LAYERS:] else ""
        said.append(
            f"Frozen in the file, and trained here: {', '.join(frozen[:SHOWN_LAYERS])}{more}; --freeze keeps layers as "
            "they are."
        )
    return said
