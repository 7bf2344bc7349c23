"""The file with what kernels were made of, such as codebooks, beside the model that holds the kernels."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.errors import ModelFileError
from edgecompress.numerics.generated import KINDS, Generated
from edgecompress.numerics.generated.vector_codebook import VectorCodebook
from edgecompress.storage import write_bytes

NAMES, KIND = "names", "kinds"


def write_generators(path: Path, generators: dict[str, Generated]) -> None:
    """Write what each layer's kernel is made of into one .npz file, whole.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    file = io.BytesIO()
    arrays: dict[str, Any] = {
        f"{index:04}_{name}": array
        for index, generator in enumerate(generators.values())
        for name, array in generator.arrays().items()
    }
    kinds = [generator.kind for generator in generators.values()]
    np.savez(file, **arrays | {NAMES: np.array(list(generators), str), KIND: np.array(kinds, str)})
    write_bytes(path, file.getvalue())


def read_generators(path: Path) -> dict[str, Generated]:
    """Read what `write_generators` wrote, in earlier versions too, which had codebooks alone.

    Raises:
        ModelFileError: the file is missing, damaged, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {info.filename.removesuffix(".npy"): _array(archive, info) for info in archive.infolist()}
        names = _texts(arrays.pop(NAMES))
        if len(set(names)) != len(names):
            raise ValueError("its list of layers has one twice")
        if KIND not in arrays:
            arrays = {f"{name[-4:]}_{name[:-5]}": array for name, array in arrays.items()}
            arrays[KIND] = np.array([VectorCodebook.kind] * len(names), str)
        by_name = {kind.kind: kind for kind in KINDS}
        kinds = [by_name[kind] for kind in _texts(arrays.pop(KIND))]
        found: dict[str, Generated] = {}
        for index, (name, kind) in enumerate(zip(names, kinds, strict=True)):
            own = [key for key in arrays if key.startswith(f"{index:04}_")]
            if not own:
                raise ValueError(f"it holds nothing of '{name}'")
            found[name] = kind.of({key[5:]: arrays.pop(key) for key in own})
            if set(found[name].arrays()) != {key[5:] for key in own}:
                raise ValueError(f"it holds more of '{name}' than it should")
        if arrays:
            raise ValueError(f"it holds '{next(iter(arrays))}', which belongs to no layer")
        return found
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise ModelFileError(
            f"'{path}' is no file of what kernels are made of: {error}.", hint="Make it anew with `edgecompress train`."
        ) from error


def _texts(array: np.ndarray) -> list[str]:
    if array.ndim != 1 or array.dtype.kind != "U":
        raise ValueError("a list of names in it is none")
    return [str(text) for text in array]


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """Read one array, after its size was found to be that of the bytes that are there."""
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > info.compress_size:
        raise ValueError(f"'{info.filename}' is compressed")  # so no small file becomes a large array
    file = io.BytesIO(archive.read(info))
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"'{info.filename}' is of another version")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != info.file_size - file.tell():
        raise ValueError(f"'{info.filename}' is {dtype}{list(shape)} in {info.file_size} bytes")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
