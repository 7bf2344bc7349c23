"""int8 files on x86 processors of other generations, which QEMU emulates, against LiteRT on this one."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.native import runner_runtimes
from edgecompress.runtimes.engines import precision
from edgecompress.runtimes.engines.precision import KEY, PROBE, require_precision
from edgecompress.runtimes.engines.registration import can_register
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.testing.binary_files import BinaryModel
from edgecompress.testing.runners import words
from edgecompress.testing.tflite_files import T, build, options, run_litert

QEMU = "qemu-x86_64"
PROCESSORS = ("Haswell", "Nehalem")  # with AVX2 and without VNNI; with SSE4.2 alone
SIDE, CHANNELS, CLASSES = 6, 16, 24
SCALE, WEIGHT_SCALE = 0.02, 0.01
SAME = 0
emulates = pytest.mark.skipif(
    shutil.which(QEMU) is None or platform.machine() != "x86_64", reason=f"needs {QEMU} and an x86-64 Python"
)

# Runs each file at every level, as our sessions do and as any session does by default; writes the outputs.
WORK = """
import sys
import numpy as np, onnxruntime as ort
from edgecompress.runtimes.engines.session import open_session
LEVELS = {"off": "DISABLE_ALL", "basic": "ENABLE_BASIC", "extended": "ENABLE_EXTENDED", "full": "ENABLE_ALL"}
folder, found = sys.argv[1], {}
inputs = np.load(folder + "/inputs.npz")
for name in inputs:
    path = f"{folder}/{name}.onnx"
    session = open_session(path)
    session.bind([inputs[name]])
    session.invoke()
    found.update({f"{name} ours {n}": each for n, each in enumerate(session.read())})
    for how in [*LEVELS, "unsaid"]:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        if how != "unsaid":
            options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, "ORT_" + LEVELS[how])
            options.add_session_config_entry("session.x64quantprecision", "1")
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, {session.get_inputs()[0].name: inputs[name]})
        found.update({f"{name} {how} {n}": each for n, each in enumerate(outputs)})
