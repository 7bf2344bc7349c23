"""A file whose config asks for more weights than it holds is refused before Keras makes them, in both Keras."""

from __future__ import annotations

import json
import resource
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import pytest

from edgecompress.environment import load_tf_keras
from edgecompress.errors import ModelFileError, UnsupportedModelError
from edgecompress.keras_bridge.bounded import SPARE_ELEMENTS, no_more_weights
from edgecompress.loading import load_model

LARGE = 30_000  # an LSTM of so many units has 14 GB, and begins with orthogonal matrices of that size
LAYERS: dict[str, tuple[str, Callable[[Any], Any]]] = {  # the number to be changed, and a layer of sequences
    "LSTM": ("units", lambda layers: layers.LSTM(4, name="grows")),
    "MultiHeadAttention": ("key_dim", lambda layers: layers.MultiHeadAttention(99, 4, name="grows")),
}


def keras_of(version: int) -> Any:
    tf_keras = load_tf_keras()
    import keras

    return tf_keras if version == 2 else keras


def grown(config: Any, name: str) -> Any:
    """The config with `LARGE` for every number of that name."""
    if isinstance(config, dict):
        return {key: LARGE if key == name else grown(value, name) for key, value in config.items()}
    return [grown(value, name) for value in config] if isinstance(config, list) else config


def change(path: Path, name: str) -> None:
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = json.dumps(grown(json.loads(file.attrs["model_config"]), name))
        return
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    entries["config.json"] = json.dumps(grown(json.loads(entries["config.json"]), name)).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("version", "suffix"), [(2, ".h5"), (2, ".keras"), (3, ".h5"), (3, ".keras")])
def test_more_weights_than_the_file_holds(version: int, suffix: str, kind: str, tmp_path: Path) -> None:
    keras = keras_of(version)
    number, make = LAYERS[kind]
    image, layer = keras.Input((5, 3)), make(keras.layers)
    model = keras.Model(image, layer(image, image) if kind == "MultiHeadAttention" else layer(image))
    path = tmp_path / f"model{suffix}"
    model.save(path)
    with suppress(UnsupportedModelError):  # what has no translation from Keras 3
        assert load_model(path).count_params() == model.count_params()
    change(path, number)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match=r"needs more weights than the file holds, [0-9,]+\. Save or copy"):
        load_model(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19  # in KiB; of what the file asks for


@pytest.mark.parametrize("version", [2, 3])
def test_layers_are_bounded_together_and_only_within_the_block(version: int) -> None:
    layers = keras_of(version).layers
    make, size = layers.Layer.add_weight, 300
    with no_more_weights(layers.Layer, size * size, name="m"):
        layers.Dense(size, use_bias=False).build((1, size))
        layers.Dense(size // 2, use_bias=False).build((1, SPARE_ELEMENTS // size))
    said = "'second' of 'm' needs more weights than the file holds, 90,000"
    with pytest.raises(ModelFileError, match=said), no_more_weights(layers.Layer, size * size, name="m"):
        layers.Dense(size, use_bias=False).build((1, size))
        layers.Dense(size, use_bias=False, name="second").build((1, size))
    with pytest.raises(ZeroDivisionError), no_more_weights(layers.Layer, 1, name="m"):
        _ = 1 / 0
    with no_more_weights(layers.Layer, None, name="m"):
        layers.Dense(size).build((1, size))
    assert layers.Layer.add_weight is make
