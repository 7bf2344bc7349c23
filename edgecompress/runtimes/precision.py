"""What ONNX Runtime must be told to sum 8-bit products rightly on every processor.

On x86 without VNNI (most laptops before 2020, Zen 1 to 3) its kernels for uint8 activations and int8 weights add two
products in 16 bits: 255 * 127 + 255 * 127 = 64,770 becomes 32,767. With the option below, sessions on such processors
make the weights uint8 when they load the file, which takes other, exact kernels; on all other processors the option
changes nothing. A file that held uint8 weights itself would need no option, and its convolutions would take twice as
long on processors that have VNNI (`scripts/weight_types.py`).
"""

from __future__ import annotations

from typing import Any

KEY, VALUE = "session.x64quantprecision", "1"


def require_precision(session_options: Any) -> None:
    """Have the sessions of an `onnxruntime.SessionOptions` compute exactly, unless it says something about that."""
    try:
        session_options.get_session_config_entry(KEY)
    except RuntimeError:  # there is no such entry
        session_options.add_session_config_entry(KEY, VALUE)
