"""How long MobileNetV1 0.25/96 takes to become four files: edgecompress against the stock route, in one process.

    python scripts/conversion_speed.py [--rounds 3] [--json models/mobilenet_v1/conversion_speed.json]

The stock route is what tutorials show: `TFLiteConverter.from_keras_model` for float32 and again for int8,
`tf2onnx.convert.from_keras`, `onnxruntime.quantization.quantize_static`. Both routes get the same 100 calibration
images (Fashion-MNIST, resized) and run by turns. edgecompress also checks each of its files: statically, and by running
it beside the model in a process of its own, which is started once a command; imports are nobody's conversion time, here
and there. A third route makes the same files without these checks, which tells their cost.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.child.kept import kept
from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.emitters import emit
from edgecompress.convert.making import Making
from edgecompress.convert.targets import Options, parse_target
from edgecompress.data import load
from edgecompress.data.calibration import calibration_batch
from edgecompress.data.preprocessing import standard
from edgecompress.devices.conditions import snapshot
from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.quiet import quiet
from edgecompress.runs.versions import versions
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.storage import to_json, write_text
from edgecompress.zoo import find

TARGETS = ("tflite:float32", "tflite:int8", "onnx:float32", "onnx:int8")
IMAGES = 100


def main() -> None:
    """Print the times of each round, the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    dataset = load("fashion_mnist")
    preprocessing = standard(dataset, size=(96, 96), channels=3)
    (calibration,) = calibration_batch(dataset.train, preprocessing, count=IMAGES, seed=0)
    load_keras().utils.set_random_seed(0)
    model = find("mobilenet_v1").build(resolution=96, channels=3, classes=10, width=0.25)

    source, targets = Source("dense", model, "script", preprocessing=preprocessing), tuple(map(parse_target, TARGETS))

    def unchecked(folder: Path) -> None:
        making = Making(source, Options(), (calibration,))
        for target in targets:
            (folder / making.file_name(target)).write_bytes(emit(making, target))

    routes = {
        "edgecompress": lambda folder: convert(source, targets, folder, calibration=(calibration,)),
        "unchecked": unchecked,
        "stock": lambda folder: stock(model, folder, calibration),
    }
    times: dict[str, list[float]] = {name: [] for name in routes}
    with quiet():
        for module in ("onnxruntime.quantization", "tf2onnx"):
            importlib.import_module(module)
    with kept(), tempfile.TemporaryDirectory() as folder:
        unchecked(Path(folder))
        with RuntimeProcess(next(Path(folder).glob("*.onnx"))):
            pass  # the process has imported what it needs
        for _ in range(arguments.rounds):
            for name, route in routes.items():
                begin = time.perf_counter()
                route(Path(folder))
                times[name].append(time.perf_counter() - begin)
                print(f"{name:13} {times[name][-1]:7.2f} s", flush=True)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["stock"] / medians["edgecompress"]
    cost = medians["edgecompress"] / medians["unchecked"] - 1
    print(f"median: edgecompress {medians['edgecompress']:.2f} s, stock {medians['stock']:.2f} s: {ratio:.1f} x faster")
    print(f"without its checks {medians['unchecked']:.2f} s: they cost {100 * cost:.0f} %")
    if arguments.json:
        result = {"times_s": times, "medians_s": medians, "ratio": ratio, "checks": cost, "calibration_images": IMAGES}
        write_text(arguments.json, to_json({**result, "versions": versions(), "machine": snapshot()}))


def stock(model: Any, folder: Path, calibration: np.ndarray) -> None:
    """Emit the four files as the tools' own tutorials do."""
    tensorflow = load_tensorflow()
    import onnx
    import tf2onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.samples = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.samples, None)
            return None if sample is None else {"input": sample[np.newaxis]}

    with quiet():
        converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
        (folder / "float32.tflite").write_bytes(converter.convert())
        converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[np.newaxis]] for sample in calibration)
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        (folder / "int8.tflite").write_bytes(converter.convert())
        signature = [tensorflow.TensorSpec((1, 96, 96, 3), tensorflow.float32, name="input")]
        function = tensorflow.function(lambda x: model(x, training=False), input_signature=signature)
        proto, _ = tf2onnx.convert.from_function(function, signature, opset=17)
        onnx.save(proto, str(folder / "float32.onnx"))
        quantize_static(
            str(folder / "float32.onnx"),
            str(folder / "int8.onnx"),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )


if __name__ == "__main__":
    main()
