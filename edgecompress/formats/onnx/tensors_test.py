import os
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import SparseTensorProto, TensorProto, helper, numpy_helper

from edgecompress.errors import ModelFileError
from edgecompress.formats.onnx.tensors import constant_of, stored, stored_sparse

HERE = Path()


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float16, np.int8, np.uint8, np.int32, np.int64, np.bool_, np.complex64]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
    )
)
def test_arrays_come_back_with_their_zeros_counted(array):
    tensor = stored(numpy_helper.from_array(array, "t"), HERE)
    assert (tensor.shape, tensor.dtype, tensor.bits) == (array.shape, array.dtype.name, array.itemsize * 8)
    np.testing.assert_array_equal(tensor.array(), array)
    assert tensor.zeros() == array.size - np.count_nonzero(array)


@pytest.mark.parametrize(
    ("kind", "bits"),
    [(TensorProto.INT4, 4), (TensorProto.UINT2, 2), (TensorProto.FLOAT4E2M1, 4), (TensorProto.BFLOAT16, 16)],
)
@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("count", [1, 4, 5])
def test_types_that_numpy_does_not_have(kind, bits, raw, count):
    values = np.array([0, 1, 1, 0, 1][:count]).astype(helper.tensor_dtype_to_np_dtype(kind))
    if raw:
        proto = numpy_helper.from_array(values, "t")
    else:
        proto = helper.make_tensor("t", kind, [count], values.astype(np.float32).tolist())
    tensor = stored(proto, HERE)
    assert tensor.bits == bits
    assert tensor.zeros() == int(np.count_nonzero(values.astype(np.float32) == 0))


def test_four_bits_with_a_zero_point():
    tensor = stored(numpy_helper.from_array(np.array([7, -8, 7], ml_dtypes.int4), "t"), HERE)
    assert tensor.zeros(np.array(7, ml_dtypes.int4)) == 2


def test_zero_points_for_each_index_of_an_axis_and_for_each_block():
    codes = np.array([[1, 2, 3, 3, 5], [1, 1, 3, 4, 4]], np.int8)
    tensor = stored(numpy_helper.from_array(codes, "t"), HERE)
    assert tensor.zeros(np.array([2, 4], np.int8), axis=0) == 1 + 2
    assert tensor.zeros(np.array([1, 2, 3, 4, 5], np.int8), axis=-1) == 2 + 1 + 2 + 1 + 1
    # two blocks of ceil(5 / 2) = 3 columns: row 0 against 1 1 1 | 3 3, row 1 against 3 3 3 | 4 4
    assert tensor.zeros(np.array([[1, 3], [3, 4]], np.int8), axis=1) == (1 + 1) + (1 + 2)


@pytest.mark.parametrize(("shape", "axis"), [((3,), 0), ((5,), 7), ((2, 6), 1), ((3, 2), 1), ((2, 2, 2), 1)])
def test_zero_points_that_fit_nothing_count_nothing(shape, axis):
    tensor = stored(numpy_helper.from_array(np.ones((2, 5), np.int8), "t"), HERE)
    assert tensor.zeros(np.ones(shape, np.int8), axis=axis) == 0


def damaged(change) -> TensorProto:
    proto = numpy_helper.from_array(np.ones((2, 3), np.float32), "kernel")
    change(proto)
    return proto


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: setattr(p, "raw_data", p.raw_data[:-1]), "23 are stored where the shape .* asks for 24"),
        (lambda p: p.dims.append(1 << 40), "24 are stored"),
        (lambda p: p.dims.append(-1), "has the shape"),
        (lambda p: p.dims.extend([1] * 100), "of 102 axes"),
        (lambda p: setattr(p, "data_type", 99), "unknown type 99"),
        (lambda p: setattr(p, "data_type", TensorProto.UNDEFINED), "unknown type 0"),
        (lambda p: setattr(p, "data_type", TensorProto.STRING), "0 are stored"),
        (lambda p: p.ClearField("raw_data"), "0 are stored where the shape .* asks for 6"),
        (lambda p: p.segment.SetInParent(), "in segments"),
    ],
)
def test_what_contradicts_itself_is_named(change, said):
    with pytest.raises(ModelFileError, match=f"tensor 'kernel'.*{said}"):
        stored(damaged(change), HERE)


