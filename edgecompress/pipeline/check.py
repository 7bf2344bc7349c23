"""What can be known of a recipe before anything is trained, claimed or written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgecompress.convert.targets import Options, parse_target
from edgecompress.data import Dataset, load
from edgecompress.data.intake import fitted, model_inputs
from edgecompress.data.npz import is_archive_of_arrays
from edgecompress.data.preprocessing import standard
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
from edgecompress.methods.protocol import Kept, Samples
from edgecompress.methods.step import Stage
from edgecompress.pipeline.networks.network import Network
from edgecompress.pipeline.networks.of_recipe import network_of
from edgecompress.pipeline.networks.task import ENDS, require_fit, task_of, wants_answers, width
from edgecompress.pipeline.on_devices.profile import parse_devices
from edgecompress.pipeline.stages import optimizer_steps
from edgecompress.profiling.readiness.check import Wanted
from edgecompress.profiling.readiness.check import check as check_device
from edgecompress.progress import Progress, silent
from edgecompress.recipes import Recipe, TrainSection, method_of
from edgecompress.tasks import ONE_CLASS, Kind, Task
from edgecompress.training.augmentation import Augmentation
from edgecompress.training.batches import HELD_OUT, UNCHANGED
from edgecompress.values import Arrays, Intake, LayerNote, TensorSpec

SHOWN_CLASSES = 5
_RUNTIMES = {"tflite": "litert", "onnx": "onnx"}  # by the format that they run


@dataclass(frozen=True, eq=False)
class Opened:
    """What a training begins with."""

    network: Network
    dataset: Dataset
    intake: Intake
    task: Task

    def assumed(self, recipe: Recipe) -> list[str]:
        """Return what nobody said and was taken to hold, and what was left out of the data, in sentences."""
        said = [*self.dataset.notes, *self.network.assumptions]
        if isinstance(self.intake, Arrays) and self.network.size:
            said.append("The arrays are given to the network as they are, as they are no pixels in 0..255.")
        if self.task.loss not in (recipe.train.loss, ONE_CLASS.loss):
            why = "as the file was compiled" if self.network.loss else "as outputs and labels look"
            said.append(f"{self.task.loss} is minimized, {why}; --loss says another one.")
        if self.task.logits:
            said.append(f"The outputs are taken for logits, as no {ENDS[self.task.loss]} is behind them.")
        return said


def open_data(recipe: Recipe, *, on_progress: Progress = silent) -> Opened:
    """Open the recipe's network and its data, and say what the network takes of them, and what it is to learn.

    Arrays are given as they are where the network takes no images, or where an archive holds no pixels and nobody says
    what range the network expects such in.

    Raises:
        EdgeCompressError: as `network_of`, `load` and `task_of`.
        RecipeError: nobody says what range pixels are expected in.
    """
    network = network_of(recipe)
    loss = recipe.train.loss or network.loss
    size, pixels = network.size, network.input_range
    if size is not None and pixels is None and is_archive_of_arrays(recipe.data.name):
        size = None
    if size is not None and pixels is None:
        raise RecipeError(
            f"It is not known what range '{recipe.model.name}' expects pixels in, and by a wrong one it computes "
            "nonsense.",
            hint="Say it: --input-range 0 255, 0 1 or -1 1.",
        )
    inputs = () if size else network.inputs

    def loaded(answers: bool) -> Dataset:
        channels = network.channels if size else None
        return load_data(recipe, size, channels=channels, inputs=inputs, answers=answers, on_progress=on_progress)

    dataset = loaded(wants_answers(loss))
    task = task_of(loss, network.end, dataset, name=recipe.model.name)
    if wants_answers(task.loss) and not wants_answers(loss):
        dataset = loaded(True)  # as whoever knows the task reads it
    intake: Intake = Arrays(inputs)
    if size is not None and pixels is not None:
        intake = standard(dataset, size=size, channels=network.channels, input_range=pixels, fit=recipe.data.fit)
    return Opened(network, dataset, intake, task)


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


def load_data(
    recipe: Recipe,
    size: tuple[int, int] | None,
    *,
    channels: int | None,
    inputs: tuple[TensorSpec, ...] = (),
    answers: bool = False,
    on_progress: Progress = silent,
) -> Dataset:
    """Load the recipe's data set for images of this height and width, or as arrays for these inputs."""
    return load(
        recipe.data.name,
        data_dir=Path(recipe.data.directory) if recipe.data.directory else None,
        size=size,
        channels=channels,
        fit=recipe.data.fit,
        seed=recipe.train.seed,
        inputs=inputs,
        answers=answers,
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
    dataset, task, new_head = opened.dataset, opened.task, recipe.model.new_head
    outputs = width(task.loss, dataset)
    if new_head not in (0, outputs):
        listed = f"{', '.join(dataset.labels[:SHOWN_CLASSES])}{', ...' if dataset.labels[SHOWN_CLASSES:] else ''}"
        raise DataError(
            f"The new head is to have {new_head} outputs, and {dataset.name} asks for {outputs}: {listed}.",
            hint=f"Say --new-head {outputs}.",
        )
    channels = 0 if isinstance(opened.intake, Arrays) else opened.intake.channels
    model, notes = opened.network.construct(channels, outputs, ENDS.get(task.loss, "linear"))
    require_fit(task, model.outputs[0].shape[1:], dataset, name=recipe.model.name)
    return model, notes
