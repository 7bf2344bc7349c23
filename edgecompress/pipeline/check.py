"""What can be known of a recipe before anything is trained, claimed or written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.convert.targets import Options, parse_target
from edgecompress.data import Dataset, load
from edgecompress.data.preprocessing import fit_pixels, scale_pixels, standard
from edgecompress.devices.address import Address
from edgecompress.devices.connect import connect
from edgecompress.devices.cores import KINDS, core_mask
from edgecompress.environment import load_keras
from edgecompress.errors import ConversionError, DeviceError, RecipeError
from edgecompress.keras_bridge.splitting.separable import split_separable
from edgecompress.methods import find as find_method
from edgecompress.methods.compress import check
from edgecompress.methods.patterns import require_match
from edgecompress.methods.protocol import Kept
from edgecompress.methods.step import Stage
from edgecompress.pipeline.on_devices.profile import parse_devices
from edgecompress.pipeline.stages import optimizer_steps
from edgecompress.profiling.readiness.check import Wanted
from edgecompress.profiling.readiness.check import check as check_device
from edgecompress.progress import Progress, silent
from edgecompress.recipes import Recipe, method_of
from edgecompress.training.batches import HELD_OUT
from edgecompress.values import LayerNote, Preprocessing
from edgecompress.zoo import find
from edgecompress.zoo.weights import load_weights

_RUNTIMES = {"tflite": "litert", "onnx": "onnx"}  # by the format that they run


def check_training(recipe: Recipe, *, on_progress: Progress = silent) -> tuple[Dataset, Preprocessing]:
    """Load the data, build the network, and prepare every step of the chain on it without training.

    Raises:
        RecipeError: a step that trains nothing was given epochs or a learning rate.
        DataError: the data is missing, empty or damaged.
        ArchitectureError, ModelFileError: the network cannot be built, or its weights not be loaded.
        MethodError: a step does not fit the network or the steps before it, or a pattern matches no layer.
    """
    for number, section in enumerate(recipe.compress, start=1):
        if not find_method(section.method).traits.trains and (section.epochs or section.learning_rate):
            raise RecipeError(
                f"Step {number}, {section.method}, trains nothing, and was given epochs or a learning rate.",
                hint="Leave them out.",
            )
    dataset, preprocessing = load_data(recipe, on_progress=on_progress)
    model, _ = build_model(recipe, dataset, preprocessing)
    split = split_separable(model)
    for single in (each for step in recipe.compress for each in step.methods):
        if pattern := single.options.get("keep_float"):
            require_match(pattern, f"{single.method}, for keep_float,", split)
    if recipe.convert.keep_float:
        require_match(recipe.convert.keep_float, "conversion, for keep_float,", split)
    check(model, method_of(recipe), _Untrained(recipe, dataset, preprocessing))
    return dataset, preprocessing


@dataclass(frozen=True)
class _Untrained:
    """The setting of a training that does not take place."""

    recipe: Recipe
    dataset: Dataset
    preprocessing: Preprocessing

    def optimizer_steps(self, stage: Stage) -> int:
        return optimizer_steps(self.recipe, stage, round(len(self.dataset.train) * (1 - HELD_OUT)))

    def images(self, count: int) -> np.ndarray:
        return scale_pixels(fit_pixels(self.dataset.train.images[:count], self.preprocessing), self.preprocessing)


def check_rest(recipe: Recipe) -> None:
    """Check what follows a training: targets and how they are emitted, devices and whether they are ready.

    Raises:
        ConversionError: an unknown target, or one that this recipe cannot give.
        DeviceError: a device is unknown, named twice, out of reach, or cannot measure as it is asked to.
    """
    targets = tuple(parse_target(text) for text in recipe.convert.targets)
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


def load_data(recipe: Recipe, *, on_progress: Progress = silent) -> tuple[Dataset, Preprocessing]:
    """Load the recipe's data set, and say how its images become the model's input."""
    architecture = find(recipe.model.architecture)
    resolution = recipe.model.resolution or architecture.default_resolution
    dataset = load(
        recipe.data.name,
        data_dir=Path(recipe.data.directory) if recipe.data.directory else None,
        size=(resolution, resolution),
        channels=recipe.model.channels,
        seed=recipe.train.seed,
        on_progress=on_progress,
    )
    preprocessing = standard(
        dataset, size=(resolution, resolution), channels=recipe.model.channels, input_range=architecture.input_range
    )
    return dataset, preprocessing


def build_model(recipe: Recipe, dataset: Dataset, preprocessing: Preprocessing) -> tuple[Any, tuple[LayerNote, ...]]:
    """Build the recipe's network from its seed and its weights; notes say which layers of the latter were left."""
    load_keras().utils.set_random_seed(recipe.train.seed)
    model = find(recipe.model.architecture).build(
        resolution=preprocessing.height,
        channels=preprocessing.channels,
        classes=len(dataset.labels),
        **recipe.model.options,
    )
    return model, load_weights(model, recipe.model.weights) if recipe.model.weights else ()
