"""Binary files run in Larq Compute Engine, whose operators they are written in, as they run in Keras.

EDGECOMPRESS_LCE_PYTHON names a Python that has larq-compute-engine 0.16 and NumPy 1: `make test` makes an environment
for it. Its interpreter needs no TensorFlow. LCE is wrong about padding by zeros where an image is smaller than the
kernel, so that images are larger here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.tflite.binary.emit import emit_binary
from edgecompress.convert.tflite.binary.meant import meant_binary
from edgecompress.convert.tflite.export import export_float
from edgecompress.environment import load_keras
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.layers.convolution import BinaryConv2D
from edgecompress.layers.dense import BinaryDense
from edgecompress.layers.depthwise import BinaryDepthwiseConv2D
from edgecompress.loading import load_model

PYTHON = os.environ.get("EDGECOMPRESS_LCE_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="EDGECOMPRESS_LCE_PYTHON names no Python with larq_compute_engine")

LARQ = Path(__file__).parents[3] / "tfmot" / "stand_ins" / "testdata"
INTERPRETER = """
import glob, importlib.util, os, sys
import numpy as np
package = importlib.util.find_spec("larq_compute_engine").submodule_search_locations[0]
name = "interpreter_wrapper_lite"
file, = glob.glob(os.path.join(package, "tflite", "python", name + "*.so"))
spec = importlib.util.spec_from_file_location(name, file)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
model, images, outputs = sys.argv[1:]
threads, reference, optimized_bgemm, xnnpack = 1, False, True, False
interpreter = module.LiteInterpreter(open(model, "rb").read(), threads, reference, optimized_bgemm, xnnpack)
images = np.load(images)
np.save(outputs, np.concatenate([interpreter.predict([image[None]])[0] for image in images]))
"""


def run(content: bytes, images: np.ndarray, folder: Path) -> np.ndarray:
    model, inputs, outputs = folder / "model.tflite", folder / "images.npy", folder / "outputs.npy"
    model.write_bytes(content)
    np.save(inputs, images)
    command = [PYTHON, "-c", INTERPRETER, str(model), str(inputs), str(outputs)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return np.load(outputs)


def assert_same(model: Any, images: np.ndarray, expected: np.ndarray, folder: Path) -> list[str]:
    """Return the kinds of the operators of the file.

    Sums of signs are equal, and the seeds are such that no batch norm gives 0 but for its rounding. A float32 batch
    norm is multiplied out beforehand in the file, which makes a few roundings of 2^-24 of its largest terms, and means
    and products of real values behind it make fewer than 2^7.
    """
    content = emit_binary(export_float(model), expected=meant_binary(model)).content
    found = run(content, images, folder).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2.0**-17 * np.abs(expected).max())
    return [operator.custom_code or operator.kind for operator in parse_graph(content).operators]


def norm(seed: int, least_gamma: float = -2.0) -> Any:
    keras = load_keras()
    return keras.layers.BatchNormalization(
        gamma_initializer=keras.initializers.RandomUniform(least_gamma, 2.0, seed=seed),
        beta_initializer=keras.initializers.RandomUniform(-2.0, 2.0, seed=seed),
        moving_mean_initializer=keras.initializers.RandomUniform(-9.0, 9.0, seed=seed),
        moving_variance_initializer=keras.initializers.RandomUniform(20.0, 90.0, seed=seed),
    )


def pool(size: int = 2) -> Any:
    return load_keras().layers.MaxPooling2D(size)


def flatten() -> Any:
    return load_keras().layers.Flatten()


STACKS: dict[str, Callable[[], list[Any]]] = {
    f"{padding} by {pad_values}, stride {stride}, {filters} filters": (
        lambda padding=padding, pad_values=pad_values, stride=stride, filters=filters: [
            BinaryConv2D(filters, 3, strides=stride, padding=padding, pad_values=pad_values)
        ]
    )
    for padding, pad_values in (("valid", 0), ("same", 0), ("same", 1))
    for stride, filters in ((1, 32), (2, 40))
} | {
    "scale and relu": lambda: [BinaryConv2D(16, 3, padding="same", scaled=True, activation="relu")],
    "bias": lambda: [BinaryConv2D(16, 5, padding="same", use_bias=True, bias_initializer="random_normal"), norm(1)],
    "relu, then batch norm": lambda: [BinaryConv2D(64, 3, padding="same", activation="relu"), norm(2)],
    "thresholds": lambda: [
        BinaryConv2D(40, 3, padding="same"), norm(3), BinaryConv2D(24, 3, padding="same", scaled=True), norm(4)
    ],
    "thresholds behind a relu": lambda: [
        BinaryConv2D(32, 3, padding="same", activation="relu"), norm(5, 0.5), BinaryConv2D(8, 3)
    ],
    "signs of what zeros surround": lambda: [
        BinaryConv2D(32, 3, padding="same", pad_values=0), norm(6), BinaryConv2D(8, 3, padding="same", pad_values=0)
    ],
    "a pool of bits": lambda: [
        BinaryConv2D(32, 3, padding="same"), pool(), norm(7), BinaryConv2D(32, 3, padding="same"), norm(8), pool(),
        BinaryConv2D(8, 3, padding="same"),
    ],
    "dense": lambda: [
        BinaryConv2D(32, 3, padding="same"), norm(9), pool(), flatten(), BinaryDense(24), norm(10),
        BinaryDense(10, scaled=True),
    ],
    "real inputs": lambda: [
        BinaryConv2D(32, 3, padding="same", binary_inputs=False, scaled=True, activation="relu"), norm(11),
        BinaryDepthwiseConv2D(3, padding="same"), norm(12), flatten(), BinaryDense(10, binary_inputs=False),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", STACKS)
def test_lce_computes_what_keras_does(name: str, tmp_path: Path) -> None:
    keras = load_keras()
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((12, 11, 32)), *STACKS[name]()])
    images = np.round(np.random.default_rng(0).normal(size=(3, 12, 11, 32)) * 8).astype(np.float32) / 8
    kinds = assert_same(keras.Model(model.inputs, model.outputs), images, model.predict(images, verbose=0), tmp_path)
    assert ("LceDequantize" if name == "real inputs" else "LceBconv2d") in kinds
    assert not name.startswith("thresholds") or kinds.count("LceQuantize") == 1  # the bits in between are compared
    assert name != "a pool of bits" or "LceBMaxPool2d" in kinds


@pytest.mark.parametrize("path", sorted(LARQ.glob("larq_*.h5")), ids=lambda path: path.stem)
def test_lce_computes_what_larq_did(path: Path, tmp_path: Path) -> None:
    with np.load(path.with_suffix(".npz")) as stored:
        assert_same(load_model(path), stored["images"], stored["outputs"], tmp_path)
