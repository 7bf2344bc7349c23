"""What binary layers have in common: latent weights of which only the signs compute, and inputs taken by their sign."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import MethodError
from edgecompress.layers.quantizers import approximate_sign, kernel_sign_ste, scaled_sign, sign_ste, stochastic_sign

tensorflow: Any = load_tensorflow()
keras: Any = load_keras()

INPUT_GRADIENTS = {"ste": sign_ste, "approximate": approximate_sign}


class ClipToUnit(keras.constraints.Constraint):
    """Clip latent weights to [-1, 1] after each update: further out, a weight could hardly change its sign again."""

    def __call__(self, w: Any) -> Any:
        """Return the clipped weights."""
        return tensorflow.clip_by_value(w, -1.0, 1.0)


class LatentKernel:
    """A layer whose kernel variable holds real latent weights; the signs of them compute.

    With `scaled`, each filter's signs are multiplied by its mean magnitude alpha (BWN, XNOR-Net). With `stochastic`,
    signs are drawn while training (BinaryConnect); inference always takes the sign itself.
    """

    constraint_name = "kernel_constraint"
    filter_axes = 1  # how many trailing axes of the kernel number its filters

    def __init__(self, *args: Any, scaled: bool = False, stochastic: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, self.constraint_name: ClipToUnit()})
        if scaled and stochastic:
            raise MethodError(
                f"The binary layer '{self.name}' got both scaled and stochastic.",  # type: ignore[attr-defined]
                hint="No paper has both; choose one.",
            )
        self.scaled = scaled
        self.stochastic = stochastic
        self.draws = keras.random.SeedGenerator() if stochastic else None  # its state is kept in checkpoints

    def get_config(self) -> dict[str, Any]:
        """Return the float layer's arguments and the options; the constraint is part of the class."""
        config = super().get_config()  # type: ignore[misc]
        del config[self.constraint_name]
        return {**config, "scaled": self.scaled, "stochastic": self.stochastic}

    @property
    def binary_kernel(self) -> Any:
        """The kernel that inference computes with: +-1, or +-alpha where scaled."""
        if self.scaled:
            return scaled_sign(self._latent(), filter_axes=self.filter_axes)
        return kernel_sign_ste(self._latent())

    def training_kernel(self, training: Any) -> Any:
        """Return the kernel that computes in this call, drawn anew if stochastic and training."""
        if not self.stochastic or not training:
            return self.binary_kernel
        return stochastic_sign(self._latent(), seed=self.draws)

    def _latent(self) -> Any:
        return tensorflow.convert_to_tensor(self.kernel)  # type: ignore[attr-defined]


class BinaryInputs:
    """A layer that takes the signs of its inputs, unless `binary_inputs` is false: then only its weights are binary.

    `input_gradient` is that of the sign: "ste" (BNN) or "approximate" (Bi-Real Net). With `input_scale`, outputs are
    multiplied by the mean magnitude of the inputs that each one sees (XNOR-Net's K). That needs the real inputs in a
    float branch beside the bits, and its outputs cannot be compared with integer thresholds.
    """

    def __init__(
        self,
        *args: Any,
        binary_inputs: bool = True,
        input_gradient: str = "ste",
        input_scale: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if input_gradient not in INPUT_GRADIENTS or (input_scale and not binary_inputs):
            raise MethodError(
                f"The binary layer '{self.name}' got input_gradient '{input_gradient}', "  # type: ignore[attr-defined]
                f"input_scale {input_scale} and binary_inputs {binary_inputs}.",
                hint="The gradient is 'ste' or 'approximate'; only binary inputs have a scale.",
            )
        self.binary_inputs = binary_inputs
        self.input_gradient = input_gradient
        self.input_scale = input_scale

    def get_config(self) -> dict[str, Any]:
        """Return the float layer's arguments and the options."""
        return {
            **super().get_config(),  # type: ignore[misc]
            "binary_inputs": self.binary_inputs,
            "input_gradient": self.input_gradient,
            "input_scale": self.input_scale,
        }

    def signs(self, inputs: Any) -> Any:
        """Return the inputs as the kernel sees them."""
        return INPUT_GRADIENTS[self.input_gradient](inputs) if self.binary_inputs else inputs