def external(**entries: str) -> TensorProto:
    proto = TensorProto(name="kernel", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        proto.external_data.add(key=key, value=value)
    return proto


def test_external_data_at_an_offset(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/data").write_bytes(b"skip" + np.array([0, 5], np.float32).tobytes())
    tensor = stored(external(location="sub/data", offset="4", length="8"), tmp_path)
    np.testing.assert_array_equal(tensor.array(), [0, 5])
    assert tensor.zeros() == 1


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"location": "../secret"}, "outside of the model's folder"),
        ({"location": "/etc/passwd"}, "outside of the model's folder"),
        ({"location": "link"}, "outside of the model's folder"),
        ({"location": ""}, "outside of the model's folder"),
        ({"location": "."}, "outside of the model's folder"),
        ({}, "outside of the model's folder"),
        ({"location": "none"}, "not in the model's folder"),
        ({"location": "pipe"}, "not in the model's folder"),
        ({"location": "a\0b"}, "impossible name"),
        ({"location": "data", "offset": "1"}, "bytes 1 to 9 of 'data', which has 8"),
        ({"location": "data", "offset": "-1"}, "its place in 'data'"),
        ({"location": "data", "offset": "9" * 30}, "its place in 'data'"),
        ({"location": "data", "length": "4"}, "4 are stored where"),
    ],
)
def test_external_data_is_bounded(entries, said, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(8))
    (folder / "data").write_bytes(bytes(8))
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    with pytest.raises(ModelFileError, match=said):
        stored(external(**entries), folder)


def test_external_data_that_shrinks_meanwhile(tmp_path):
    (tmp_path / "data").write_bytes(bytes(8))
    tensor = stored(external(location="data"), tmp_path)
    (tmp_path / "data").write_bytes(bytes(7))
    with pytest.raises(ModelFileError, match="cut short while"):
        tensor.array()


def sparse(dims) -> SparseTensorProto:
    values = numpy_helper.from_array(np.array([1, 0, 3], np.float32), "kernel")
    return SparseTensorProto(values=values, indices=numpy_helper.from_array(np.arange(3)), dims=dims)


def test_a_sparse_tensor_counts_what_it_does_not_store_as_zero():
    tensor = stored_sparse(sparse([1000, 1000]), HERE)
    assert (tensor.size, tensor.zeros(), tensor.bits) == (10**6, 10**6 - 2, 32)


@pytest.mark.parametrize("dims", [[1 << 30, 1 << 30], [2], [-1]])
def test_a_sparse_tensor_is_bounded(dims):
    with pytest.raises(ModelFileError):
        stored_sparse(sparse(dims), HERE)


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ({"value": numpy_helper.from_array(np.eye(2, dtype=np.int8))}, np.eye(2, dtype=np.int8)),
        ({"value_float": 1.5}, np.float32(1.5)),
        ({"value_floats": [1.5, 2.0]}, np.array([1.5, 2.0], np.float32)),
        ({"value_int": 3}, np.int64(3)),
        ({"value_ints": [3, 4]}, np.array([3, 4])),
    ],
)
def test_constant_nodes(attribute, expected):
    tensor = constant_of(helper.make_node("Constant", [], ["c"], **attribute), HERE)
    assert tensor.dtype == expected.dtype.name
    np.testing.assert_array_equal(tensor.array(), expected)


def test_constant_nodes_without_numbers():
    assert constant_of(helper.make_node("Constant", [], ["c"]), HERE) is None
    assert constant_of(helper.make_node("Constant", [], ["c"], value_string="text"), HERE) is None
    assert constant_of(helper.make_node("Constant", [], ["c"], sparse_value=sparse([9])), HERE).size == 9
