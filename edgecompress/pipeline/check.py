"""What can be known of a recipe before anything is trained, claimed or written."""

from __future__ import annotations

from dataclasses import dataclass

from edgecompress.convert.targets import Options, parse_target
from edgecompress.data import Dataset
from edgecompress.data.intake import fitted, model_inputs
from edgecompress.devices.address import Address
from edgecompress.devices.connect import connect
from edgecompress.devices.cores import KINDS, core_mask
from edgecompress.errors import ConversionError, DeviceError, RecipeError
from edgecompress.keras_bridge.splitting.separable import split_separable
from edgecompress.methods import find as find_method
from edgecompress.methods.compress import check
from edgecompress.methods.patterns import require_match, require_pattern
from edgecompress.methods.protocol import Kept, Samples
from edgecompress.methods.step import Stage
from edgecompress.pipeline.networks.opened import Opened, build_model, open_data, trained_layers
from edgecompress.pipeline.on_devices.profile import parse_devices
from edgecompress.pipeline.stages import optimizer_steps
from edgecompress.profiling.readiness.check import Wanted
from edgecompress.profiling.readiness.check import check as check_device
from edgecompress.progress import Progress, silent
from edgecompress.recipes import Recipe, TrainSection, method_of
from edgecompress.tasks import Kind
from edgecompress.training.augmentation import Augmentation
from edgecompress.training.batches import HELD_OUT, UNCHANGED
from edgecompress.values import Arrays, Intake

_RUNTIMES = {"tflite": "litert", "onnx": "onnx"}  # by the format that they run


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
    _require_use(recipe.train, opened)
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
    check(model, method_of(recipe), _Untrained(recipe, opened.dataset, opened.intake))
    return opened


def _require_use(train: TrainSection, opened: Opened) -> None:
    """Refuse options that are for images, or for one class a sample, of other data."""
    changes = [name for name in Augmentation.__dataclass_fields__ if getattr(train, name) != getattr(UNCHANGED, name)]
    if changes and isinstance(opened.intake, Arrays):
        raise RecipeError(
            f"--{changes[0]} changes images, and the network is given arrays.", hint=f"Leave --{changes[0]} out."
        )
    if train.class_weights and not (opened.task.kind is Kind.CLASSES and opened.dataset.train.labels.ndim == 1):
        raise RecipeError(
            f"--class-weights are for one class a sample, and {opened.dataset.name} has other labels.",
            hint="Leave --class-weights out.",
        )


@dataclass(frozen=True)
class _Untrained:
    """The setting of a training that does not take place."""

    recipe: Recipe
    dataset: Dataset
    intake: Intake

    def optimizer_steps(self, stage: Stage) -> int:
        share = 1 - HELD_OUT if self.dataset.held_out is None else 1
        return optimizer_steps(self.recipe, stage, round(len(self.dataset.train) * share))

    def samples(self, count: int) -> Samples:
        return model_inputs(fitted(self.dataset.train.images[:count], self.intake), self.intake)


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
