"""Binary operators in LiteRT, exactly as `numerics.binary` has them, and what a caller must be told."""

import platform
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecompress.errors import RuntimeRefusal
from edgecompress.native.build import MACHINES
from edgecompress.numerics.binary import unpack_signs
from edgecompress.runtimes.engines.session import has_binary_operators, open_session
from edgecompress.runtimes.engines.tflite_binary import BinaryTfliteSession
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.testing.binary_files import SAME, VALID, BinaryModel, bits_of, convolved, network, pooled, signs
from edgecompress.testing.sample_files import FACE
from edgecompress.testing.tflite_files import options
from edgecompress.values import QuantScheme, TensorSpec

pytestmark = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no kernels for {platform.machine()}")


def image(*shape, seed=7):
    """Noise with what a sign may be asked of at its edges."""
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    values.reshape(-1)[:5] = [0.0, -0.0, np.nan, np.inf, -np.inf]
    return values


def run(path, *arrays):
    session = BinaryTfliteSession(str(path))
    session.bind(list(arrays))
    session.invoke()
    return session.read()


def saved(folder, model, **how):
    path = folder / "model.tflite"
    path.write_bytes(model.pack(**how))
    return path


@pytest.mark.parametrize(("batch", "free"), [(1, False), (3, False), (1, True)])
@pytest.mark.parametrize(("zeros", "relu"), [(False, False), (True, True)])
def test_a_network_of_every_operator(batch, free, zeros, relu, tmp_path):
    path, expected = network(tmp_path, batch=batch, free=free, zeros=zeros, relu=relu)
    session = BinaryTfliteSession(str(path))
    for count in (1, 3, 2, 1) if free else (batch,):  # a free batch changes between inferences
        values = image(count, 13, 11, 3, seed=count)
        session.bind([values])
        session.invoke()
        for found, wanted in zip(session.read(), expected(values), strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("pad_values", [0, 1])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
@pytest.mark.parametrize("dilations", [(1, 1), (2, 1)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 2)])
def test_convolutions(padding, pad_values, strides, dilations, kernel, tmp_path):
    how = {"padding": padding, "pad_values": pad_values, "stride_height": strides[0], "stride_width": strides[1]}
    how |= {"dilation_height_factor": dilations[0], "dilation_width_factor": dilations[1]}
    rng = np.random.default_rng(1)
    taps, numbers = signs(rng, 37, *kernel, 65), rng.normal(size=37).astype(np.float32)
    thresholds = rng.integers(-1, taps[0].size + 1, 37).astype(np.int32)
    exact = padding == VALID or kernel == (1, 1) or pad_values == 1  # of thresholds
    model = BinaryModel(2)
    bits = model.quantize(model.input(9, 8, 65))
    outputs = [model.convolution(bits, taps, multiplier=numbers, bias=numbers[::-1], **how)]
    outputs += [
        model.convolution(bits, taps, multiplier=numbers, bias=numbers, fused_activation_function=1, **how),
        *([model.convolution(bits, taps, thresholds=thresholds, **how)] if exact else []),
    ]
    values = image(2, 9, 8, 65)
    found = run(saved(tmp_path, model, outputs=outputs), values)
    words = bits_of(values)
    np.testing.assert_array_equal(found[0], convolved(words, taps, multiplier=numbers, bias=numbers[::-1], **how))
    relu = {**how, "fused_activation_function": 1}
    np.testing.assert_array_equal(found[1], convolved(words, taps, multiplier=numbers, bias=numbers, **relu))
    if exact:
        np.testing.assert_array_equal(found[2], convolved(words, taps, thresholds=thresholds, **how))


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize(("size", "strides"), [((2, 2), (2, 2)), ((3, 1), (1, 2)), ((5, 7), (3, 3))])
def test_max_pools(padding, size, strides, tmp_path):
    model = BinaryModel(2)
    pool = model.max_pool(model.quantize(model.input(9, 8, 33)), size, strides, padding)
    values = image(2, 9, 8, 33)
    (found,) = run(saved(tmp_path, model, outputs=[pool]), values)
    np.testing.assert_array_equal(found, pooled(bits_of(values), size, strides, padding))


@pytest.mark.parametrize("shape", [(2, 5), (3, 64), (2, 3, 4, 33), (1, 2, 1, 3, 2)], ids=repr)
def test_quantizing_takes_any_number_of_axes(shape, tmp_path):
    model = BinaryModel(shape[0])
    bits = model.quantize(model.input(*shape[1:]))
    path = saved(tmp_path, model, outputs=[bits, model.dequantize(bits, shape[-1])])
    values = image(*shape)
    words, back = run(path, values)
    np.testing.assert_array_equal(words, bits_of(values))
    np.testing.assert_array_equal(back, np.where(values < 0, -1, 1))


def test_constants_are_dequantized(tmp_path):
    """Weights that a float operator takes; LiteRT would not pass them on, since nothing aligns them."""
    weights = signs(np.random.default_rng(3), 6, 3, 3, 40)
    model = BinaryModel()
    packed = bits_of(weights)
    values = model.dequantize(model.tensor(packed.shape, "INT32", data=packed), 40)
    x = model.input(1)
    path = saved(tmp_path, model, inputs=[x], outputs=[values, model.builtin("RELU", [x], [1, 1], None)])
    (found, _) = run(path, np.ones((1, 1), np.float32))
    np.testing.assert_array_equal(found, unpack_signs(packed.view(np.uint8), 40).astype(np.float32))
    np.testing.assert_array_equal(found, weights)


