from __future__ import annotations

import numpy as np
import pytest

from edgecompress.methods.pruning.sensitivity import proposal, prunable_layers, pruned, scan


def kernel(model, name: str) -> np.ndarray:
    return np.asarray(model.get_layer(name).kernel)


@pytest.mark.parametrize(
    ("drops", "expected"),
    [
        ([0.0, 0.5, 1.0], 0.9),
        ([0.0, 0.5, 1.01], 0.7),
        ([0.0, 1.5, 0.5], 0.5),  # what lies behind a fall does not count
        ([1.5, 0.0, 0.0], 0.0),
        ([-1.0, -0.5, 98.2 - 97.2], 0.9),  # 1.0000000000000142
    ],
)
def test_the_proposal_is_the_largest_below_which_all_hold(drops, expected) -> None:
    assert proposal((0.5, 0.7, 0.9), drops, max_drop=1.0) == expected


def test_pruning_zeroes_the_named_layers_and_is_undone(plain_model) -> None:
    before = plain_model.get_weights()
    with pruned(plain_model, {"conv": 0.5, "scores": 0.75}):
        conv, scores = kernel(plain_model, "conv"), kernel(plain_model, "scores")
        assert (np.count_nonzero(conv), np.count_nonzero(scores)) == (288 // 2, 1152 // 4)
        assert np.abs(conv[conv != 0]).min() >= np.median(np.abs(before[0]))
    with pytest.raises(KeyError), pruned(plain_model, {"conv": 0.5}):
        raise KeyError
    for old, new in zip(before, plain_model.get_weights(), strict=True):
        assert old.tobytes() == new.tobytes()


def test_each_layer_is_pruned_alone(plain_model) -> None:
    def measure(model) -> tuple[float, float]:
        return tuple(float(np.mean(kernel(model, name) == 0)) for name in ("conv", "scores"))

    found = scan(plain_model, ["conv", "scores"], measure, sparsities=(0.5, 0.75))
    assert found == {"conv": ((0.5, 0.0), (0.75, 0.0)), "scores": ((0.0, 0.5), (0.0, 0.75))}


def test_layers_that_cannot_be_pruned_are_told_with_the_reason() -> None:
    from edgecompress.environment import load_keras

    keras = load_keras()
    image = keras.Input((8, 8, 4))
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(image)
    weights, skipped = prunable_layers(keras.Model(image, keras.layers.Conv2D(8, 1, name="pointwise")(x)))
    assert weights == {"pointwise": 32}
    assert [(note.layer, note.reason) for note in skipped] == [
        ("depthwise", "each channel has few weights of its own in a DepthwiseConv2D")
    ]
