"""Images are changed as the formula says, within bounds, and alike where the lots are drawn again."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.data import load
from edgecompress.data.preprocessing import standard
from edgecompress.errors import TrainingError
from edgecompress.training.augmentation import Augmentation
from edgecompress.training.batches import batches, training_data

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 9, 7, 3), np.uint8)


def changed(seed: int = 0, **figures) -> np.ndarray:
    return Augmentation(**figures).applied(IMAGES, np.random.default_rng(seed))


def test_without_figures_nothing_is_changed() -> None:
    assert changed() is IMAGES


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    found = changed(flip=True)
    mirrored = [np.array_equal(one, other[:, ::-1]) for one, other in zip(found, IMAGES, strict=True)]
    same = [np.array_equal(one, other) for one, other in zip(found, IMAGES, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 16 <= sum(mirrored) <= 48  # of 64 with probability 1/2: four standard deviations of 4


def test_a_shift_is_by_whole_pixels_and_repeats_borders() -> None:
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    found = []
    for image, around in zip(changed(shift=2), padded, strict=True):
        places = [(y, x) for y in range(5) for x in range(5) if np.array_equal(image, around[y : y + 9, x : x + 7])]
        assert len(places) == 1
        found += places
    assert len(set(found)) > 15  # of 25


def test_a_crop_shows_a_part_enlarged() -> None:
    ramp = np.tile(np.arange(0, 180, 20, dtype=np.uint8)[None, :, None, None], (64, 1, 7, 1))
    found = Augmentation(crop=0.5).applied(ramp, np.random.default_rng(0)).astype(int)
    steps = np.diff(found[:, 2:-2, 3, 0], axis=1)
    # A row shows s rows of 20: 10 to 20 each, rounded, away from borders.
    assert steps.min() >= 9 and steps.max() <= 21
    assert (np.ptp(steps, axis=1) <= 1).all() and steps.mean(1).min() < 12 and steps.mean(1).max() > 18


def test_colour_changes_mean_and_contrast_of_each_image() -> None:
    flat = np.full((64, 4, 4, 1), 128, np.uint8)
    flat[:, :2] = 64
    found = Augmentation(colour=0.25).applied(flat, np.random.default_rng(0)).astype(float)
    contrasts = (found[:, 2:] - found[:, :2]).mean((1, 2, 3)) / 64
    brightness = (found.mean((1, 2, 3)) - 96) / 255
    for values in (contrasts - 1, brightness):
        assert np.abs(values).max() <= 0.25 + 1 / 64 and np.ptp(values) > 0.3


def test_the_same_lots_change_images_alike() -> None:
    figures = {"shift": 1, "crop": 0.8, "flip": True, "colour": 0.2}
    assert np.array_equal(changed(5, **figures), changed(5, **figures))
    assert not np.array_equal(changed(5, **figures), changed(6, **figures))


def test_batches_are_changed_otherwise_in_each_epoch_and_alike_when_it_comes_again() -> None:
    dataset = load("digits")
    data = training_data(dataset.train, standard(dataset, size=(8, 8)), names=dataset.labels, seed=0)

    def first(epoch: int) -> np.ndarray:
        each = batches(data, batch_size=1500, seed=1, epoch=epoch, augmentation=Augmentation(shift=1))
        (inputs,), labels = next(each)
        return inputs[np.argsort(labels, kind="stable")]

    assert np.array_equal(first(0), first(0)) and not np.array_equal(first(0), first(1))


@pytest.mark.parametrize("figures", [{"shift": -1}, {"crop": 0.0}, {"crop": 1.5}, {"colour": float("nan")}])
def test_figures_out_of_range_are_refused(figures) -> None:
    with pytest.raises(TrainingError, match="Augmentation got"):
        Augmentation(**figures)
