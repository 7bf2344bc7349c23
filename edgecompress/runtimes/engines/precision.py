"""What ONNX Runtime must be told to sum 8-bit products rightly on every processor.

On x86 without VNNI (most laptops before 2020, Zen 1 to 3) its kernels for uint8 activations and int8 weights add two
products in 16 bits: 255 * 127 + 255 * 127 = 64,770 becomes 32,767. The option below makes the weights uint8 when a
session loads a file, which takes other, exact kernels. They are slower: where products are exact anyway, versions from
1.31 on would lose up to half of their speed to the option, and so does a file that holds uint8 weights itself
(`scripts/weight_types.py`). So the runtime is asked what it computes, and the option set where that is wrong.
"""

from __future__ import annotations

from base64 import b64decode
from functools import cache
from typing import Any

KEY, VALUE = "session.x64quantprecision", "1"
WHERE = "1 on x86 without VNNI"  # what a file's metadata says under that key
# A file with one node: MatMulInteger of x, uint8[1, 2], and a constant, int8[2, 1], that is twice 127.
PROBE = "CAU6QgoYCgF4CgF3EgF5Ig1NYXRNdWxJbnRlZ2VyEgFnKg0IAggBEANCAXdKAn9/WgkKAXgSBAoCCAJiCQoBeRIECgIIBkIECgAQCg=="


def require_precision(session_options: Any) -> None:
    """Have the sessions of an `onnxruntime.SessionOptions` compute exactly, unless it says something about that."""
    try:
        session_options.get_session_config_entry(KEY)
    except RuntimeError:  # there is no such entry
        if saturates():
            session_options.add_session_config_entry(KEY, VALUE)


@cache
def saturates() -> bool:
    """Whether 255 * 127 + 255 * 127 is wrong in this ONNX Runtime on this processor, unless it is told to be exact."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(b64decode(PROBE), options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.full((1, 2), 255, np.uint8)})
    return int(found.item()) != 2 * 255 * 127
