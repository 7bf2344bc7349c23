"""Both Kerases and TF-MOT live in one process, which stays the user's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edgecompress.environment import load_keras
from edgecompress.errors import EdgeCompressError

PROBES = {
    "importing edgecompress changes nothing": """
import os, sys
before = dict(os.environ)
import edgecompress, edgecompress.methods, edgecompress.zoo, edgecompress.recipes, edgecompress.training.fit
assert dict(os.environ) == before and "tensorflow" not in sys.modules
""",
    "loading changes no variable, and TF-MOT does not decide what tf.keras is, and there is no GPU": """
import os
before = dict(os.environ)
from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras, load_tfmot
load_tfmot()
assert load_tensorflow().keras.version()[0] == "3"
load_tf_keras(), load_keras()
assert dict(os.environ) == before
assert not load_tensorflow().config.list_physical_devices("GPU")
""",
    "Keras 2 and TF-MOT beside Keras 3 as tf.keras, which came first": """
import tensorflow, keras
from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras, load_tfmot
assert tensorflow.keras.version()[0] == "3" and load_keras() is keras and load_tensorflow() is tensorflow
tf_keras, tfmot = load_tf_keras(), load_tfmot()
wrapped = tfmot.sparsity.keras.prune_low_magnitude(tf_keras.layers.Dense(2))
tf_keras.Sequential([tf_keras.Input((3,)), wrapped])(tensorflow.zeros((1, 3)))
assert keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])(tensorflow.zeros((1, 3))).shape == (1, 2)
assert tensorflow.keras.version()[0] == "3" and tf_keras.__version__[0] == "2"
""",
}
LEGACY = """
from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras, load_tfmot
assert load_tensorflow().keras.layers.Dense is load_tf_keras().layers.Dense
load_tfmot()
assert load_keras().__version__[0] == "3"
"""
LEAN = """
import sys
from edgecompress.environment import load_keras
keras = load_keras()
assert not {"sklearn", "matplotlib"} & sys.modules.keys()
import matplotlib.pyplot, sklearn.datasets
assert len(sklearn.datasets.load_digits().images) == 1797
import matplotlib
assert load_keras() is keras and matplotlib.pyplot.plot
"""
USERS = """
import os, sys
os.environ["KERAS_BACKEND"] = "torch"
from edgecompress.environment import load_keras
assert load_keras().config.backend() == "tensorflow" and os.environ["KERAS_BACKEND"] == "torch"
assert "sklearn" in sys.modules
"""


def run(probe: str, **variables: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "KERAS_", "CUDA_"))}
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env={**clean, **variables})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("probe", PROBES)
def test_in_a_fresh_process(probe: str) -> None:
    run(PROBES[probe])


def test_who_asks_for_keras_2_as_tf_keras_has_it() -> None:
    run(LEGACY, TF_USE_LEGACY_KERAS="1")


def test_a_process_of_ours_imports_no_more_than_it_needs() -> None:
    run(LEAN, EDGECOMPRESS_OWN_PROCESS="1")


def test_in_a_process_of_the_user_s_keras_computes_by_tensorflow_whatever_its_setting_and_imports_all() -> None:
    run(USERS)


def test_keras_that_came_first_with_another_backend_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(load_keras().config, "backend", lambda: "jax")
    with pytest.raises(EdgeCompressError, match="with the backend jax") as caught:
        load_keras()
    assert "KERAS_BACKEND=tensorflow" in caught.value.hint
