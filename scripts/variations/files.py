"""Files as others leave them: in other float types (06), and with TF-MOT's wrappers on (17)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgecompress.environment import load_tfmot
from variations.variation import Placed, Variation, disturbed

# For a policy of both Keras: the layers behind an input, and the least signal to noise that the policy leaves, in dB.
POLICIES = {"mixed_float16": 30.0, "mixed_bfloat16": 15.0, "float16": 25.0, "bfloat16": 12.0, "float64": 60.0}
TYPED = (
    (
        "image",
        "L.Dense(4, activation='softmax', dtype='float32')(L.Flatten()(L.BatchNormalization()(L.Conv2D(8, 3)(x))))",
    ),
    ("image", "L.GlobalAveragePooling2D()(L.SeparableConv2D(4, 3, activation='relu')(L.DepthwiseConv2D(3)(x)))"),
    ("steps", "L.Dense(3)(L.LSTM(5, unroll=True)(x))"),
    ("steps", "L.LayerNormalization()(L.MultiHeadAttention(2, 3)(x, x))"),
    ("vector", "L.Dense(3)(L.Dense(8, activation='gelu')(x * 0.5 + 1.0))"),
    ("image", "L.Add()([x, L.Conv2D(6, 3, padding='same', dtype='float32')(x)])"),
    ("ids", "L.GlobalAveragePooling1D()(L.Embedding(9, 6)(x))"),
    ("rgb", "L.Conv2D(4, 3)(L.Rescaling(0.5, offset=0.1)(x))"),
    ("steps", "L.PReLU()(L.Conv1D(4, 3)(x))"),
    ("rgb", "L.Conv2D(4, 3)(L.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 0.6, 0.7])(x))"),
)


@dataclass(frozen=True)
class Policies:
    """Every network in every policy, in one of the placements."""

    def variations(self) -> Iterator[Variation]:
        """Yield them by turns in both Keras and both file formats."""
        for policy_index, (policy, least_db) in enumerate(POLICIES.items()):
            for index, (inputs, text) in enumerate(TYPED):
                turn = policy_index + index
                place = ("alone", "tapped", "nested", "twice", "two inputs")[turn % 5]
                yield Variation(
                    "06", f"{policy}, {inputs}, {place}: {text}", _typed(policy, Placed(text, inputs, place)),
                    keras="32"[turn // 2 % 2], ending=("keras", "h5")[turn % 2], io=("int8", "uint8")[turn % 2],
                    least_db=least_db, targets=("tflite:float32", "tflite:float16", "onnx:float32", "tflite:int8"),
                )  # fmt: skip


def _typed(policy: str, build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def made(keras: Any) -> Any:
        before = keras.mixed_precision.global_policy() if hasattr(keras.mixed_precision, "global_policy") else "float32"
        keras.mixed_precision.set_global_policy(policy)
        try:
            return build(keras)
        finally:
            keras.mixed_precision.set_global_policy(before)

    return made


def _network(keras: Any, *, nested: bool = False) -> Any:
    layers = keras.layers
    x = keras.Input((12, 12, 3), name="given")
    y = layers.DepthwiseConv2D(3, name="depthwise")(layers.Conv2D(8, 3, activation="relu", name="conv")(x))
    y = layers.BatchNormalization(name="norm")(y)
    if nested:
        inner = keras.Input(y.shape[1:])
        y = keras.Model(inner, layers.Conv2D(4, 3, name="inner")(inner), name="nested")(y)
    y = layers.SeparableConv2D(6, 3, name="separable")(y)
    return disturbed(keras.Model(x, layers.Dense(4, name="head")(layers.Flatten()(y))))


def _wrapped(only: tuple[str, ...], wrap: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap the layers of these names."""

    def made(keras: Any) -> Any:
        return keras.models.clone_model(
            _network(keras), clone_function=lambda layer: wrap(layer) if layer.name in only else layer
        )

    return made


def _masked(model: Any) -> Any:
    """Train one batch, so that masks and clusters are in use."""
    import numpy as np

    model.compile("sgd", "mse")
    step = load_tfmot().sparsity.keras.UpdatePruningStep()
    inputs = np.random.default_rng(0).uniform(-1, 1, (8, *model.inputs[0].shape[1:])).astype("float32")
    wrapped = any("prune" in layer.name for layer in model.layers)
    model.fit(inputs, np.zeros((8, 4)), verbose=0, callbacks=[step] if wrapped else [])
    return model


def _mot_models() -> dict[str, Callable[[Any], Any]]:
    mot = load_tfmot()
    prune, cluster = mot.sparsity.keras.prune_low_magnitude, mot.clustering.keras.cluster_weights
    kinds = mot.clustering.keras.CentroidInitialization
    half = {"pruning_schedule": mot.sparsity.keras.ConstantSparsity(0.5, 0)}
    four = {"number_of_clusters": 4, "cluster_centroids_init": kinds.LINEAR}
    more = {"number_of_clusters": 6, "cluster_centroids_init": kinds.KMEANS_PLUS_PLUS}

    def sequential(keras: Any) -> Any:
        layers = [keras.Input((12, 12, 3)), keras.layers.Conv2D(8, 3), keras.layers.Flatten(), keras.layers.Dense(4)]
        return keras.Sequential(layers)

    return {
        "pruned": lambda keras: prune(_network(keras), **half),
        "pruned and trained": lambda keras: _masked(prune(_network(keras), **half)),
        "pruned Sequential": lambda keras: prune(sequential(keras)),
        "pruned 2 of 4": lambda keras: prune(sequential(keras), sparsity_m_by_n=(2, 4)),
        "pruned in blocks": lambda keras: _masked(prune(sequential(keras), block_size=(1, 1), **half)),
        "one layer pruned": _wrapped(("conv",), lambda layer: prune(layer, **half)),
        "two layers pruned": _wrapped(("separable", "head"), lambda layer: prune(layer, **half)),
        "clustered": lambda keras: cluster(sequential(keras), **four),
        "clustered and trained": lambda keras: _masked(cluster(sequential(keras), **four)),
        "clustered by k-means": lambda keras: cluster(_network(keras), **more),
        "one layer clustered": _wrapped(("head",), lambda layer: cluster(layer, **four)),
        "a nested model pruned": lambda keras: prune(_network(keras, nested=True), **half),
        "pruned, stripped": lambda keras: mot.sparsity.keras.strip_pruning(prune(_network(keras), **half)),
        "clustered, stripped": lambda keras: mot.clustering.keras.strip_clustering(cluster(_network(keras), **four)),
        "clustered, then pruned": lambda keras: prune(
            mot.clustering.keras.strip_clustering(cluster(_network(keras), **four)), **half
        ),
        "fake quantization": lambda keras: _masked(mot.quantization.keras.quantize_model(sequential(keras))),
        "fake quantization of one layer": lambda keras: mot.quantization.keras.quantize_apply(
            keras.models.clone_model(
                sequential(keras),
                clone_function=lambda layer: (
                    mot.quantization.keras.quantize_annotate_layer(layer) if type(layer).__name__ == "Dense" else layer
                ),
            )
        ),
    }


@dataclass(frozen=True)
class Wrappers:
    """What TF-MOT leaves on, in both file formats."""

    def variations(self) -> Iterator[Variation]:
        """Yield them."""
        for index, (name, build) in enumerate(_mot_models().items()):
            for ending in ("h5", "keras"):
                yield Variation(
                    "17", name, build, keras="2", ending=ending, io=("int8", "uint8")[index % 2],
                    says=("fake quantization",),
                )  # fmt: skip


TABLES = (Policies(), Wrappers())
