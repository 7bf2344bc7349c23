"""Fused batch norms compute, train and remember what Keras's own do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.training.fused import fused_batch_norms

INPUTS = np.random.default_rng(0).normal(1.0, 2.0, size=(6, 4, 5, 3)).astype(np.float32)
UPSTREAM = np.random.default_rng(1).normal(size=INPUTS.shape).astype(np.float32)


def network(**options: Any) -> Any:
    keras = load_keras()
    image = keras.Input(INPUTS.shape[1:])
    model = keras.Model(image, keras.layers.BatchNormalization(name="norm", **options)(image))
    model.set_weights([np.linspace(0.5, 1.5, len(each)) for each in model.get_weights()])
    return model


def trained(model: Any, *, fuse: bool) -> tuple[list[np.ndarray], int]:
    """Return outputs, gradients and weights of a step of the model, and how many kernels were fused."""
    tensorflow = load_tensorflow()

    @tensorflow.function
    def step(inputs: Any) -> Any:
        with tensorflow.GradientTape() as tape:
            tape.watch(inputs)
            outputs = model(inputs, training=True)
            loss = tensorflow.reduce_sum(outputs * UPSTREAM)
        return [outputs, *tape.gradient(loss, [inputs, *model.trainable_variables])]

    inputs = tensorflow.constant(INPUTS)
    if fuse:
        with fused_batch_norms(model):
            graph = step.get_concrete_function(inputs).graph
    else:
        graph = step.get_concrete_function(inputs).graph
    fused = sum(operation.type == "FusedBatchNormV3" for operation in graph.get_operations())
    return [np.asarray(each) for each in step(inputs)] + model.get_weights(), fused


@pytest.mark.parametrize(
    "options", [{}, {"scale": False}, {"center": False}, {"momentum": 0.5, "epsilon": 0.1}], ids=str
)
def test_a_fused_norm_is_what_keras_computes(options: dict[str, Any]) -> None:
    plain, kernels = trained(network(**options), fuse=False)
    fused, fused_kernels = trained(network(**options), fuse=True)
    assert (kernels, fused_kernels) == (0, 1)
    for expected, found in zip(plain, fused, strict=True):
        # Sums of 120 terms of up to 16, each rounded once and in another order, then divided by deviations of about 2.
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=120 * 16 * 2.0**-24)


@pytest.mark.parametrize(
    "options", [{"axis": 1}, {"renorm": True}, {"trainable": False}, {"dtype": "float64"}], ids=str
)
def test_what_the_kernel_does_not_compute_is_left_to_keras(options: dict[str, Any]) -> None:
    model = network(**options)
    tensorflow = load_tensorflow()
    with fused_batch_norms(model):
        graph = (
            tensorflow.function(lambda inputs: model(inputs, training=True))
            .get_concrete_function(tensorflow.constant(INPUTS))
            .graph
        )
    assert not [each for each in graph.get_operations() if each.type.startswith("FusedBatchNorm")]


def test_a_layer_is_its_own_again_afterwards() -> None:
    model = network()
    layer = model.get_layer("norm")
    with pytest.raises(RuntimeError), fused_batch_norms(model):
        assert "call" in vars(layer)
        raise RuntimeError
    assert "call" not in vars(layer)
