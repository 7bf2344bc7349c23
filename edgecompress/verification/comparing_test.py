"""Steps and equal outputs by hand, and what is garbage and what is another rounding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.verification.comparing import compare

STEP = 1 / 256


def scores(count: int = 200, classes: int = 10, *, seed: int = 0, sharpness: float = 6.0) -> np.ndarray:
    """Softmax outputs of a classifier that is sure of most images, in steps."""
    logits = sharpness * np.random.default_rng(seed).normal(size=(count, classes))
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return np.rint(shares / shares.sum(-1, keepdims=True) / STEP) * STEP


def test_steps_of_the_quantized_output_are_counted() -> None:
    tflite = np.array([[0.0, 0.25, 0.75], [0.5, 0.25, 0.25]], np.float32)
    onnx = np.array([[0.0, 0.5, 0.5], [0.5, 0.25, 0.25]], np.float32)
    found = compare(tflite, onnx, 0.25)
    assert (found.largest_steps, found.largest_difference, found.step) == (1, 0.25, 0.25)
    assert found.equal_outputs == pytest.approx(100 * 4 / 6)
    assert found.equal_argmax == 50  # 0.75 is the largest, then 0.5 comes first
    same = compare(tflite, tflite, 0.0)
    assert (same.equal_outputs, same.largest_steps, same.garbage) == (100, 0, "")


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_infinitely_far_and_garbage(odd: float) -> None:
    here = scores()
    there = here.copy()
    there[3, 4] = odd
    found = compare(here, there, STEP)
    assert found.largest_difference == found.largest_steps == np.inf
    assert found.equal_outputs < 100 and "not finite" in found.garbage
    assert found.equal_argmax == pytest.approx(100 * (1 - 1 / len(here)))  # an image without numbers has no best class
    # Where this machine computes the same, nothing can be held against the other.
    assert compare(there, there, STEP).largest_difference == 0 and not compare(there, there, STEP).garbage


@pytest.mark.parametrize(
    "spoil",
    [
        lambda here: np.roll(here, 1, axis=0),  # each image gets another one's answer
        lambda here: np.zeros_like(here),
        lambda here: np.full_like(here, 0.1),
        lambda here: np.eye(10)[np.zeros(len(here), int)],  # always the first class
        lambda here: np.full_like(here, -128 * STEP),  # a buffer that was never written
        lambda here: -here,
        lambda here: np.roll(here, 1, axis=1),
        lambda here: scores(seed=1),
    ],
)
def test_plain_garbage_is_called_so(spoil) -> None:
    here = scores()
    assert compare(here, spoil(here), STEP).garbage
    assert compare(here, spoil(here), 0.0).garbage


@given(steps=st.integers(0, 2), seed=st.integers(0, 1000), sharpness=st.sampled_from([0.0, 0.01, 0.3, 3.0, 10.0]))
def test_rounding_in_other_places_is_no_garbage(steps: int, seed: int, sharpness: float) -> None:
    """Up to two steps on every output, however sure the network is; it may be untrained, with all classes alike."""
    here = scores(sharpness=sharpness)
    noise = np.random.default_rng(seed).integers(-steps, steps + 1, here.shape) * STEP
    assert not compare(here, here + noise, STEP).garbage


def test_large_differences_on_a_few_images_are_no_garbage() -> None:
    """Kernels that round in other places flip an image that is a close call, by a hundred steps."""
    here = scores()
    there = here.copy()
    there[:3] = np.roll(there[:3], 1, axis=1)
    found = compare(here, there, STEP)
    assert found.largest_steps > 90 and not found.garbage


def test_a_common_offset_does_not_hide_that_the_classes_are_others() -> None:
    """Logits whose level varies by far more from image to image than from class to class."""
    generator = np.random.default_rng(0)
    level = 40 * generator.normal(size=(200, 1))
    here, there = (level + 5 * np.eye(10)[generator.integers(0, 10, 200)] for _ in range(2))
    assert "clear best class" in compare(here, there, 0.1).garbage


def test_one_image_and_one_output_are_compared_too() -> None:
    lone = scores(1)
    assert compare(lone, np.roll(lone, 1, axis=1), STEP).garbage and not compare(lone, lone + STEP, STEP).garbage
    here = np.random.default_rng(0).normal(size=(50, 1))
    assert compare(here, -here, 0.0).garbage and not compare(here, here + 0.001, 0.0).garbage
