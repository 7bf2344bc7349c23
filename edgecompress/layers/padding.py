"""How many rows or columns "same" padding adds to a map whose size may be unknown as yet."""

from __future__ import annotations

from edgecompress.errors import UnsupportedModelError
from edgecompress.numerics import padding


def same_padding(size: int | None, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return what is added before and after one side of `size`.

    Raises:
        UnsupportedModelError: the size is not known and the stride is not 1, so that it matters.
    """
    if size is None and stride != 1:
        raise UnsupportedModelError(
            "A binary convolution with a stride pads a map of unknown size.",
            hint="Rebuild the model with a fixed height and width.",
        )
    return padding.same_padding(1 if size is None else size, kernel, stride, dilation)
