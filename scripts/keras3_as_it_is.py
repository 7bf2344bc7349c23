"""What becomes of Keras 3's public layers and operations, converted as they are.

The models are those of `scripts/keras3_translation.py`. Each is emitted as a float TFLite and a float ONNX file, which
are right if they computed what Keras does on noise, at 100 dB and more. Errors that are no sentences have to stay at 0.
Models that have no equal in Keras 2 are counted apart: no tool that goes by way of it has them.

python scripts/keras3_as_it_is.py [--only NAME] [--json models/keras3_as_it_is.json]
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from keras3_translation import layer_cases, operation_cases

from edgecompress.child.kept import kept
from edgecompress.convert.conversion import convert
from edgecompress.convert.making import Source
from edgecompress.convert.targets import parse_target
from edgecompress.errors import ConversionError, EdgeCompressError, UnsupportedModelError
from edgecompress.keras_bridge import batches
from edgecompress.keras_bridge.native import NativeModel
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text
from edgecompress.tfmot.to_keras2.translation import translate

RIGHT_DB = 100.0
FOUND = "wrong, found by the comparison"  # no file is left
GOOD = {"right", "emitted with a warning", "refused", FOUND}
TARGETS = ("tflite:float32", "onnx:float32")


def main() -> None:
    """Make, emit, count, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="names that hold this")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    alone, both = ({target: Counter[str]() for target in TARGETS} for _ in range(2))
    told: dict[str, str] = {}
    with kept():
        for name, model in (*layer_cases(arguments.only), *operation_cases(arguments.only)):
            counts = both if is_translated(model) else alone
            for target in TARGETS:
                verdict, said = judged(model, target)
                counts[target][verdict] += 1
                if verdict != "right":
                    told[f"{name} to {target}"] = f"{verdict}: {said}"
                if verdict not in GOOD:
                    print(f"{verdict}: {name} to {target}: {said}", flush=True)
    for where, counts in (("in Keras 3 alone", alone), ("in both Kerases", both)):
        for target, counted in counts.items():
            listed = ", ".join(f"{many} {what}" for what, many in counted.items())
            print(f"{where}, {target}: {sum(counted.values())} models; {listed}")
    good = all(set(counted) <= GOOD for counts in (alone, both) for counted in counts.values())
    print("reached" if good else "NOT REACHED")
    if arguments.json:
        found = {"counts": alone, "counts_in_both": both, "told": told, "versions": versions()}
        write_text(arguments.json, to_json(found))


def is_translated(model: Any) -> bool:
    """Return whether a model has an equal in Keras 2."""
    try:
        translate(model)
    except UnsupportedModelError:
        return False
    return True


def judged(model: Any, target: str) -> tuple[str, str]:
    """Emit the model; what is said is the reason."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            as_it_is = NativeModel(model)
            try:
                (artifact,) = convert(Source("model", as_it_is, "Keras 3"), (parse_target(target),), Path(folder))
            except ConversionError:
                batches.require_finite(as_it_is)  # what the command says instead, where it is the reason
                batches.require_no_randomness(as_it_is)
                batches.require_samples_apart(as_it_is)
                raise
            least_db = min((each.signal_to_noise_db for each in artifact.agreement), default=math.inf)
            return "right" if least_db >= RIGHT_DB else "emitted with a warning", f"{least_db:.0f} dB"
        except EdgeCompressError as error:
            wrong = "computes something else than its source" in error.message
            return (FOUND if wrong else "refused"), error.message
        except Exception as error:  # of any class: that there is one is the finding
            return "another error", f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
