"""What a tensor of either Keras is before any numbers: its dtype and its shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecompress.errors import UnsupportedModelError

Kind = tuple[str, tuple[int | None, ...]]


def require_same_kind(shown: str, expected: Sequence[Any], found: Sequence[Any], *, of: str, into: str) -> None:
    """Refuse tensors of another number, dtype or shape than those that `shown` has in the original.

    Raises:
        UnsupportedModelError: they differ.
    """
    kinds = [[(dtype_of(each), _sizes(each.shape)) for each in some] for some in (expected, found)]
    if len(kinds[0]) != len(kinds[1]) or not all(
        left[0] == right[0]
        and len(left[1]) == len(right[1])
        and all(a is None or b is None or a == b for a, b in zip(left[1], right[1], strict=True))
        for left, right in zip(*kinds, strict=True)
    ):
        raise UnsupportedModelError(
            f"{shown} of the {of} model gives {_listed(kinds[0])}, and {_listed(kinds[1])} in {into}.",
            hint="Replace it by a layer that both have, on float32 tensors.",
        )


def dtype_of(tensor: Any) -> str:
    """Return the name of a tensor's dtype, which is an object in Keras 2 and a name in Keras 3."""
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _sizes(shape: Any) -> tuple[int | None, ...]:
    """The sizes of a shape; of one whose number of axes is unknown, one that no tensor has."""
    return (-1,) if getattr(shape, "rank", 0) is None else tuple(shape)


def _listed(kinds: list[Kind]) -> str:
    return ", ".join(f"{dtype} {list(shape)}" for dtype, shape in kinds)
