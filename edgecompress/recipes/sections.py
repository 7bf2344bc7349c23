"""The tables of a recipe, typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Scalar = bool | int | float | str
MOST_EPOCHS = 100_000
MOST_ROUNDS = 100


class Section(BaseModel):
    """A table of a recipe; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSection(Section):
    """What to build, an `architecture`, or the `file` of a model to go on with.

    `channels`, `weights` and `options` are an architecture's; `sha256`, `input_range` and `new_head` a file's.
    """

    architecture: str = ""
    file: str = ""
    sha256: str = ""  # of the file, written down when it is first read
    resolution: int | None = Field(default=None, ge=1)  # None: the architecture's own, or the file's
    channels: Literal[1, 3] | None = None  # None: the data set's
    weights: str = ""  # "imagenet" or a file
    input_range: tuple[float, float] | None = None  # of pixels; None: what the model's first layer tells
    new_head: int = Field(default=0, ge=0, le=1_000_000)  # classes of a new classifier in the place of the model's own
    options: dict[str, Scalar] = {}

    @property
    def name(self) -> str:
        """What it is called in words and folders."""
        return self.architecture or Path(self.file).name


class DataSection(Section):
    """What to train on and to test with."""

    name: str  # "digits", "fashion_mnist", "folder:PATH", ...
    directory: str = ""  # where to look first
    fit: Literal["stretch", "crop", "letterbox"] = "stretch"  # how images of another shape get the model's


class TrainSection(Section):
    """How to train the dense model; the methods share all but the epochs and the learning rate."""

    epochs: int = Field(default=8, ge=0, le=MOST_EPOCHS)
    batch_size: int = Field(default=128, ge=1, le=1 << 20)
    learning_rate: float = Field(default=2e-3, gt=0, le=1000)
    warmup_epochs: float = Field(default=0.5, ge=0, le=MOST_EPOCHS)
    seed: int = Field(default=0, ge=0, lt=1 << 32)
    freeze: str = ""  # regular expression: layers that the dense model's epochs leave as they are
    unfreeze_epochs: int = Field(default=0, ge=0, le=MOST_EPOCHS)  # with all layers, at a tenth of the learning rate
    early_stopping: int = Field(default=0, ge=0, le=MOST_EPOCHS)  # epochs of the dense model without a better one
    class_weights: Literal["", "balanced"] = ""
    loss: str = ""  # by Keras's name; "": as the model's file says, or as labels and outputs look
    shift: int = Field(default=0, ge=0, le=1024)  # these four change the images in each epoch: see Augmentation
    crop: float = Field(default=1.0, ge=0.1, le=1)
    flip: bool = False
    colour: float = Field(default=0.0, ge=0, le=1)


class MethodSection(Section):
    """A method. `options` are its own figures."""

    method: str
    layers: str = ""  # regular expression; empty: all that the method can treat
    options: dict[str, Any] = {}


class CompressSection(MethodSection):
    """One step of the chain: a method, and those that are trained `together` with it.

    Epochs and learning rate are resolved where the method trains; one that trains nothing has neither. A step that is
    to be repeated is resolved to so many, each with the figures that are due in its round.
    """

    epochs: int | None = Field(default=None, ge=1, le=MOST_EPOCHS)
    learning_rate: float | None = Field(default=None, gt=0, le=1000)
    repeat: int = Field(default=1, ge=1, le=MOST_ROUNDS)
    together: tuple[MethodSection, ...] = ()

    @property
    def methods(self) -> tuple[MethodSection, ...]:
        """The methods that are trained as one."""
        return (self, *self.together)

    @model_serializer(mode="wrap")
    def _without_empty_company(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if name != "together" or value}


class ConvertSection(Section):
    """What to emit."""

    targets: tuple[str, ...] = ("tflite:float32", "tflite:int8", "onnx:float32", "onnx:int8")
    io: Literal["float32", "int8", "uint8"] = "float32"
    calibration: int = Field(default=200, ge=1)  # images of the training split
    keep_float: str = ""  # regular expression over layer names
    sparse: bool = False


class VerifySection(Section):
    """What must hold."""

    limit: int = Field(default=0, ge=0)  # test images; 0: all
    max_drop: float | None = Field(default=None, ge=0)  # percentage points below the dense Keras model


class PackSection(Section):
    """Which files to pack: those of the compressed model, or of the dense one where there is no other."""

    targets: tuple[str, ...] = ()


class ProfileSection(Section):
    """Where and how to measure."""

    devices: tuple[str, ...] = ("local",)
    threads: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(default=(1,), min_length=1)
    cores: str = "all"  # or "prime", "big", "mid", "little", a mask
    processes: int = Field(default=3, ge=1, le=1000)


class Recipe(Section):
    """Everything that a run needs to be repeated."""

    model: ModelSection
    data: DataSection
    train: TrainSection = TrainSection()
    compress: tuple[CompressSection, ...] = ()
    convert: ConvertSection = ConvertSection()
    verify: VerifySection = VerifySection()
    profile: ProfileSection = ProfileSection()
    pack: PackSection = PackSection()
