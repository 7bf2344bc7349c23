"""The tensors that an ONNX file stores, in itself or in files beside it: sizes are checked before data is touched."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper

from edgecompress.errors import ModelFileError

MAX_RANK = 64
MAX_ELEMENTS = 1 << 40  # of a sparse tensor, which may stand for many more than it stores
_PACKED_BITS: dict[int, int] = {
    **{TensorProto.INT4: 4, TensorProto.UINT4: 4, TensorProto.FLOAT4E2M1: 4},
    **{TensorProto.INT2: 2, TensorProto.UINT2: 2, TensorProto.FLOAT6E2M3: 6, TensorProto.FLOAT6E3M2: 6},
}
_CONSTANTS = {"value", "sparse_value", "value_float", "value_floats", "value_int", "value_ints"}
_NUMBERS = {
    **dict.fromkeys((AttributeProto.FLOAT, AttributeProto.FLOATS), np.float32),
    **dict.fromkeys((AttributeProto.INT, AttributeProto.INTS), np.int64),
}


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor of the file; its elements are read when asked for."""

    shape: tuple[int, ...]
    dtype: str  # NumPy's or ml_dtypes' name; "string"
    bits: int  # of one element; 0 for strings
    proto: TensorProto
    external: ExternalData | None = None
    stored_elements: int | None = None  # of a sparse tensor: `proto` holds those only, the others are zero

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def is_floating(self) -> bool:
        """Whether the elements are real numbers as they are."""
        return "float" in self.dtype

    @property
    def is_plain(self) -> bool:
        """Whether `array` gives all of the elements, and they are numbers."""
        return self.bits > 0 and self.stored_elements is None

    def array(self) -> np.ndarray:
        """The elements in their shape; of a sparse tensor the stored ones, flat."""
        if self.external is None:
            return numpy_helper.to_array(self.proto)
        filled = TensorProto(dims=self.proto.dims, data_type=self.proto.data_type, raw_data=self.external.read())
        return numpy_helper.to_array(filled)

    def zeros(self, zero_point: np.ndarray | None = None, *, axis: int = 0) -> int:
        """Count the elements that are zero, or at their zero point: one for all, or for each index or block of `axis`.

        A zero point that fits no axis leaves nothing to compare with, and the count 0.
        """
        if self.stored_elements is not None:
            return self.size - int(np.count_nonzero(self.array()))
        array = self.array()
        if zero_point is None or not zero_point.any():
            return array.size - int(np.count_nonzero(array))
        spread = _spread(zero_point, array.shape, axis)
        return 0 if spread is None else int(np.count_nonzero(array == spread))


