"""The one place that loads TensorFlow, both Kerases and TF-MOT: side by side, in a process that stays the user's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from edgecompress.errors import EdgeCompressError
from edgecompress.quiet import quiet

OWN_PROCESS = "EDGECOMPRESS_OWN_PROCESS"  # variable that is set in commands and their children


def load_tensorflow() -> Any:
    """Import TensorFlow, without a GPU; what `tf.keras` is stays as the environment says.

    Raises:
        EdgeCompressError: TensorFlow is not installed.
    """
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    # With the last one it does not import Keras 3 on its own, which takes a second; that decides nothing for later.
    hidden = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "TF_USE_LEGACY_KERAS": "1"}
    try:
        with quiet(), _environment(hidden):  # it tells about GPUs that are not there before its log level counts
            import tensorflow

            tensorflow.config.list_physical_devices()  # which it remembers
    except ImportError as error:
        raise EdgeCompressError(
            f"TensorFlow is needed to build, train and export models, and cannot be imported: {error}.",
            hint="Install the project's locked dependencies with `make install`.",
        ) from error
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow


def load_keras() -> Any:
    """Import Keras 3, which computes by TensorFlow here.

    Raises:
        EdgeCompressError: it was imported before with another backend.
    """
    load_tensorflow()
    with _environment({"KERAS_BACKEND": "tensorflow"}, over=True), _lean():
        import keras
    if (backend := keras.config.backend()) != "tensorflow":
        raise EdgeCompressError(
            f"Keras was imported with the backend {backend} before edgecompress needed it with TensorFlow.",
            hint="Set KERAS_BACKEND=tensorflow in the environment.",
        )
    return keras


def load_tf_keras() -> Any:
    """Import `tf_keras`, the Keras 2 that edgecompress trains with, whatever `tf.keras` is."""
    load_tensorflow()
    import tf_keras

    return tf_keras


def keras_of(model: Any) -> Any:
    """Return the Keras that a model or layer is of: Keras 3, or `tf_keras` where TF-MOT wrapped it."""
    kinds = [kind.__module__.partition(".")[0] for kind in type(model).__mro__]
    return load_tf_keras() if "tf_keras" in kinds else load_keras()


def load_tfmot() -> ModuleType:
    """Import TF-MOT, which wraps layers of `tf_keras`."""
    tensorflow = load_tensorflow()
    with _environment({}):  # Keras 3 imports scikit-learn, which sets variables as well
        _ = tensorflow.keras.layers  # decides which Keras that is, before TF-MOT says there that it is Keras 2
        import tensorflow_model_optimization

    return tensorflow_model_optimization


@contextmanager
def _lean() -> Iterator[None]:
    """In a process that is ours, have Keras 3 do without what only its wrappers and pictures are made by.

    That is most of what it imports. A user's own process has all of it.
    """
    hidden = [name for name in ("sklearn", "matplotlib") if os.environ.get(OWN_PROCESS) and name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # to import None is an ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _environment(values: dict[str, str], *, over: bool = False) -> Iterator[None]:
    """Have these variables, those that are set keeping their values unless `over`; afterwards all are as before."""
    before = dict(os.environ)
    os.environ.update(values if over else values | before)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
