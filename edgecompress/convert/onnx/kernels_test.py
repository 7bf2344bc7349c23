"""The binary kernels in ONNX Runtime against the functions of the same names, bit for bit, and hostile files."""

from __future__ import annotations

import multiprocessing
import platform
import resource
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from edgecompress.convert.onnx.functions_test import (
    CASES,
    DAMAGES,
    Case,
    assert_same,
    call,
    damaged,
    model_of,
    random_case,
)
from edgecompress.native.build import SOURCES, build_binary_kernels
from edgecompress.runtimes.engines.registration import can_register, register
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.testing.onnx_sessions import start, with_kernels

pytestmark = pytest.mark.skipif(not can_register(), reason="needs ziglang, and a processor that there are kernels for")
FUZZED_FILES, FUZZ_LIMIT_S = 2400, 300
MEMORY_BYTES = 4 << 30


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("seed", range(40))
def test_the_same_bits_as_the_functions(seed: int, threads: int) -> None:
    case = random_case(100 + seed)
    session = with_kernels(case.model(), intra_op_num_threads=threads)
    assert_same(session.run(None, {"x": case.image}), start(case.model()).run(None, {"x": case.image}))


@pytest.mark.parametrize("threshold", [-(2**31), -1, 0, 2**31 - 1])
def test_extreme_thresholds(threshold: int) -> None:
    case = Case(9, 4, (3, 3), (5, 5))
    case.constants["threshold"][:] = threshold
    assert_same(with_kernels(case.model()).run(None, {"x": case.image}), case.expected())


def test_kernels_take_the_place_of_the_functions(tmp_path: Path) -> None:
    with_kernels(CASES["odd channels"].model(), optimized_model_filepath=str(tmp_path / "optimized.onnx"))
    graph = onnx.load(tmp_path / "optimized.onnx").graph
    own = {node.op_type for node in graph.node if node.domain == "edgecompress"}
    assert own == {"BinaryQuantize", "BinaryConv2d", "BinaryConv2dBits", "BinaryMaxPool"}
    assert "Conv" not in {node.op_type for node in graph.node}


def test_many_sizes_and_threads() -> None:
    case = Case(20, 9, (3, 2), (6, 6), pads=(1, 1, 1, 0))
    session, plain = with_kernels(case.model()), start(case.model())
    random = np.random.default_rng(3)
    images = [random.normal(size=(1, 20, 3 + n % 25, 4)).astype(np.float32) for n in range(100)]
    with ThreadPoolExecutor(4) as pool:
        for image, outputs in zip(images, pool.map(lambda x: session.run(None, {"x": x}), images), strict=True):
            assert_same(outputs, plain.run(None, {"x": image}))


def test_no_image() -> None:
    case = CASES["odd channels"]
    shapes = [output.shape for output in with_kernels(case.model()).run(None, {"x": case.image[:0]})]
    assert shapes == [(0, *output.shape[1:]) for output in case.expected()]


@pytest.mark.parametrize("name", DAMAGES)
def test_what_does_not_belong_together_is_refused(name: str) -> None:
    with pytest.raises(Exception, match=r"Binary\w+: .* (must be|take|has)|raw_data size"):
        with_kernels(damaged(name))


def test_images_that_do_not_fit_are_refused() -> None:
    outputs = {"y": (onnx.TensorProto.UINT8, [None] * 4)}
    pool = {"kernel_shape": [3, 3], "pads": [0, 0, 0, 0], "strides": [1, 1]}
    session = with_kernels(
        model_of([call("BinaryMaxPool", ["x"], "y", **pool)], {"x": (2, ["n", "h", "w", "b"])}, outputs, {})
    )
    with pytest.raises(Exception, match=r"BinaryMaxPool: .*height"):
        session.run(None, {"x": np.zeros((1, 2, 5, 4), np.uint8)})


def test_kernels_must_be_constant() -> None:
    case = CASES["odd channels"]
    model = case.model()
    info = onnx.helper.make_tensor_value_info("W", onnx.TensorProto.UINT8, case.constants["W"].shape)
    model.graph.input.append(info)  # now the caller may replace it
    start(model)
    with pytest.raises(Exception, match="W is computed while the model runs; it must be a constant"):
        with_kernels(model)


