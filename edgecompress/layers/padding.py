"""How many rows or columns "same" padding adds, for padding by something other than zeros."""

from __future__ import annotations

from edgecompress.errors import UnsupportedModelError


def same_padding(size: int | None, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return what is added before and after one side of `size`, so that ceil(size / stride) outputs come out.

    Raises:
        UnsupportedModelError: the size is not known and the stride is not 1, so that it matters.
    """
    reach = (kernel - 1) * dilation + 1
    if size is None:
        if stride != 1:
            raise UnsupportedModelError(
                "A binary convolution with a stride pads a map of unknown size.",
                hint="Rebuild the model with a fixed height and width.",
            )
        total = reach - 1
    else:
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2
