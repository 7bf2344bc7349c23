"""What can be known of a recipe before anything is trained, claimed or written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecompress.convert.targets import Options, parse_target
from edgecompress.data import Dataset, load
from edgecompress.data.preprocessing import fit_pixels, scale_pixels, standard
from edgecompress.devices.address import Address
from edgecompress.devices.connect import connect
from edgecompress.devices.cores import KINDS, core_mask
from edgecompress.environment import load_keras
from edgecompress.errors import ConversionError, DataError, DeviceError, RecipeError
from edgecompress.keras_bridge.splitting.separable import split_separable
from edgecompress.keras_types import Layer, Model
from edgecompress.methods import find as find_method
from edgecompress.methods.compress import check
from edgecompress.methods.patterns import require_match, require_pattern
from edgecompress.methods.protocol import Kept
from edgecompress.methods.step import Stage
from edgecompress.pipeline.networks.network import Network
from edgecompress.pipeline.networks.of_recipe import network_of
from edgecompress.pipeline.on_devices.profile import parse_devices
from edgecompress.pipeline.stages import optimizer_steps
from edgecompress.profiling.readiness.check import Wanted
from edgecompress.profiling.readiness.check import check as check_device
from edgecompress.progress import Progress, silent
from edgecompress.recipes import Recipe, method_of
from edgecompress.training.batches import HELD_OUT
from edgecompress.values import LayerNote, Preprocessing

SHOWN_CLASSES = 5
_RUNTIMES = {"tflite": "litert", "onnx": "onnx"}  # by the format that they run


@dataclass(frozen=True, eq=False)
class Opened:
    """What a training begins with."""

    network: Network
    dataset: Dataset
    preprocessing: Preprocessing


def open_data(recipe: Recipe, *, on_progress: Progress = silent) -> Opened:
    """Open the recipe's network and its data, and say how images become the network's input.

    Raises:
        EdgeCompressError: as `network_of` and `load`.
    """
    network = network_of(recipe)
    dataset = load_data(recipe, network.size, channels=network.channels, on_progress=on_progress)
    preprocessing = standard(
        dataset,
        size=network.size,
        channels=network.channels,
        input_range=network.input_range,
        fit=recipe.data.fit,
    )
    return Opened(network, dataset, preprocessing)


def check_training(recipe: Recipe, *, on_progress: Progress = silent) -> Opened:
    """Load the data, build the network, and prepare every step of the chain on it without training.

    Raises:
        RecipeError: a step that trains nothing was given epochs or a learning rate, or a model's file lacks what must
            then be said.
        DataError: the data is missing, empty or damaged, or has other classes than the network.
        ArchitectureError, ModelFileError: the network cannot be built, or its weights not be loaded.
        MethodError: a step does not fit the network or the steps before it, or a pattern matches no layer.
    """
    for number, section in enumerate(recipe.compress, start=1):
        if not find_method(section.method).traits.trains and (section.epochs or section.learning_rate):
            raise RecipeError(
                f"Step {number}, {section.method}, trains nothing, and was given epochs or a learning rate.",
                hint="Leave them out.",
            )
    opened = open_data(recipe, on_progress=on_progress)
    model, _ = build_model(recipe, opened)
    if recipe.train.freeze:
        require_pattern(recipe.train.freeze, "the training, for --freeze,")
        require_match(recipe.train.freeze, "--freeze", model)
        trained = [layer.name for layer in trained_layers(recipe, model, opened.network.head) if layer.weights]
        if not trained and recipe.train.epochs:
            raise RecipeError(
                f"--freeze '{recipe.train.freeze}' matches every layer of '{recipe.model.name}' that has weights: "
                "nothing would be trained.",
                hint="Say --epochs 0 to leave the model as it is.",
            )
    split = split_separable(model)
    for single in (each for step in recipe.compress for each in step.methods):
        if pattern := single.options.get("keep_float"):
            require_match(pattern, f"{single.method}, for keep_float,", split)
    if recipe.convert.keep_float:
        require_match(recipe.convert.keep_float, "conversion, for keep_float,", split)
    check(model, method_of(recipe), _Untrained(recipe, opened.dataset, opened.preprocessing))
    return opened


@dataclass(frozen=True)
class _Untrained:
    """The setting of a training that does not take place."""

    recipe: Recipe
    dataset: Dataset
    preprocessing: Preprocessing

    def optimizer_steps(self, stage: Stage) -> int:
        share = 1 - HELD_OUT if self.dataset.held_out is None else 1
        return optimizer_steps(self.recipe, stage, round(len(self.dataset.train) * share))

    def images(self, count: int) -> np.ndarray:
        return scale_pixels(fit_pixels(self.dataset.train.images[:count], self.preprocessing), self.preprocessing)


def check_rest(recipe: Recipe) -> None:
    """Check what follows a training: targets and how they are emitted, devices and whether they are ready.

    Raises:
        ConversionError: an unknown target, or one that this recipe cannot give.
        DeviceError: a device is unknown, named twice, out of reach, or cannot measure as it is asked to.
    """
    targets = tuple(parse_target(text) for text in recipe.convert.targets)
    for text in recipe.pack.targets:
        if parse_target(text) not in targets:
            raise ConversionError(
                f"{text} is to be packed, and is none of the targets: {', '.join(recipe.convert.targets)}.",
                hint="Name it among those of [convert], too.",
            )
    Options(io=recipe.convert.io, keep_float=recipe.convert.keep_float, sparse=recipe.convert.sparse)
    binary = [target for target in targets if target.precision == "binary"]
    if binary and not any(Kept.SIGNS in stage.step.traits.makes for stage in method_of(recipe).plan()):
        raise ConversionError(
            f"{binary[0]} is for layers that were trained to be binary, and no step of the recipe makes them so.",
            hint='Add one, such as [[compress]] method = "bnn", or leave the target out.',
        )
    if binary and recipe.convert.io != "float32":
        raise ConversionError(
            f"{binary[0]} files have float32 inputs and outputs, and io is '{recipe.convert.io}'.",
            hint="Leave io or the target out.",
        )
    for address in parse_devices(recipe.profile.devices):
        _check_device(address, recipe)


def _check_device(address: Address, recipe: Recipe) -> None:
    profile = recipe.profile
    if address.kind == "emulated" and profile.threads != (1,):
        raise DeviceError(
            f"{address} counts the instructions of one thread, and threads are {', '.join(map(str, profile.threads))}.",
            hint="Give threads = [1], or measure emulated devices on their own.",
        )
    if profile.cores not in KINDS:  # these depend on the device
        core_mask(profile.cores, {}, device=str(address))
    with connect(address) as transport:
        if address.kind in ("adb", "ssh"):
            formats = {parse_target(text).format for text in recipe.convert.targets}
            runtimes = [runtime for kind, runtime in _RUNTIMES.items() if kind in formats]
            check_device(transport, Wanted(runtimes=runtimes, with_library=False, with_push=False)).require()


def load_data(
    recipe: Recipe, size: tuple[int, int], *, channels: int | None, on_progress: Progress = silent
) -> Dataset:
    """Load the recipe's data set for images of this height and width."""
    return load(
        recipe.data.name,
        data_dir=Path(recipe.data.directory) if recipe.data.directory else None,
        size=size,
        channels=channels,
        fit=recipe.data.fit,
        seed=recipe.train.seed,
        on_progress=on_progress,
    )