def test_processes(tmp_path: Path) -> None:
    case = Case(70, 9, (3, 3), (6, 6), batch=1)
    onnx.save(case.model(), path := tmp_path / "model.onnx")
    for plain in (False, True):
        with RuntimeProcess(path, plain=plain) as process:
            runtime = process.describe()[2]
            assert ("with edgecompress kernels (" in runtime) is not plain
            assert runtime.startswith(f"ONNX Runtime {onnxruntime.__version__}")
            assert_same(process.run([case.image]), case.expected())


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """A copy with a few bytes changed, removed or repeated."""
    damage = bytearray(content)
    for _ in range(random.integers(1, 6)):
        position, length = int(random.integers(len(damage))), int(random.integers(1, 9))
        match random.integers(4):
            case 0:
                damage[position] ^= 1 << int(random.integers(8))
            case 1:
                damage[position] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF]))
            case 2:
                del damage[position : position + length]
            case _:
                damage[position:position] = damage[position : position + length]
    return bytes(damage)


def twisted(model: onnx.ModelProto, random: np.random.Generator) -> bytes:
    """A well-formed file in which an attribute, or the shape of a constant, says something else."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    extremes = [-(2**63), -(2**31), -1, 0, 1, 2, 3, 7, 2**16, 2**24, 2**31 - 1, 2**31, 2**40, 2**63 - 1]
    value = int(random.choice(np.array(extremes, np.int64)))
    if random.random() < 0.7:
        node = model.graph.node[random.integers(len(model.graph.node))]
        if not node.attribute:
            return model.SerializeToString()
        attribute = node.attribute[random.integers(len(node.attribute))]
        if attribute.type == onnx.AttributeProto.INT:
            attribute.i = value
        elif random.random() < 0.8:
            attribute.ints[random.integers(len(attribute.ints))] = value
        else:
            attribute.ints.append(value)
    else:
        tensor = model.graph.initializer[random.integers(len(model.graph.initializer))]
        tensor.dims[random.integers(len(tensor.dims))] = min(max(value, 0), 2**12)
        if random.random() < 0.8:
            items = int(np.prod(tensor.dims)) * (1 if tensor.data_type == onnx.TensorProto.UINT8 else 4)
            tensor.raw_data = random.bytes(min(items, 1 << 20))
    return model.SerializeToString()


def fuzz(library: str, results: Any, *, bounded: bool = True) -> None:
    """Load and run damaged files; how many were refused, and how many ran."""
    if bounded:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    register(options, kernels=Path(library))
    random, refused = np.random.default_rng(8), 0
    models = [Case(9, 5, (2, 3), (4, 5), seed=1).model(), Case(64, 16, (3, 3), (6, 6), pads=(1, 1, 1, 1)).model()]
    for model in models:
        del model.functions[:]  # so that it is the kernels that are met
        model.graph.node.pop()
        model.graph.output.pop()
    for number in range(FUZZED_FILES):
        model = models[number % len(models)]
        content = mutated(model.SerializeToString(), random) if number % 3 else twisted(model, random)
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            names = [each.name for each in session.get_inputs()]
            session.run(None, {name: np.ones((1, [9, 64][number % 2], 6, 6), np.float32) for name in names})
        except Exception:
            refused += 1
    results.put((refused, FUZZED_FILES - refused))


def fuzzed(library: Path, **how: bool) -> None:
    """Let a process of its own meet damaged files: none may end it."""
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    child = context.Process(target=fuzz, args=(str(library), results), kwargs=how)
    child.start()
    child.join(FUZZ_LIMIT_S)
    alive, code = child.is_alive(), child.exitcode
    child.kill()
    assert not alive
    assert code == 0  # it neither crashed nor ran out of the memory that it may have
    refused, ran = results.get()
    assert min(refused, ran) > FUZZED_FILES // 20  # so that both are tried


def test_damaged_files_are_refused_or_run() -> None:
    fuzzed(build_binary_kernels(platform.machine()))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc has the sanitizers; it is missing")
def test_damaged_files_under_the_sanitizers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "libkernels.so"
    sources = sorted(map(str, (SOURCES / "binary").glob("*.c")))
    flags = ["-std=gnu11", "-Og", "-g", "-shared", "-fPIC", "-pthread", "-ldl", "-ffp-contract=off"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["gcc", *sources, *flags, "-o", str(library)], check=True)
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    # The sanitizer looks for C++'s throw when it starts, before ONNX Runtime would bring it.
    monkeypatch.setenv("LD_PRELOAD", f"{runtime.stdout.strip()} libstdc++.so.6")
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0:allocator_may_return_null=1")
    fuzzed(library, bounded=False)
