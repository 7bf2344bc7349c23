"""No more weights than the file holds: Keras makes a model's, as large as its config says, before it reads any.

A config of a few hundred bytes can ask for as many as it likes, and Keras fills them all with random numbers, or with
an orthogonal matrix, before it finds that the file holds others. In whole files every weight is stored.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from edgecompress.errors import ModelFileError
from edgecompress.keras_types import Layer

SPARE_ELEMENTS = 1 << 16  # of all weights: a model may keep some, such as counters, out of its file


@contextmanager
def no_more_weights(layer_class: type, stored: int | None, *, name: str) -> Iterator[None]:
    """Within the block, let layers of one Keras make at most so many elements as a file has `stored`; None: any number.

    `layer_class` is that Keras's `Layer`, through whose `add_weight` all layers make theirs.

    Raises:
        ModelFileError: a layer asks for more; whatever Keras makes of the refusal.
    """
    if stored is None:
        yield
        return
    make: Any = layer_class.add_weight  # type: ignore[attr-defined]
    signature, asked, refused = inspect.signature(make), 0, list[str]()

    @wraps(make)
    def add_weight(layer: Layer, *arguments: Any, **options: Any) -> Any:
        nonlocal asked
        shape = signature.bind(layer, *arguments, **options).arguments.get("shape")
        asked += math.prod(shape) if isinstance(shape, tuple | list) and all(shape) else 1
        if asked > stored + SPARE_ELEMENTS:
            refused.append(f"Layer '{layer.name}' of '{name}' needs more weights than the file holds, {stored:,}.")
            raise ValueError(refused[0])
        return make(layer, *arguments, **options)

    layer_class.add_weight = add_weight  # type: ignore[attr-defined]
    try:
        yield
    except Exception as error:
        if refused:
            raise ModelFileError(refused[0], hint="Save or copy the model again.") from error
        raise
    finally:
        layer_class.add_weight = make  # type: ignore[attr-defined]