def trained_layers(recipe: Recipe, model: Model, head: str) -> list[Layer]:
    """Return the layers that the dense model's epochs train: those that are not to be frozen, and a new classifier."""
    return [layer for layer in model.layers if layer.name == head or not re.fullmatch(recipe.train.freeze, layer.name)]


def build_model(recipe: Recipe, opened: Opened) -> tuple[Model, tuple[LayerNote, ...]]:
    """Build the recipe's network from its seed and its weights; notes say which layers of the latter were left.

    Raises:
        DataError: it has other classes than the data.
    """
    load_keras().utils.set_random_seed(recipe.train.seed)
    labels, new_head = opened.dataset.labels, recipe.model.new_head
    listed = f"{', '.join(labels[:SHOWN_CLASSES])}{', ...' if labels[SHOWN_CLASSES:] else ''}"
    if new_head not in (0, len(labels)):
        raise DataError(
            f"The new head is to have {new_head} classes, and {opened.dataset.name} has {len(labels)}: {listed}.",
            hint=f"Say --new-head {len(labels)}.",
        )
    model, notes = opened.network.construct(opened.preprocessing.channels, len(labels))
    classes = model.outputs[0].shape[-1]
    if classes != len(labels):
        raise DataError(
            f"'{recipe.model.name}' gives scores of {classes} classes, and {opened.dataset.name} has {len(labels)}: "
            f"{listed}.",
            hint=f"Name the data that it was made for, or give it a new classifier: --new-head {len(labels)}.",
        )
    return model, notes
