"""What the binary methods give back: kernels of two values, the trained function, notes and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import MethodError
from edgecompress.methods.binary import BNN, BWN, METHODS, BinaryConnect, XNORNet
from edgecompress.methods.binary.scheme import is_binary
from edgecompress.methods.composition import chain, only
from edgecompress.methods.compress import compress
from edgecompress.methods.pruning import MagnitudePruning

VARIANTS = [*(method() for method in METHODS), BinaryConnect(stochastic=True), XNORNet(input_scale=True)]


class Watching:
    """Trains, and keeps what the trained model says of some inputs."""

    def __init__(self, trainer, inputs) -> None:
        self.trainer, self.inputs = trainer, inputs

    def optimizer_steps(self, stage) -> int:
        return self.trainer.optimizer_steps(stage)

    def samples(self, count: int) -> tuple[np.ndarray, ...]:
        return (self.inputs[:count],)

    def train(self, index: int, stage, prepared) -> None:
        self.trainer.train(index, stage, prepared)
        self.said = prepared.model(self.inputs).numpy()
        self.latent = [layer.kernel.numpy() for layer in prepared.model.layers if is_binary(layer)]


@pytest.mark.parametrize("method", VARIANTS, ids=repr)
def test_the_outcome_is_the_trained_network_with_kernels_of_two_values(method, awkward_model, trainer, inputs) -> None:
    watching = Watching(trainer, inputs)
    outcome = compress(awkward_model, method, watching)
    np.testing.assert_array_equal(outcome.model(inputs), watching.said)
    assert all(np.abs(kernel).max() <= 1 for kernel in watching.latent)
    (constraint,) = outcome.constraints
    assert constraint.kind == "signs" and len(constraint.layers) == len(watching.latent) >= 3
    for name in constraint.layers:
        layer = outcome.model.get_layer(name)
        assert is_binary(layer) == isinstance(method, BNN | XNORNet)
        kernel = np.asarray(layer.kernel)
        for one in kernel.reshape(-1, kernel.shape[-1]).T if name != "separable_depthwise" else kernel.reshape(9, -1).T:
            assert len(set(np.abs(one))) == 1 and len(set(one)) <= 2
        if not method.scheme().scaled:
            assert set(np.unique(kernel)) == {-1.0, 1.0}


def test_layers_are_kept_float_on_request(awkward_model, trainer) -> None:
    outcome = compress(awkward_model, BNN(keep_float="branch"), trainer)
    notes = {note.layer: note for note in outcome.notes}
    assert (notes["branch"].action, notes["branch"].reason) == ("kept float", "not chosen")
    assert notes["separable_pointwise"].action == "binarized"
    assert notes["separable_pointwise"].figures == {"weights": 128, "alpha": 0}
    with pytest.raises(MethodError, match="not a regular expression"):
        XNORNet(keep_float="(")


def test_a_network_with_nothing_between_first_and_last_is_refused(plain_model, trainer) -> None:
    with pytest.raises(MethodError, match=r"Nothing in 'plain' can be made binary \(conv: the first layer"):
        compress(plain_model, BWN(), trainer)


def test_signs_are_not_put_where_zeros_are_to_stay(awkward_model, trainer) -> None:
    with pytest.raises(MethodError, match=r"bnn comes after a method that made zeros in 'branch'"):
        compress(awkward_model, chain(MagnitudePruning(), BNN()), trainer)
    apart = chain(only(MagnitudePruning(), layers="scores"), only(BNN(), layers="branch"))
    kinds = {constraint.kind: constraint.layers for constraint in compress(awkward_model, apart, trainer).constraints}
    assert kinds == {"zeros": ("scores",), "signs": ("branch",)}


def test_inputs_can_become_binary_after_weights(awkward_model, trainer) -> None:
    outcome = compress(awkward_model, chain(BinaryConnect(), BNN()), trainer)
    assert is_binary(outcome.model.get_layer("branch"))
    assert set(np.unique(outcome.model.get_layer("branch").kernel)) == {-1.0, 1.0}
