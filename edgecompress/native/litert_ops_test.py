"""What is refused before a kernel or LiteRT sees it, with the reason; and that no bytes whatever do harm."""

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from flatbuffers import flexbuffers

from edgecompress.native.build import MACHINES, SOURCES, build_binary_kernels
from edgecompress.testing.binary_files import SAME, VALID, BinaryModel, bits_of, network, signs
from edgecompress.testing.tflite_files import pack

pytestmark = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no kernels for {platform.machine()}")

QUANTIZE, CONVOLUTION, POOL = 0, 1, 2  # the operators of `small`
INT8, BOOL, CUSTOM = 9, 6, 32


def opened(content):
    """The number of binary operators, or the sentence that says why there is none to use; the copy."""
    kernels = ctypes.CDLL(str(build_binary_kernels(platform.machine())))
    kernels.edgecompress_litert_open.restype = ctypes.c_void_p
    kernels.edgecompress_litert_model.restype = ctypes.c_void_p
    why, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
    litert = kernels.edgecompress_litert_open(content, ctypes.c_size_t(len(content)), ctypes.c_size_t(2), why)
    if not litert:
        return why.value.decode(), b""
    litert = ctypes.c_void_p(litert)
    copy = kernels.edgecompress_litert_model(litert, ctypes.byref(size))
    assert copy % 64 == 0
    result = kernels.edgecompress_litert_operators(litert), ctypes.string_at(copy, size.value)
    kernels.edgecompress_litert_close(litert)
    return result


def small(bits=True, padding=VALID):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=33).astype(np.float32)
    outputs = {"thresholds": np.arange(33, dtype=np.int32)} if bits else {"multiplier": numbers, "bias": numbers}
    model = BinaryModel()
    y = model.convolution(model.quantize(model.input(7, 6, 40)), signs(rng, 33, 3, 2, 40), padding=padding, **outputs)
    if bits:
        model.max_pool(y, (2, 2), (2, 1), SAME)
    return model


def test_operators_get_names_of_their_own_and_keep_one_input(tmp_path):
    path, _ = network(tmp_path)
    content = path.read_bytes()
    count, copy = opened(content)
    assert count == 7 and len(copy) == len(content)
    names = ("Quantize000", "Bconv2d001", "BMaxPool2d002", "Bconv2d003", "Quantize004", "Bconv2d005", "Dequantize006")
    assert all(copy.count(name.encode()) == 1 for name in names) and b"Lce" not in copy


def test_files_without_binary_operators_are_left_as_they_are():
    model = BinaryModel()
    model.builtin("RELU", [model.input(4)], [1, 4], None)
    content = model.pack()
    assert opened(content) == (0, content)


def operator_of(model, index):
    return model.subgraphs[0].operators[index]


def with_option(index, key, value):
    """A change of a model that sets an option, or takes it away."""

    def change(model):
        operator = operator_of(model, index)
        options = flexbuffers.Loads(bytes(operator.customOptions))
        options.pop(key) if value is None else options.update({key: value})
        operator.customOptions = np.frombuffer(flexbuffers.Dumps(options), np.uint8)

    return change


def with_tensor(index, place, **fields):
    """A change of a model that sets fields of an operator's input, or, with a negative place, output."""

    def change(model):
        operator = operator_of(model, index)
        graph = model.subgraphs[0]
        tensor = graph.tensors[operator.outputs[0] if place < 0 else operator.inputs[place]]
        for name, value in fields.items():
            setattr(tensor, name, value)

    return change


def with_inputs(index, inputs):
    def change(model):
        operator = operator_of(model, index)
        operator.inputs = [operator.inputs[each] if each >= 0 else each for each in inputs]

    return change


def with_code(index, **fields):
    def change(model):
        for name, value in fields.items():
            setattr(model.operatorCodes[index], name, value)

    return change


def with_operator(index, **fields):
    def change(model):
        for name, value in fields.items():
            setattr(operator_of(model, index), name, value)

    return change


def empty_input(model):
    """Give the quantized tensor a value in the file."""
    graph = model.subgraphs[0]
    values = np.zeros((1, 7, 6, 40), np.float32)
    model.buffers[graph.tensors[0].buffer].data = np.frombuffer(values.tobytes(), np.uint8)


def shared_code(model):
    """Both a quantization, by one code."""
    graph = model.subgraphs[0]
    graph.operators.append(graph.operators[QUANTIZE])


