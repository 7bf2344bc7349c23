"""Files of equal models are equal, also of two processes, and hold the model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.keras3_file import save_keras3

SAVING = """
import sys
from pathlib import Path
from edgecompress.environment import load_keras
from edgecompress.keras_bridge.keras3_file import save_keras3
keras = load_keras()
keras.utils.set_random_seed(0)
image = keras.Input((8, 8, 2), name="image")
x = keras.layers.BatchNormalization()(keras.layers.Conv2D(3, 3, name="conv")(image))
x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x + 1.0))
save_keras3(keras.Model(image, keras.layers.Dense(2, name="scores")(x), name="small"), Path(sys.argv[1]))
"""


def test_equal_models_of_two_processes_are_equal_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        subprocess.run([sys.executable, "-c", SAVING, str(tmp_path / f"{name}.keras")], check=True, capture_output=True)
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    keras = load_keras()
    policy = keras.dtype_policies.DTypePolicy("float32")
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2, dtype=policy)(keras.layers.Dense(3, dtype=policy)(image)))
    save_keras3(model, tmp_path / "model.keras")
    back = keras.models.load_model(tmp_path / "model.keras")
    inputs = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(back(inputs), model(inputs))
