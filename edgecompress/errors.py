"""The exception tree: everything that a user can cause derives from `EdgeCompressError`.

A message says what was expected, what came and where; `hint` says what to try. The command line prints
both and ends with `exit_code`; it never prints a traceback for one of these.
"""


class EdgeCompressError(Exception):
    """A problem that is the input's or the environment's, not this program's."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ModelFileError(EdgeCompressError):
    """A model file is not what its name says, is cut short, or is damaged."""


class PackedFileError(EdgeCompressError):
    """A packed file is not one, is of another version, is cut short, or is damaged."""


class UntrustedCodeError(EdgeCompressError):
    """A model file holds code (a Lambda layer), which runs only with `--trust`."""


class UnsupportedModelError(EdgeCompressError):
    """A model is intact, but has a form that this operation cannot treat."""


class DataError(EdgeCompressError):
    """A data set is missing, empty or damaged."""


class ArchitectureError(EdgeCompressError):
    """An architecture is unknown, or its options do not make a network."""


class MethodError(EdgeCompressError):
    """A compression method does not fit the model, or would undo what an earlier one established."""


class TrainingError(EdgeCompressError):
    """Training cannot start, go on or be resumed."""


class ConversionError(EdgeCompressError):
    """A model cannot be emitted for a target, or the emitted file does not run."""


class RuntimeRefusal(EdgeCompressError):
    """A runtime refused a file, crashed on it or took too long; it was in a process of its own."""


class RecipeError(EdgeCompressError):
    """A recipe is not valid."""


class RunFolderError(EdgeCompressError):
    """A run folder lacks something, or cannot be written."""


class DeviceError(EdgeCompressError):
    """A device is unknown, unreachable or cannot measure."""


class DeviceGone(DeviceError):
    """A device went away in the middle of something; what was measured before is worth keeping."""


class LimitNotMet(EdgeCompressError):
    """Everything worked, but a limit that the user stated was not met."""

    exit_code = 3
