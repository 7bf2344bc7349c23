"""The activation of a layer as a layer of its own, which knows whose it is."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras

keras: Any = load_keras()


class SplitActivation(keras.layers.Activation):
    """Computes the activation of the layer called `of`, which computes what comes before it."""

    def __init__(self, activation: Any, *, of: str, **kwargs: Any) -> None:
        super().__init__(activation, **kwargs)
        self.of = of

    def get_config(self) -> dict[str, Any]:
        """Return the activation, and whose it is."""
        return {**super().get_config(), "of": self.of}