@pytest.mark.parametrize("names", ["abc", "bac"])
def test_inputs_are_in_the_order_of_the_graph_whatever_the_signature_says(names, tmp_path):
    def sign(model):
        entries = [schema.TensorMapT() for _ in range(3)]
        for entry, name, index in zip(entries, names, (wide, narrow, both), strict=True):
            entry.name, entry.tensorIndex = name, index
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.inputs, signature.outputs = "serve", entries[:2], entries[2:]
        model.signatureDefs = [signature]

    model = BinaryModel()
    narrow, wide = model.input(1), model.input(40)
    model.tensors[wide] = replace(model.tensors[wide], dtype="INT8", scale=0.5, zero_point=3)
    bits = model.quantize(model.builtin("DEQUANTIZE", [wide], [1, 40], None))
    both = model.builtin("MUL", [model.dequantize(bits, 40), narrow], [1, 40], options("MulOptions"))
    path = saved(tmp_path, model, outputs=[both], change=sign)
    session = BinaryTfliteSession(str(path))
    assert session.inputs == (
        TensorSpec("tensor0", (1, 1), "float32"), TensorSpec("tensor1", (1, 40), "int8", QuantScheme((0.5,), (3,))),
    )  # fmt: skip
    values = np.arange(-20, 20, dtype=np.int8)[None]
    session.bind([np.full((1, 1), 7, np.float32), values])
    session.invoke()
    np.testing.assert_array_equal(session.read()[0], np.where(values < 3, -7, 7))


def test_only_files_with_binary_operators_get_the_kernels(tmp_path):
    path, _ = network(tmp_path)
    assert has_binary_operators(path) and not has_binary_operators(FACE)
    session = open_session(path)
    assert isinstance(session, BinaryTfliteSession)
    assert session.runtime.startswith("LiteRT 2.") and "with edgecompress kernels (" in session.runtime
    assert not isinstance(open_session(FACE), BinaryTfliteSession)
    (tmp_path / "empty.tflite").touch()
    assert not has_binary_operators(tmp_path / "empty.tflite")


def test_the_kernels_are_those_that_are_asked_for(tmp_path, monkeypatch):
    path, expected = network(tmp_path)
    monkeypatch.setenv("EDGECOMPRESS_BINARY_KERNELS", "portable")
    with RuntimeProcess(path) as process:
        inputs, outputs, runtime = process.describe()
        assert runtime.endswith("with edgecompress kernels (portable)")
        assert inputs == (TensorSpec("tensor0", (1, 13, 11, 3), "float32"),)
        assert [spec.shape for spec in outputs] == [(1, 3, 5, 10), (1, 6, 5, 40)]
        values = image(1, 13, 11, 3)
        for found, wanted in zip(process.run([values]), expected(values), strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("array", [
    np.zeros((1, 13, 11, 3), np.int32), np.zeros((1, 11, 13, 3), np.float32), np.zeros((2, 13, 11, 3), np.float32),
    np.zeros((13, 11, 3), np.float32),
], ids=lambda array: f"{array.dtype}{array.shape}")  # fmt: skip
def test_inputs_of_another_type_or_shape_are_refused(array, tmp_path):
    path, expected = network(tmp_path)
    with RuntimeProcess(path) as process:
        with pytest.raises(RuntimeRefusal, match="tensor0 takes float32 of"):
            process.run([array])
        with pytest.raises(RuntimeRefusal, match="expected 1 inputs, got 2"):
            process.run([array, array])
        values = image(1, 13, 11, 3)  # and it goes on
        np.testing.assert_array_equal(process.run([values])[0], expected(values)[0])


def test_a_file_that_is_not_sound_is_refused_with_the_reason(tmp_path):
    def narrow(model):
        model.subgraphs[0].tensors[1].shape = [1, 3, 3, 1]

    model = BinaryModel()
    model.quantize(model.input(3, 3, 40))
    path = saved(tmp_path, model, change=narrow)
    with pytest.raises(RuntimeRefusal, match="operator 0, LceQuantize: its input and output are not of one shape"):
        RuntimeProcess(path)


def lying(folder):
    """A file that says of a tensor that it keeps its shape, where an operator makes another; what follows is binary."""
    times = np.array([1, 3, 1, 1], np.int32)
    model = BinaryModel()
    x = model.input(3, 3, 8)
    kept = model.builtin("TILE", [x, model.tensor([4], "INT32", data=times)], [1, 3, 3, 8], None)
    model.dequantize(model.quantize(kept), 8)
    return saved(folder, model)


def test_a_tensor_of_another_shape_than_the_file_says_is_refused(tmp_path):
    with RuntimeProcess(lying(tmp_path)) as process, pytest.raises(RuntimeRefusal, match="tensor of another shape"):
        process.run([np.ones((1, 3, 3, 8), np.float32)])
