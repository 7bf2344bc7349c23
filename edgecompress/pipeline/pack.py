"""A model file to a packed file, beside the stock compressors, with what its run knows of its kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from edgecompress.errors import ModelFileError
from edgecompress.formats.sizes import gzip_bytes, xz_bytes, zstd_bytes
from edgecompress.numerics.generated.vector_codebook import VectorCodebook
from edgecompress.packing.files import read_model
from edgecompress.packing.generators import MAX_WORDS, Generator, Vectors
from edgecompress.packing.pack import Packed, pack_files
from edgecompress.progress import Progress, silent
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.generators import read_generators
from edgecompress.runs.working import alone
from edgecompress.storage import require_replaceable, write_bytes

SUFFIX = ".ecz"
STOCK: dict[str, Callable[[bytes], int]] = {"gzip -9": gzip_bytes, "zstd -19": zstd_bytes, "xz -9": xz_bytes}


@dataclass(frozen=True)
class PackedModel:
    """A packed file as it was written, and the sizes to compare it with."""

    path: Path
    files: dict[str, int]  # bytes of each, by name
    stock: dict[str, int]  # bytes by each stock compressor, of all files together
    packed: Packed


def pack_model(path: Path, to: Path, *, on_progress: Progress = silent) -> PackedModel:
    """Pack a `.tflite` or `.onnx` file, with the external data of the latter, and write it whole.

    Raises:
        ModelFileError: a file is missing or too large.
        RunFolderError: `to` cannot be written.
    """
    files = read_model(path)
    if to.resolve() in (path.resolve(), *(path.parent.resolve() / name for name in files)):
        raise ModelFileError(f"'{to}' is what is to be packed.", hint="Give another place with -o.")
    require_replaceable(to)
    generators, notes = generators_of(path)
    content = b"".join(files.values())
    with ThreadPoolExecutor(len(STOCK)) as pool:  # the stock compressors let go of Python meanwhile
        sizes = {name: pool.submit(size, content) for name, size in STOCK.items()}
        packed = pack_files(files, generators=generators, on_progress=on_progress)
        stock = {name: size.result() for name, size in sizes.items()}
    write_bytes(to, packed.data)
    packed = replace(packed, notes=(*notes, *packed.notes))
    return PackedModel(to, {name: len(data) for name, data in files.items()}, stock, packed)


@alone
def pack_run(run: RunFolder, targets: Sequence[str], *, on_progress: Progress = silent) -> list[PackedModel]:
    """Pack the files of a run's compressed model for these targets, or of its dense one where there is no other.

    They lie in `packed`, each called as the file with .ecz behind.

    Raises:
        RunFolderError: nothing was converted yet, or a file is not the one that was.
    """
    artifacts = run.read_artifacts()
    last = run.variants()[-1]
    chosen = [each for each in artifacts if each.variant == last and each.target in targets]
    return [
        pack_model(path, run.packed / f"{path.name}{SUFFIX}", on_progress=on_progress)
        for path in map(run.artifact_path, chosen)
    ]


def generators_of(path: Path) -> tuple[tuple[Generator, ...], tuple[str, ...]]:
    """Return what the run that an artifact belongs to knows of its kernels, and sentences about what is not used of it.

    Of any other file nothing is known. A packed file's index is a byte, so that larger codebooks are no part of it.

    Raises:
        ModelFileError: the run's file of codebooks is damaged.
    """
    run = RunFolder(path.parent.parent)
    known = run.model(path.name.partition(".")[0]).with_suffix(".generators.npz")
    if path.parent != run.artifacts or not known.is_file():
        return (), ()
    generators: list[Generator] = []
    notes: list[str] = []
    for layer, generated in read_generators(known).items():
        if not isinstance(generated, VectorCodebook):
            notes.append(f"{layer} was made by {generated.kind}; its kernel is packed as any other.")
        elif (words := generated.codebooks.shape[2]) > MAX_WORDS:
            notes.append(
                f"{layer} was made of codebooks of {words} words; packed files hold {MAX_WORDS} at most, so that "
                "its kernel is packed as any other."
            )
        else:
            generators.append(Vectors(layer, generated.codebooks, generated.indices.astype("u1")))
    return tuple(generators), tuple(notes)
