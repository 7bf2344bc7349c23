"""How far two ways of computing the same file are apart, and when one of them computes garbage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecompress.errors import UnsupportedModelError
from edgecompress.formats.tflite.file import read_graph
from edgecompress.values import QuantScheme, TensorSpec

SIGNAL_SHARE = 0.5  # of the outputs' variance; a difference with more power than that leaves no signal worth the name
FLOOR_STEPS, FLOOR_SHARE = 2, 0.01  # a root mean square below so many steps, or this share of the largest, is rounding
SAME_ARGMAX = 0.5  # of the images whose best class is clear
CLEAR_IMAGES = 5  # so many are needed to say so

Decide = Callable[[np.ndarray], np.ndarray | None]  # of outputs (N, ...): what each sample is said to be (N, D)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Outputs against those that they should be equal to; a step is one unit of a quantized output."""

    step: float  # 0: the outputs are not quantized
    largest_difference: float
    largest_steps: float  # 0 where there is no step
    equal_outputs: float  # percent of output elements
    equal_argmax: float | None  # percent of the decisions on all images; None where outputs decide nothing
    garbage: str = ""  # why these outputs are plainly wrong; empty if they are not

    @property
    def title(self) -> str:
        """What was compared."""
        raise NotImplementedError


def best(outputs: np.ndarray) -> np.ndarray | None:
    """Return the place of the largest number (N, 1) of each sample; None where there is only one."""
    outputs = outputs.reshape(len(outputs), -1)
    return outputs.argmax(-1)[:, None] if outputs.shape[1] > 1 else None


def compare(expected: np.ndarray, found: np.ndarray, step: float, decide: Decide = best) -> Compared:
    """Compare outputs (N, ...) with those that they should be equal to; `step` is the scale of a quantized one, or 0.

    What they say of a sample is what `decide` makes of them, in the order of the last axis: by default which is the
    largest, if there are several. What is not a number is equal to what is not a number either, and infinitely far
    from all else.
    """
    decided, decisions = decide(expected), decide(found)
    exact, other = (each.astype(np.float64).reshape(len(each), -1) for each in (expected, found))
    same = (exact == other) | (np.isnan(exact) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        distances = np.where(same, 0.0, np.abs(exact - other))
    distances[np.isnan(distances)] = np.inf
    largest = float(distances.max(initial=0))
    return Compared(
        step=step,
        largest_difference=largest,
        largest_steps=round(largest / step, 3) if step and np.isfinite(largest) else largest if step else 0.0,
        equal_outputs=percent(distances < step / 2 if step else same),
        equal_argmax=_equal(decided, decisions, np.isfinite(distances)),
        garbage=_garbage(exact, other, step),
    )


def _equal(expected: np.ndarray | None, found: np.ndarray | None, finite: np.ndarray) -> float | None:
    if expected is None or found is None:
        return None
    return percent((expected == found) & finite.all(-1, keepdims=True))


def output_step(path: Path) -> float:
    """Return the scale of the first output of a TFLite file, looking through a final DEQUANTIZE; 0 if it is float."""
    return output_steps(path, ())[0]


def output_steps(path: Path, outputs: Sequence[TensorSpec]) -> tuple[float, ...]:
    """Return the scale of each output, 0 where it is float; of a TFLite file looking through a final DEQUANTIZE.

    `outputs` are a runtime's description, which tells the scales of any other file.
    """
    if path.suffix.lower() != ".tflite":
        return tuple(_step(spec.quant) for spec in outputs)
    try:
        graph = read_graph(path)
    except UnsupportedModelError:  # with loops, which only float files have
        return (0.0,) * max(1, len(outputs))
    steps = []
    for index in graph.outputs:
        producer = graph.producers.get(index)
        read = producer.inputs[0] if producer is not None and producer.kind == "DEQUANTIZE" else index
        steps.append(_step(graph.tensors[read].quant))
    return tuple(steps)


def _step(quant: QuantScheme | None) -> float:
    return quant.scales[0] if quant and len(quant.scales) == 1 else 0.0


def percent(flags: np.ndarray) -> float:
    """Return how many flags are set, in percent."""
    return 100 * float(np.mean(flags))


def _garbage(expected: np.ndarray, found: np.ndarray, step: float) -> str:
    """Say why outputs are no other rounding of those expected, but something else; nothing if they may be.

    Kernels that round in other places differ by many steps here and there, and still say the same. It is garbage where
    a number became none; or where the root mean square of the difference is more than rounding and either the
    difference has more than half of the power of the outputs (their variance over the images), or most images with a
    clear best class get another one.
    """
    lost = np.isfinite(expected) & ~np.isfinite(found)
    if lost.any():
        return f"{percent(lost):.3g} % of the outputs are not finite"
    if not np.isfinite(expected).all():
        return ""
    floor = max(FLOOR_STEPS * step, FLOOR_SHARE * float(np.abs(expected).max(initial=0)))
    noise = float(np.mean((found - expected) ** 2))
    if noise <= floor**2:
        return ""
    signal = float(np.mean(expected.var(axis=0))) if len(expected) > 1 else float(expected.var())
    if noise > SIGNAL_SHARE * signal:
        return f"the differences have {noise / signal:.2g} times the power of the outputs" if signal else "they differ"
    if expected.shape[-1] < 2:
        return ""
    best = np.sort(expected, axis=-1)[:, -2:]
    clear = best[:, 1] - best[:, 0] > floor
    agreeing = float(np.mean(expected.argmax(-1)[clear] == found.argmax(-1)[clear])) if clear.any() else 1.0
    if clear.sum() >= CLEAR_IMAGES and agreeing < SAME_ARGMAX:
        return f"of the images with a clear best class only {100 * agreeing:.0f} % keep it"
    return ""
