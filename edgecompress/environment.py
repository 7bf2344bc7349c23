"""The one place that loads TensorFlow, with legacy Keras, and says so when it is too late for that."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from edgecompress.errors import EdgeCompressError
from edgecompress.quiet import quiet


def load_tensorflow() -> Any:
    """Import TensorFlow with `TF_USE_LEGACY_KERAS=1`, so that TF-MOT and `tf.keras` mean Keras 2.

    Raises:
        EdgeCompressError: TensorFlow is not installed, or was imported before with Keras 3 as `tf.keras`.
    """
    if "tensorflow" in sys.modules:
        if os.environ.get("TF_USE_LEGACY_KERAS") not in {"1", "true", "True"}:
            raise EdgeCompressError(
                "TensorFlow was imported with Keras 3 as tf.keras before edgecompress needed Keras 2.",
                hint="Set TF_USE_LEGACY_KERAS=1 in the environment, or call edgecompress before importing tensorflow.",
            )
        return sys.modules["tensorflow"]
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        with quiet():  # it tells about GPUs that are not there before its log level counts
            import tensorflow
    except ImportError as error:
        raise EdgeCompressError(
            f"TensorFlow is needed to build, train and export models, and cannot be imported: {error}.",
            hint="Install the project's locked dependencies with `make install`.",
        ) from error
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow


def load_tf_keras() -> Any:
    """Import `tf_keras`, the Keras 2 that edgecompress works with."""
    load_tensorflow()
    import tf_keras

    return tf_keras


def load_tfmot() -> ModuleType:
    """Import TF-MOT, after TensorFlow was set to legacy Keras."""
    load_tensorflow()
    import tensorflow_model_optimization

    return tensorflow_model_optimization