WRONG = {
    "type of bits": (with_tensor(CONVOLUTION, 0, type=BOOL), "its output is of the type 6 where int32 is expected"),
    "type of quantized": (with_tensor(QUANTIZE, 0, type=INT8), "its input is of the type 9 where float32 is expected"),
    "type of filter": (with_tensor(CONVOLUTION, 1, type=0), "its filter is of the type 0"),
    "type of output": (with_tensor(POOL, -1, type=0), "its output is of the type 0 where int32 is expected"),
    "words of quantized": (with_tensor(CONVOLUTION, 0, shape=[1, 7, 6, 1]), "not of one shape but for the words"),
    "rows of quantized": (with_tensor(CONVOLUTION, 0, shape=[1, 6, 6, 2]), "not of one shape but for the words"),
    "batch of output": (with_tensor(CONVOLUTION, -1, shape=[2, 5, 5, 2]), "of length 1, and its output 4 and 2"),
    "axes of output": (with_tensor(CONVOLUTION, -1, shape=[1, 25, 2]), "its input has 4 axes"),
    "no axes": (with_tensor(QUANTIZE, 0, shape=[]), "its input has 0 axes"),
    "nine axes": (with_tensor(QUANTIZE, 0, shape=[1] * 9), "its input has 9 axes"),
    "negative axis": (with_tensor(QUANTIZE, 0, shape=[1, -7, 6, 40]), "an axis of length -7"),
    "empty axis": (with_tensor(QUANTIZE, 0, shape=[1, 0, 6, 40]), "an axis of length 0"),
    "huge": (with_tensor(QUANTIZE, 0, shape=[1, 1 << 20, 1 << 20, 40]), "takes more than 268435456 bytes"),
    "one row less": (with_tensor(CONVOLUTION, -1, shape=[1, 4, 5, 2]), "its output is 4 x 5 x 2 where 5 x 5 x 2"),
    "one word less": (with_tensor(CONVOLUTION, -1, shape=[1, 5, 5, 1]), "its output is 5 x 5 x 1 where 5 x 5 x 2"),
    "pool's output": (with_tensor(POOL, -1, shape=[1, 3, 4, 2]), "its output is 3 x 4 x 2 where 3 x 5 x 2"),
    "filter of no data": (with_tensor(CONVOLUTION, 1, buffer=0), "its filter is not a constant of 4 axes"),
    "filter's axes": (with_tensor(CONVOLUTION, 1, shape=[33, 6, 2]), "its filter is not a constant of 4 axes"),
    "filter's words": (with_tensor(CONVOLUTION, 1, shape=[33, 3, 4, 1]), "groups are not supported"),
    "more filters": (with_tensor(CONVOLUTION, 1, shape=[34, 3, 2, 2]), "no constant of 34 numbers for its thresholds"),
    "filter's taps": (with_tensor(CONVOLUTION, 1, shape=[33, 2, 2, 2]), "the kernels have 1584 bytes"),
    "thresholds' length": (with_tensor(CONVOLUTION, 4, shape=[32]), "no constant of 33 numbers for its thresholds"),
    "no thresholds": (with_inputs(CONVOLUTION, [0, 1, -1, -1, -1]), "either multiplier and bias or thresholds"),
    "all three": (with_inputs(CONVOLUTION, [0, 1, 4, 4, 4]), "either multiplier and bias or thresholds"),
    "two of three": (with_inputs(CONVOLUTION, [0, 1, 4, -1, 4]), "either multiplier and bias or thresholds"),
    "few inputs": (with_inputs(CONVOLUTION, [0, 1]), "its inputs are not bits, filter, and either"),
    "many inputs": (with_inputs(CONVOLUTION, [0, 1, -1, -1, 4, 4]), "its inputs are not bits, filter, and either"),
    "floats to integers": (with_inputs(CONVOLUTION, [0, 1, 4, 4, -1]), "its output is of the type 2 where float32"),
    "no input": (with_operator(QUANTIZE, inputs=[]), "it has no tensor for its input"),
    "absent input": (with_operator(POOL, inputs=[-1]), "it has no tensor for its input"),
    "no such tensor": (with_operator(QUANTIZE, inputs=[1000]), "it has no tensor for its input"),
    "no output": (with_operator(QUANTIZE, outputs=[]), "it has no tensor for its output"),
    "two outputs": (with_operator(QUANTIZE, outputs=[1, 1]), "it does not have one output that it computes"),
    "no such code": (with_operator(QUANTIZE, opcodeIndex=9), "an offset points outside of the file's"),
    "no such buffer": (with_tensor(QUANTIZE, 0, buffer=99), "an offset points outside of the file's"),
    "no options": (with_operator(POOL, customOptions=None), "its options have no integer 'padding'"),
    "options of nonsense": (with_operator(POOL, customOptions=[1, 2, 3, 4]), "its options have no integer 'padding'"),
    "options of text": (with_option(CONVOLUTION, "stride_width", "two"), "have no integer 'stride_width'"),
    "no filter height": (with_option(POOL, "filter_height", None), "have no integer 'filter_height'"),
    "filter of no height": (with_option(POOL, "filter_height", 0), "'filter_height' is 0; from 1 to 65536"),
    "large stride": (with_option(POOL, "stride_width", 1 << 40), "'stride_width' is 1099511627776"),
    "stride of another size": (with_option(CONVOLUTION, "stride_width", 2), "its output is 5 x 5 x 2 where 5 x 3 x 2"),
    "negative dilation": (with_option(CONVOLUTION, "dilation_width_factor", -1), "'dilation_width_factor' is -1"),
    "dilation over the edge": (with_option(CONVOLUTION, "dilation_width_factor", 6), "covers 7 pixels"),
    "third padding": (with_option(CONVOLUTION, "padding", 2), "its option 'padding' is 2; from 0 to 1 is supported"),
    "third pad value": (with_option(CONVOLUTION, "pad_values", 2), "its option 'pad_values' is 2"),
    "another activation": (with_option(CONVOLUTION, "fused_activation_function", 3), "is 3; from 0 to 1 is supported"),
    "channels of more words": (with_option(CONVOLUTION, "channels_in", 65), "2 words a pixel, not those of 65"),
    "channels of groups": (with_option(CONVOLUTION, "channels_in", 20), "2 words a pixel, not those of 20"),
    "constant input": (with_tensor(QUANTIZE, 0, buffer=1), "its input is a constant"),
    "shared code": (shared_code, "convert the model to this file again with edgecompress"),
    "a name of ours": (with_code(POOL, customCode="BMaxPool2d000"), "its name starts like those"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_sound_is_refused_with_the_reason(name):
    change, reason = WRONG[name]
    result, _ = opened(small().pack(change=change))
    assert isinstance(result, str) and reason in result
    assert result.startswith(("operator ", "an offset"))


def test_zero_padding_to_bits_is_refused_unless_nothing_is_padded():
    for padding, floats, sound in ((SAME, False, False), (SAME, True, True), (VALID, False, True)):
        result, _ = opened(small(not floats, padding).pack(change=with_option(CONVOLUTION, "pad_values", 0)))
        assert result == (2 if floats else 3) if sound else "no exact threshold" in result


def test_constants_behind_the_flatbuffer_are_found_and_bounded():
    model = small().table()
    packed = bits_of(signs(np.random.default_rng(0), 33, 3, 2, 40))
    graph = model.subgraphs[0]
    buffer = model.buffers[graph.tensors[graph.operators[CONVOLUTION].inputs[1]].buffer]
    buffer.data, buffer.offset, buffer.size = None, 1 << 20, packed.nbytes
    size = len(pack(model))
    buffer.offset = size
    content = pack(model)
    assert len(content) == size
    assert opened(content + packed.tobytes())[0] == 3
    assert "a buffer lies outside of the file's" in opened(content + packed.tobytes()[:-1])[0]


def test_at_most_a_thousand_operators():
    model = BinaryModel()
    x = model.input(1)
    for _ in range(1001):
        model.quantize(x)
    assert "it is one binary operator more than the 1000" in opened(model.pack())[0]


@pytest.mark.parametrize("content", [b"", b"TFL3", b"no model at all", bytes(64), b"\xff" * 64], ids=repr)
def test_what_is_no_model_is_refused(content):
    assert opened(content)[0] == "it is not a TFLite file"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if not shutil.which("gcc"):
        pytest.skip("no gcc, whose sanitizers are needed")
    folder = tmp_path_factory.mktemp("driver")
    sources = sorted(map(str, (SOURCES / "binary").glob("*.c")))
    flags = ["-std=gnu11", "-Og", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-rdynamic"]
    command = [
        "gcc",
        *flags,
        f"-I{SOURCES / 'binary'}",
        str(SOURCES / "litert_ops_check.c"),
        *sources,
        "-ldl",
        "-pthread",
    ]
    subprocess.run([*command, "-o", str(folder / "driver")], check=True, capture_output=True, timeout=600)
    return folder / "driver"


@pytest.mark.slow
@pytest.mark.parametrize("which", ["network", "small"])
def test_no_bytes_do_harm(which, driver, tmp_path):
    path = tmp_path / "small.tflite"
    if which == "network":
        path, _ = network(tmp_path)
    else:
        path.write_bytes(small().pack())
    tries = 15000
    done = subprocess.run([str(driver), str(path), str(tries)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[:3000]
    accepted, ran, refused = map(int, done.stdout.split())
    assert 0 < accepted < tries + Path(path).stat().st_size  # many a change is one of weights, or of names
    assert ran and refused