np.savez(folder + "/outputs.npz", **found)
"""


def weights(*shape: int) -> np.ndarray:
    """Two thirds near +127 or -127, by the filter: two products of one pixel do not fit into 16 bits."""
    random = np.random.default_rng(sum(shape))
    sign = np.where(np.arange(shape[0]) % 3, 1, -1).reshape(-1, *[1] * (len(shape) - 1))
    kernel = sign * random.integers(100, 128, shape)
    return np.where(random.random(shape) < 0.3, random.integers(-127, 0, shape), kernel).astype(np.int8)


def per_filter(scale: float, filters: int) -> dict[str, list]:
    return {"scale": [scale] * filters, "zero_point": [0] * filters}


def add(tensors: list[T], kind: str, source: int, kernel: np.ndarray, shape: list[int], *, axis: int = 0) -> tuple:
    """Add kernel, bias and output, which 85 % of the largest sum fit into; return the operator."""
    filters, before = kernel.shape[axis], tensors[source]
    assert isinstance(before.scale, float)
    unit = before.scale * WEIGHT_SCALE
    most = np.abs(kernel.astype(int)).sum(tuple({*range(kernel.ndim)} - {axis})).max()
    first = len(tensors)
    tensors += [
        T(kernel.shape, "INT8", data=kernel, axis=axis, **per_filter(WEIGHT_SCALE, filters)),
        T([filters], "INT32", data=np.arange(filters, dtype=np.int32), **per_filter(unit, filters)),
        T(shape, "INT8", f"{kind}{first}", scale=float((127 - before.zero_point) * unit * most / 150)),
    ]
    window = {"padding": SAME, "strideH": 1, "strideW": 1}
    table = {
        "CONV_2D": lambda: options("Conv2DOptions", **window),
        "DEPTHWISE_CONV_2D": lambda: options("DepthwiseConv2DOptions", depthMultiplier=1, **window),
        "FULLY_CONNECTED": lambda: options("FullyConnectedOptions"),
    }[kind]()
    return kind, [source, first, first + 1], [first + 2], table


IMAGE = [1, SIDE, SIDE, CHANNELS]
LAYERS = {
    "3 x 3": ("CONV_2D", weights(CHANNELS, 3, 3, CHANNELS), IMAGE),
    "1 x 1": ("CONV_2D", weights(CHANNELS, 1, 1, CHANNELS), IMAGE),
    "groups": ("CONV_2D", weights(CHANNELS, 3, 3, CHANNELS // 4), IMAGE),
    "depthwise": ("DEPTHWISE_CONV_2D", weights(CHANNELS, 3, 3, 1).transpose(3, 1, 2, 0), IMAGE),
    "dense": ("FULLY_CONNECTED", weights(CLASSES, SIDE * SIDE * CHANNELS), [1, CLASSES]),
}


def int8_model(names: list[str], *, chained: bool) -> bytes:
    """Layers one behind another, or each an output of its own, so that none is fed what another rounded."""
    tensors, operators = [T(IMAGE, "INT8", "image", scale=SCALE, zero_point=-128)], []
    for name in names:
        kind, kernel, shape = LAYERS[name]
        source = len(tensors) - 1 if chained else 0
        axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
        operators.append(add(tensors, kind, source, kernel, shape, axis=axis))
    return build(tensors, operators, outputs=[each[2][0] for each in operators][-1 if chained else 0 :])


def binary_model() -> bytes:
    """As binary files are: an int8 convolution first, then one of bits, and float32 outside."""
    model = BinaryModel()
    image = model.input(SIDE, SIDE, CHANNELS)
    model.tensors.append(T(IMAGE, "INT8", "codes", scale=SCALE, zero_point=-128))
    model.operators.append(("QUANTIZE", [image], [1], None))
    model.operators.append(add(model.tensors, "CONV_2D", 1, weights(CHANNELS, 3, 3, CHANNELS), IMAGE))
    real = model.builtin("DEQUANTIZE", [len(model.tensors) - 1], IMAGE, None)
    signs = np.random.default_rng(8).choice(np.array([-1, 1], np.int8), (CLASSES, 3, 3, CHANNELS))
    multiplier, bias = np.ones(CLASSES, np.float32), np.zeros(CLASSES, np.float32)
    sums = model.convolution(model.quantize(real), signs, multiplier=multiplier, bias=bias)
    return model.pack(outputs=[real, sums])


def saved(folder: Path) -> dict[str, list[np.ndarray]]:
    """The ONNX files and their inputs in a folder; what LiteRT makes of the TFLite files, by name."""
    codes = np.random.default_rng(1).integers(100, 128, (1, SIDE, SIDE, CHANNELS)).astype(np.int8)
    inputs = {"side_by_side": codes, "network": codes}
    files = {
        "side_by_side": int8_model(list(LAYERS), chained=False),
        "network": int8_model(["3 x 3", "depthwise", "1 x 1"], chained=True),
    }
    expected = {name: run_litert(content, codes) for name, content in files.items()}
    if can_register():
        files["binary"], inputs["binary"] = binary_model(), ((codes + 128.0) * SCALE).astype(np.float32)
        (folder / "binary.tflite").write_bytes(files["binary"])
        with RuntimeProcess(folder / "binary.tflite") as process:
            expected["binary"] = process.run([inputs["binary"]])
    for name, content in files.items():
        (folder / f"{name}.onnx").write_bytes(emit_onnx(content))
    np.savez(folder / "inputs.npz", **inputs)
    return expected


def on(processor: str, *words: str) -> list[str]:
    if processor == "this":
        return list(words)
    # NumPy's OpenBLAS may take an emulated processor for one of the host's kind, and then runs what it has not.
    return ["env", f"OPENBLAS_CORETYPE={processor}", QEMU, "-cpu", processor, *words]


def assert_right(found: dict[str, np.ndarray], expected: dict[str, list[np.ndarray]], hows: tuple[str, ...]) -> None:
    for name, outputs in expected.items():
        for how in hows:
            for number, wanted in enumerate(outputs):
                actual = found[f"{name} {how} {number}"]
                assert (actual.dtype, actual.shape) == (wanted.dtype, wanted.shape)
                step = 1 if wanted.dtype == np.int8 else wanted_step(wanted)
                difference = np.abs(actual.astype(float) - wanted.astype(float)).max() / step
                # Integer kernels sum exactly and agree. Without them float32 sums of up to 576 products may send a
                # quotient near a half the other way: a step at each output. A chain would pass that on and is left out.
                if how in ("ours", "extended", "full"):
                    assert difference == 0, (name, how, number)
                elif name != "network":
                    assert difference <= 1, (name, how, number)


def wanted_step(values: np.ndarray) -> float:
    """The distance of neighbours among dequantized codes, or of sums of an even number of signs."""
    return float(np.diff(np.unique(values)).min())


@emulates
@pytest.mark.parametrize("processor", ["this", *PROCESSORS])
def test_every_processor_and_level_computes_what_litert_does(processor: str, tmp_path: Path) -> None:
    expected = saved(tmp_path)
    assert all(len(np.unique(each)) > 4 for outputs in expected.values() for each in outputs)
    subprocess.run(on(processor, sys.executable, "-c", WORK, str(tmp_path)), check=True, capture_output=True)
    with np.load(tmp_path / "outputs.npz") as found:
        assert_right(dict(found), expected, ("ours", "off", "basic", "extended", "full"))
        unsaid = np.abs(found["network unsaid 0"].astype(int) - expected["network"][0]).max()
    if processor == "Haswell":  # the files are wrong there without the option, so that this test would notice
        assert unsaid > 20


@emulates
@pytest.mark.parametrize(("processor", "kind"), [("Haswell", "native"), ("Haswell", "python"), ("Nehalem", "native")])
def test_the_runners_are_right_on_every_processor(processor: str, kind: str, tmp_path: Path) -> None:
    expected = saved(tmp_path)["network"]
    with np.load(tmp_path / "inputs.npz") as inputs:
        (tmp_path / "in").write_bytes(inputs["network"].tobytes())
    started = LocalTransport().converse(on(processor, *words(kind, tmp_path / "network.onnx")), timeout_s=60)
    try:
        assert started.receive(timeout_s=60)
        started.send(f"batch\t{tmp_path}/in\t{tmp_path}/out")
        assert json.loads(started.receive(timeout_s=60))["records"] == 1
    finally:
        started.finish()
    np.testing.assert_array_equal(np.fromfile(tmp_path / "out", np.int8), expected[0].ravel())


def test_the_probe_is_the_same_in_the_runner_that_stands_alone() -> None:
    model = onnx.load_from_string(b64decode(PROBE))
    (node,), (constant,) = model.graph.node, model.graph.initializer
    assert (node.op_type, onnx.numpy_helper.to_array(constant).tolist()) == ("MatMulInteger", [[127], [127]])
    assert runner_runtimes.PROBE == PROBE


@pytest.mark.parametrize(("wrong", "given", "kept"), [(True, None, "1"), (True, "0", "0"), (False, None, None)])
def test_it_is_set_where_needed_and_what_the_caller_says_stays(
    wrong: bool, given: str | None, kept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "saturates", lambda: wrong)
    options = onnxruntime.SessionOptions()
    if given:
        options.add_session_config_entry(KEY, given)
    require_precision(options)
    if kept:
        assert options.get_session_config_entry(KEY) == kept
    else:
        with pytest.raises(RuntimeError, match="does not have"):
            options.get_session_config_entry(KEY)


def test_no_session_of_ours_is_opened_without_it() -> None:
    root = Path(__file__).parents[2]
    openers = {path for path in root.rglob("*.py") if "InferenceSession(" in path.read_text()}
    ours = {path for path in openers if not re.search(r"/testing/|(_test|conftest)\.py$", str(path))}
    assert {path.name for path in ours} == {"onnx.py", "runner_runtimes.py", "precision.py"}
