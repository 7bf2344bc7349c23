"""What takes long to make and is the same for all tests: made once in a run, by whichever process asks first."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edgecompress.packing.files import read_model
from edgecompress.packing.pack import Packed, pack_files
from edgecompress.storage import written_whole
from edgecompress.testing.sample_files import ONNX_FILES, TFLITE_FILES

FOLDER = "EDGECOMPRESS_TESTS_SHARED"  # a variable with the folder of this run, which `conftest.py` sets
# Packed in tests: float16, float16 that is partly sparse, float32 in more than one segment, and float32 in ONNX. The
# other files have the same and are larger; scripts/packing_against_stock.py packs them, too.
ALIKE = ("face_detection_full_range", "iris_landmark", "ch_PP-OCRv4_det_infer", "ch_PP-OCRv4_rec_infer")
PACKED_FILES = [path for path in (*TFLITE_FILES, *ONNX_FILES) if path.stem not in ALIKE]
Made = TypeVar("Made")


def once(content: bytes, make: Callable[[], Made]) -> Made:
    """Return what `make` makes of a content; other processes of the run wait for it, and take it from a file."""
    folder = Path(os.environ[FOLDER])
    path = folder / hashlib.sha256(content).hexdigest()
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with written_whole(path) as beside:
                beside.write_bytes(pickle.dumps(make()))
    found: Made = pickle.loads(path.read_bytes())
    return found


def packed_once(path: Path) -> Packed:
    """Return a model file packed."""
    files = read_model(path)
    return once(b"packed" + b"".join(files.values()), lambda: pack_files(files))
