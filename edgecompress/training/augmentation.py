"""Images that are shifted, cropped, mirrored and coloured otherwise in each epoch, by lots that can be drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecompress.errors import TrainingError

LEAST_CROP = 0.1


@dataclass(frozen=True)
class Augmentation:
    """How far images are changed before each step; without figures, not at all.

    Row j of an image of H rows shows row `s (j + 1/2) - 1/2 + t + d`, with a share s in [`crop`, 1], its place t in
    [0, (1 - s) H] and a shift d of whole pixels in [-`shift`, `shift`], all by lot, bilinearly between rows, borders
    repeated; columns alike, with the same s, mirrored in every other image with `flip`. Then
    `p <- c (p - m) + m + 255 b`, m the image's mean, with c - 1 and b in [-`colour`, `colour`].

    Raises:
        TrainingError: a figure out of range.
    """

    shift: int = 0  # pixels
    crop: float = 1.0  # least share of each side
    flip: bool = False
    colour: float = 0.0  # of brightness and contrast

    def __post_init__(self) -> None:
        """Check the figures."""
        if self.shift < 0 or not LEAST_CROP <= self.crop <= 1 or not 0 <= self.colour <= 1:
            raise TrainingError(
                f"Augmentation got shift {self.shift}, crop {self.crop:g} and colour {self.colour:g}.",
                hint=f"A shift is at least 0 pixels, a crop in [{LEAST_CROP}, 1], and colour in [0, 1].",
            )

    def applied(self, pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return uint8 images [N, H, W, C] as they are changed by the lots of `generator`."""
        if self == Augmentation():
            return pixels
        count, height, width, _ = pixels.shape
        share = generator.uniform(self.crop, 1, (count,))
        rows = self._places(height, share, generator)
        columns = self._places(width, share, generator)
        mirrored = generator.random(count) < 0.5
        if self.flip:
            columns[mirrored] = columns[mirrored, ::-1]
        moved = _between(_between(pixels.astype(np.float32), rows, axis=1), columns, axis=2)
        if self.colour:
            contrast, brightness = generator.uniform(-self.colour, self.colour, (2, count, 1, 1, 1)).astype(np.float32)
            means = moved.mean((1, 2, 3), keepdims=True)
            moved = (1 + contrast) * (moved - means) + means + 255 * brightness
        return np.rint(np.clip(moved, 0, 255)).astype(np.uint8)

    def _places(self, size: int, share: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return which place each row of each image shows, [N, size]."""
        begin = generator.uniform(0, 1, len(share)) * (1 - share) * size
        begin += generator.integers(-self.shift, self.shift, len(share), endpoint=True)
        places = share[:, None] * (np.arange(size) + 0.5) - 0.5 + begin[:, None]
        return np.clip(places, 0, size - 1)


def _between(images: np.ndarray, places: np.ndarray, *, axis: int) -> np.ndarray:
    """Return what images show at places along an axis, linearly between pixels."""
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, images.shape[axis] - 1)
    shape = tuple(places.shape[(0, axis).index(each)] if each in (0, axis) else 1 for each in range(images.ndim))
    first, second = (np.take_along_axis(images, each.reshape(shape), axis) for each in (before, after))
    return first + (places - before).astype(np.float32).reshape(shape) * (second - first)
