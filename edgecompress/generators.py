"""The file with the codebooks that kernels were made of, beside the model that holds the kernels."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.errors import ModelFileError
from edgecompress.numerics.vector_codebook import VectorCodebook
from edgecompress.storage import write_bytes

NAMES = "names"


def write_generators(path: Path, generators: dict[str, VectorCodebook]) -> None:
    """Write the codebooks and indices of each layer into one .npz file, whole.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    file = io.BytesIO()
    arrays: dict[str, Any] = {
        f"{kind}_{index:04}": getattr(generator, kind)
        for index, generator in enumerate(generators.values())
        for kind in ("codebooks", "indices")
    }
    np.savez(file, **arrays | {NAMES: np.array(list(generators))})
    write_bytes(path, file.getvalue())


def read_generators(path: Path) -> dict[str, VectorCodebook]:
    """Read what `write_generators` wrote.

    Raises:
        ModelFileError: the file is missing, damaged, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {info.filename.removesuffix(".npy"): _array(archive, info) for info in archive.infolist()}
        names = arrays.pop(NAMES)
        if names.ndim != 1 or names.dtype.kind != "U" or len(set(names.tolist())) != len(names):
            raise ValueError("its list of layers is none")
        if len(arrays) != 2 * len(names):
            raise ValueError(f"{len(names)} layers came with {len(arrays)} arrays")
        return {
            str(name): VectorCodebook(arrays[f"codebooks_{index:04}"], arrays[f"indices_{index:04}"])
            for index, name in enumerate(names)
        }
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise ModelFileError(
            f"'{path}' is no file of codebooks: {error}.", hint="Make it anew with `edgecompress train`."
        ) from error


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
