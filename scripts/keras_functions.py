"""Call every TensorFlow function that a model file may name, from a file's config, and watch what else happens.

    python scripts/keras_functions.py

Prints how many of them took the arguments that were tried, and every file, process or connection that came of it.
"""

from __future__ import annotations

import tempfile

from edgecompress.formats.keras.allowed.functions import TENSOR_FUNCTIONS
from edgecompress.formats.keras.allowed.functions_test import call_watched


def main() -> None:
    """Print the counts and what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        told = call_watched(sorted(TENSOR_FUNCTIONS), folder)
    loaded = told.pop("loaded")
    print(f"{len(loaded)} functions called, {sum(count > 0 for count in loaded.values())} of them loaded into a model")
    for what, found in told.items():
        print(f"{what}: {', '.join(found) or 'none'}")


if __name__ == "__main__":
    main()
