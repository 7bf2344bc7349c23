"""What keeps a model from being compared with a file: a state, mixed samples, random numbers, nothing finite."""

from __future__ import annotations

import re

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_types import Model

Arrays = list[np.ndarray]
# Sums of a batch may be added up in another order, 2^-24 each; whoever mixes samples is apart by as much as they are.
_APART = 2.0**-10
_ROUNDED = 0.01  # so many elements at most turn where a sum is rounded otherwise in front of a sign or a step
_LAYER = re.compile(r"layer ['\"]([^'\"]+)['\"]")


def require_no_state(model: Model) -> None:
    """Refuse what an emitted file cannot do: to go on from the batch before.

    Raises:
        UnsupportedModelError: a layer keeps its state from one batch to the next; it is named.
    """
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            raise UnsupportedModelError(
                f"Layer '{layer.name}' ({type(layer).__name__}) is stateful: it goes on from the batch before, and "
                "files keep nothing from one run to the next.",
                hint="Rebuild it with stateful=False, and give whole sequences; or give its state in and out.",
            )


def require_samples_apart(model: Model) -> None:
    """Run a model on a batch of noise, and on its first sample alone; the first row must be the same.

    It takes about as long as a conversion's own comparison, and is to say why that failed.

    Raises:
        UnsupportedModelError: it is not, and the first layer that mixes samples is named; or one sample does not run.
    """
    batch = _noise(model)
    one = [array[:1] for array in batch]
    together = _outputs(model, batch, "on a batch")
    alone = _outputs(model, one, "on one sample alone, as files do")
    if not _apart(together, alone, len(batch[0])):
        return
    for layer, until in model.beginnings():
        apart = _apart(_outputs(until, batch, "on a batch"), _outputs(until, one, "on one sample"), len(batch[0]))
        if apart > _ROUNDED:
            raise UnsupportedModelError(
                f"Layer '{layer.name}' ({type(layer).__name__}) mixes the samples of a batch, so that a file, which "
                "takes one sample at a time, would compute something else.",
                hint="Reduce, join, permute and reshape along the other axes alone: the first one is the batch.",
            )
        if apart:
            return


def require_no_randomness(model: Model) -> None:
    """Run a model twice on the same noise; both have to be the same.

    Raises:
        UnsupportedModelError: they are not, and the first layer that draws random numbers is named.
    """
    batch = _noise(model)
    if not _apart(_outputs(model, batch, "on a batch"), _outputs(model, batch, "twice"), 1):
        return
    for layer, until in model.beginnings():
        if _apart(_outputs(until, batch, "on a batch"), _outputs(until, batch, "twice"), 1):
            raise UnsupportedModelError(
                f"Layer '{layer.name}' ({type(layer).__name__}) draws random numbers at inference, so that nothing can "
                "be compared with the model.",
                hint="Leave out what samples, or is called with training=True.",
            )


def require_finite(model: Model) -> None:
    """Run a model on noise; some number of each output must be finite.

    Raises:
        UnsupportedModelError: there is none, and the first layer with such an output is named.
    """
    batch = _noise(model)
    if not _nowhere_finite(_outputs(model, batch, "on a batch")):
        return
    for layer, until in model.beginnings():
        if _nowhere_finite(_outputs(until, batch, "on a batch")):
            raise UnsupportedModelError(
                f"Layer '{layer.name}' ({type(layer).__name__}) computes nothing that is finite from noise between -1 "
                "and 1, so that nothing can be compared with the model.",
                hint="A weight may be NaN or infinite, or the layer divides by zero or grows without a bound.",
            )


def _nowhere_finite(outputs: Arrays) -> bool:
    return any(not np.isfinite(output).any() for output in outputs)


def _noise(model: Model) -> Arrays:
    generator = np.random.default_rng(0)
    count = max((tensor.shape[0] or 2 for tensor in model.inputs), default=2)
    arrays = []
    for tensor in model.inputs:
        shape = (count, *(size or 1 for size in tensor.shape[1:]))
        integers = generator.integers(0, 2, shape)  # within every vocabulary
        drawn = generator.uniform(-1, 1, shape) if tensor.dtype.is_floating else integers
        arrays.append(drawn.astype(tensor.dtype.as_numpy_dtype))
    return arrays


def _outputs(model: Model, arrays: Arrays, how: str) -> Arrays:
    tensorflow = load_tensorflow()
    try:
        return model.compute(arrays)
    except (ValueError, TypeError, tensorflow.errors.OpError) as error:
        known = {layer.name for layer in model.layers}
        layers = [name for name in _LAYER.findall(str(error)) if name in known]
        where = f" Layer '{layers[0]}' stops it." if layers else ""
        raise UnsupportedModelError(
            f"'{model.name}' does not run {how}.{where}",
            hint="Give its inputs no fixed batch size, and check that it runs on an array of one sample.",
        ) from error


def _apart(together: Arrays, other: Arrays, count: int) -> float:
    """The share of elements in which `other` is not the first of `count` samples of `together`; 1 by its shape."""
    shares = [0.0]
    for all_rows, found in zip(together, other, strict=True):
        if count > 1 and (all_rows.ndim == 0 or len(all_rows) != count * len(found)):
            return 1.0
        if all_rows.shape[1:] != found.shape[1:]:
            return 1.0
        expected = all_rows[: len(found)].astype(np.float64) if found.ndim else all_rows.astype(np.float64)
        allowed = _APART * float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
        close = np.isclose(expected, found.astype(np.float64), rtol=0, atol=allowed, equal_nan=True)
        shares.append(1.0 - float(close.mean()) if close.size else 0.0)
    return max(shares)
