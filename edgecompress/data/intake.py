"""From what a data set holds to what a model takes: images by their preprocessing, arrays as they are."""

from __future__ import annotations

import numpy as np

from edgecompress.data.preprocessing import fit_pixels, scale_pixels
from edgecompress.data.records import arrays_of
from edgecompress.data.rows import Images
from edgecompress.values import Arrays, Intake


def fitted(samples: Images, intake: Intake) -> Images:
    """Return images in the size and channels of the model's input; arrays as they are."""
    return samples if isinstance(intake, Arrays) else fit_pixels(samples, intake)


def model_inputs(samples: Images, intake: Intake) -> tuple[np.ndarray, ...]:
    """Return fitted samples as the model takes them, an array an input."""
    return arrays_of(samples) if isinstance(intake, Arrays) else (scale_pixels(samples, intake),)
