"""What signatures call the objects of Keras: it tells type checkers nothing, and takes a second to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras import KerasTensor as Tensor
    from keras import Layer, Model, Variable
else:
    Layer = Model = Tensor = Variable = Any

__all__ = ["Layer", "Model", "Tensor", "Variable"]