@dataclass(frozen=True)
class ExternalData:
    """Where in which file the elements of a tensor lie."""

    path: Path
    offset: int
    size_bytes: int

    def read(self) -> bytes:
        """Read them; raise ModelFileError if the file has become shorter meanwhile."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.size_bytes)
        if len(data) != self.size_bytes:
            raise ModelFileError(f"{self.path} was cut short while it was read.")
        return data


def stored(proto: TensorProto, folder: Path) -> StoredTensor:
    """Check a tensor against what the file holds of it.

    Raises:
        ModelFileError: unknown type, negative lengths, or as many bytes as neither shape nor type ask for; external
            data that is missing, too short, or outside of `folder`.
    """
    where = f"tensor {proto.name[:200]!r}"
    shape = _shape(proto.dims, where)
    if proto.HasField("segment"):
        raise ModelFileError(f"{where} is stored in segments, which no library reads.")
    if proto.data_type == TensorProto.STRING:
        _require_count(len(proto.string_data), prod(shape), shape, where)
        return StoredTensor(shape, "string", 0, proto)
    try:
        dtype = helper.tensor_dtype_to_np_dtype(proto.data_type)
    except KeyError:
        raise ModelFileError(f"{where} has the unknown type {proto.data_type}.") from None
    bits = _PACKED_BITS.get(proto.data_type, dtype.itemsize * 8)
    needed_bytes = (prod(shape) * bits + 7) // 8
    external = None
    if proto.data_location == TensorProto.EXTERNAL:
        external = _external(proto, folder, needed_bytes, where)
    elif proto.HasField("raw_data"):
        _require_count(len(proto.raw_data), needed_bytes, shape, f"{where} of {dtype.name}, in bytes")
    else:
        # A number of 4 or 2 bits shares its entry as it shares its byte; a complex one has two entries.
        entries = needed_bytes if bits in {2, 4} else prod(shape) * (2 if dtype.kind == "c" else 1)
        _require_count(len(getattr(proto, helper.tensor_dtype_to_field(proto.data_type))), entries, shape, where)
    return StoredTensor(shape, dtype.name, bits, proto, external)


def stored_sparse(proto: SparseTensorProto, folder: Path) -> StoredTensor:
    """Check a sparse tensor: its shape, and the elements that it stores. Raises ModelFileError as `stored` does."""
    values = stored(proto.values, folder)
    where = f"sparse tensor {proto.values.name[:200]!r}"
    shape = _shape(proto.dims, where)
    if not values.size <= prod(shape) <= MAX_ELEMENTS:
        raise ModelFileError(f"{where} of shape {shape} stores {values.size} elements; the limit is {MAX_ELEMENTS}.")
    return StoredTensor(shape, values.dtype, values.bits, values.proto, values.external, values.size)


def constant_of(node: NodeProto, folder: Path) -> StoredTensor | None:
    """What a `Constant` node holds; None if it holds nothing. Raises ModelFileError as `stored` does."""
    attribute: Any = next((each for each in node.attribute if each.name in _CONSTANTS), None)
    if attribute is None:
        return None
    if attribute.type == AttributeProto.TENSOR:
        return stored(attribute.t, folder)
    if attribute.type == AttributeProto.SPARSE_TENSOR:
        return stored_sparse(attribute.sparse_tensor, folder)
    if attribute.type not in _NUMBERS:
        return None
    numbers = np.array(helper.get_attribute_value(attribute), _NUMBERS[attribute.type])
    return stored(numpy_helper.from_array(numbers), folder)


def _spread(zero_point: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray | None:
    """Bring zero points to a form that broadcasts to the shape; None if there is none."""
    if zero_point.size == 1:
        return zero_point.reshape(())
    if not -len(shape) <= axis < len(shape):
        return None
    axis %= len(shape)
    length = shape[axis]
    if zero_point.shape == (length,):
        return zero_point.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    blocks = zero_point.shape[axis] if zero_point.ndim == len(shape) else 0
    if not 0 < blocks <= length or zero_point.shape != (*shape[:axis], blocks, *shape[axis + 1 :]):
        return None
    return zero_point.repeat(-(-length // blocks), axis).take(range(length), axis)


def text(value: str | bytes) -> str:
    """Text of the file; protobuf gives bytes where it is not valid UTF-8."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _shape(dims: Any, where: str) -> tuple[int, ...]:
    shape = tuple(dims)
    if len(shape) > MAX_RANK or min(shape, default=0) < 0:
        raise ModelFileError(f"{where} has the shape {shape[:8]}, of {len(shape)} axes.")
    return shape


def _require_count(found: int, expected: int, shape: tuple[int, ...], where: str) -> None:
    if found != expected:
        raise ModelFileError(
            f"{where}: {found} are stored where the shape {shape} asks for {expected}.",
            hint="The file is damaged or cut short; fetch or convert it again.",
        )


def _external(proto: TensorProto, folder: Path, needed_bytes: int, where: str) -> ExternalData:
    entries = {text(entry.key): text(entry.value) for entry in proto.external_data}
    location = entries.get("location", "")
    folder = folder.resolve()
    try:
        path = (folder / location).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{where} lies in a file of the impossible name {location[:200]!r}.") from error
    if not location or path == folder or not path.is_relative_to(folder):
        raise ModelFileError(
            f"{where} lies in {location[:200]!r}, outside of the model's folder, and is not read.",
            hint="Keep the data in the folder of the .onnx file, not behind a link.",
        )
    if not path.is_file():
        raise ModelFileError(
            f"{where} lies in {location[:200]!r}, which is not in the model's folder.",
            hint="Copy that file to the folder of the .onnx file.",
        )
    numbers = entries.get("offset", "0"), entries.get("length", str(needed_bytes))
    if not all(each.isascii() and each.isdecimal() and len(each) < 20 for each in numbers):
        raise ModelFileError(f"{where}: its place in {location!r} is {numbers[0][:20]!r}, {numbers[1][:20]!r}.")
    offset, length = map(int, numbers)
    _require_count(length, needed_bytes, tuple(proto.dims), f"{where} in {location!r}, in bytes")
    if offset + length > (size_bytes := path.stat().st_size):
        raise ModelFileError(f"{where} is bytes {offset} to {offset + length} of {location!r}, which has {size_bytes}.")
    return ExternalData(path, offset, length)
