"""Legacy Keras is chosen without changing a process that only imports edgecompress, and conflicts are told."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBES = {
    "importing edgecompress changes nothing": """
import os, sys
before = dict(os.environ)
import edgecompress, edgecompress.methods, edgecompress.zoo, edgecompress.recipes, edgecompress.training
assert dict(os.environ) == before and "tensorflow" not in sys.modules
""",
    "loading gives Keras 2 as tf.keras": """
from edgecompress.environment import load_tensorflow, load_tf_keras
assert load_tensorflow().keras.layers.Dense is load_tf_keras().layers.Dense and load_tf_keras().__version__[0] == "2"
""",
    "TensorFlow that came first with Keras 3 is refused": """
import os
os.environ.pop("TF_USE_LEGACY_KERAS", None)
import tensorflow
from edgecompress.errors import EdgeCompressError
from edgecompress.environment import load_tf_keras
try:
    load_tf_keras()
except EdgeCompressError as error:
    assert "TF_USE_LEGACY_KERAS=1" in error.hint
else:
    raise AssertionError
""",
}


@pytest.mark.parametrize("probe", PROBES)
def test_in_a_fresh_process(probe: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROBES[probe]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
