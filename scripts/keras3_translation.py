"""What becomes of every public layer and operation of the installed Keras 3 in translation, to Keras 2 and back.

Each is called on its own with small arguments, and again with one argument changed at a time, to each of a list of
values by its name (`activation` to every activation, `padding` to "same", ...). Whatever Keras itself accepts is
translated, and compared on noise of its own; what is equal in Keras 2 is translated back, and compared with the first.
"Wrong" and "refused in others' words" have to stay at 0.

python scripts/keras3_translation.py [--only NAME] [--json models/keras3_translation.json]
"""

from __future__ import annotations

import argparse
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text
from edgecompress.tfmot.to_keras2.translation import translate as to_keras2
from edgecompress.tfmot.to_keras3.translation import translate as to_keras3

nest = load_tensorflow().nest  # before Keras 3

import keras  # noqa: E402

WAYS = ("to Keras 2", "back")
INPUTS = {
    "image": ((6, 6, 4), "float32"),
    "rgb": ((6, 6, 3), "float32"),
    "steps": ((5, 4), "float32"),
    "vector": ((7,), "float32"),
    "volume": ((4, 4, 4, 2), "float32"),
    "clips": ((3, 6, 6, 2), "float32"),
    "ids": ((5,), "int32"),
    "waveform": ((600,), "float32"),
}
NO_ACTIVATIONS = ("get", "serialize", "deserialize")
ACTIVATIONS = [name for name in dir(keras.activations) if not name.startswith("_") and name not in NO_ACTIVATIONS]
NEEDED: dict[str, Any] = {
    "filters": 4, "kernel_size": 3, "units": 3, "activation": "tanh", "input_dim": 9, "output_dim": 3, "num_tokens": 9,
    "num_heads": 2, "key_dim": 3, "head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2,
    "equation": "abc,cd->abd",
    "output_shape": (5, 3), "height": 4, "width": 4, "factor": 0.1, "height_factor": 0.1, "width_factor": 0.1,
    "rate": 0.3, "stddev": 0.3, "scale": 0.1, "n": 3, "dims": (2, 1), "target_shape": (-1, 2), "axes": 1,
    "output_size": 3, "num_bins": 5, "mean": 1.0, "variance": 2.0, "num_groups": 2, "bin_boundaries": [-1.0, 1.0],
    "axis": -1, "newshape": (-1, 2), "repeats": 2, "shift": 1, "x_min": -1.0, "x_max": 1.0, "pad_width": 1,
    "indices_or_sections": 2, "size": (3, 3), "pool_size": 2, "block_size": 2, "source": 1, "destination": -1,
    "axis1": 1, "axis2": -1, "dtype": "float16", "num_classes": 5, "ord": 2, "k": 2, "max_length": 4,
}  # fmt: skip
CHANGED: dict[str, list[Any]] = {
    **dict.fromkeys(("activation", "recurrent_activation"), ACTIVATIONS),
    "padding": ["same", "causal"],
    **{key: [2, (2, 2)] for key in ("strides", "dilation_rate", "groups", "depth_multiplier", "output_padding")},
    **{
        key: [True, False]
        for key in (
            "use_bias", "return_sequences", "return_state", "go_backwards", "stateful", "unroll", "reset_after",
            "keepdims", "center", "scale", "renorm", "rms_scaling", "mask_zero", "normalize", "invert", "use_scale",
            "antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "unit_forget_bias", "approximate", "use_gate",
            "zero_output_for_mask", "synchronized", "sparse",
        )
    },
    "axis": [1, -1, None, (1, 2)],
    "data_format": ["channels_first"],
    "interpolation": ["nearest", "bilinear", "bicubic"],
    "mode": ["reflect", "symmetric"],
    "dtype": ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64", "int32"],
    "epsilon": [0.1], "alpha": [0.3], "negative_slope": [0.3], "max_value": [2.0], "threshold": [0.2], "initial": [1.0],
    "dropout": [0.3], "recurrent_dropout": [0.3], "lora_rank": [2], "value_dim": [2], "attention_axes": [(1,)],
    "sliding_window": [2], "score_mode": ["concat"], "output_mode": ["one_hot", "count"], "constant_values": [1.0],
    "shared_axes": [[1]], "fill_mode": ["reflect"], "value_range": [(0, 1)], "offset": [1.0], "seed": [3],
    "trainable": [False], "kernel_regularizer": ["l2"], "bias_constraint": ["non_neg"], "use_causal_mask": [True],
}  # fmt: skip
Case = tuple[str, Any]  # what it is, and the model


def main() -> None:
    """Make, translate, count, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="names that hold this")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    counts: dict[str, dict[str, Counter[str]]] = {}
    bad: list[str] = []
    for kind, cases in (("layers", layer_cases(arguments.only)), ("operations", operation_cases(arguments.only))):
        counts[kind] = {way: Counter() for way in WAYS}
        for name, model in cases:
            for way, (verdict, told) in zip(WAYS, judged(model), strict=False):
                counts[kind][way][verdict] += 1
                if verdict not in ("equal", "refused"):
                    bad.append(f"{way}: {verdict}: {name}: {told}")
                    print(bad[-1], flush=True)
    print(f"Keras {keras.__version__}")
    for kind, ways in counts.items():
        for way, counted in ways.items():
            listed = ", ".join(f"{many} {what}" for what, many in counted.items())
            print(f"{kind}, {way}: {sum(counted.values())} calls; {listed}")
    print("reached" if not bad else "NOT REACHED")
    if arguments.json:
        write_text(arguments.json, to_json({"counts": counts, "bad": bad, "versions": versions()}))


def layer_cases(only: str) -> Iterator[Case]:
    """Yield models of one layer for every public layer class, in every form that Keras accepts."""
    for name, kind in sorted(vars(keras.layers).items()):
        if inspect.isclass(kind) and issubclass(kind, keras.layers.Layer) and only in name:
            parameters = _parameters(kind.__init__)
            for options in _options(parameters, common=("dtype", "trainable")):
                yield from _models(
                    f"{name}({_shown(options)})", lambda kind=kind, options=options: _layer(kind, options)
                )


def operation_cases(only: str) -> Iterator[Case]:
    """Yield models of one operation for every public function of `keras.ops`, of one, two or a list of tensors."""
    for space in (keras.ops, keras.ops.image, keras.ops.linalg):
        for name, function in sorted(vars(space).items()):
            if not inspect.isfunction(function) or only not in name:
                continue
            parameters = _parameters(function)
            for options in _options(parameters[1:]):
                call = lambda function=function, options=options: lambda x: function(x, **options)  # noqa: E731
                yield from _models(f"ops.{name}({_shown(options)})", call)
            for text, arguments in {"x, x": lambda x: (x, x * 2.0), "[x, x]": lambda x: ([x, x * 2.0],)}.items():
                pair = lambda function=function, arguments=arguments: lambda x: function(*arguments(x))  # noqa: E731
                yield from _models(f"ops.{name}({text})", pair)


def judged(model: Any) -> Iterator[tuple[str, str]]:
    """Yield, to Keras 2 and back, "equal", "refused", "refused in others' words" or "wrong", and what was said."""
    generator = np.random.default_rng(11)
    shapes = [(3, *tensor.shape[1:]) for tensor in model.inputs]
    inputs = [
        generator.integers(0, 9, shape).astype("int32") if "int" in tensor.dtype else generator.normal(0, 2, shape)
        for tensor, shape in zip(model.inputs, shapes, strict=True)
    ]
    try:
        expected = [np.asarray(each, "float64") for each in nest.flatten(model(inputs[0], training=False))]
    except Exception:  # Keras takes ones, and not this noise
        return
    unit = 2.0**-20  # of sums in float32
    for translate in (to_keras2, to_keras3):
        names = [model.name, *(layer.name for layer in getattr(model, "_operations", model.layers))]
        try:
            model, notes = translate(model)
        except UnsupportedModelError as error:
            told = str(error)
            clear = any(name in told for name in names) and error.hint and "Traceback" not in told and len(told) < 1000
            yield "refused" if clear else "refused in others' words", told
            return
        except Exception as error:
            yield "refused in others' words", f"{type(error).__name__}: {error}"[:300]
            return
        if any(note.action == "made float32" for note in notes):
            unit = 2.0**-5  # bfloat16 and float16 have 2^-8 and 2^-11 on their side, some eight times
        verdict, told = compared(expected, model, inputs[0], unit)
        yield verdict, told
        if verdict != "equal":
            return


def compared(expected: list[np.ndarray], model: Any, inputs: np.ndarray, unit: float) -> tuple[str, str]:
    """Return "equal" or "wrong", and how far what the model computes is apart."""
    try:
        found = [np.asarray(each, "float64") for each in nest.flatten(model(inputs, training=False))]
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"[:300]
    if len(found) != len(expected):
        return "wrong", f"{len(found)} outputs instead of {len(expected)}"
    for left, right in zip(expected, found, strict=True):
        if left.shape != right.shape or not np.array_equal(np.isfinite(left), np.isfinite(right)):
            return "wrong", f"{left.shape} and {right.shape}, or not finite in one"
        finite = np.isfinite(left)
        apart = float(np.abs(left - right)[finite].max(initial=0.0))
        if apart > 4 * unit * max(1.0, float(np.abs(left[finite]).max(initial=0.0))):
            return "wrong", f"{apart:.3g} apart"
    return "equal", ""


def _options(parameters: list[inspect.Parameter], common: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    base = {
        each.name: NEEDED[each.name]
        for each in parameters
        if each.default is inspect.Parameter.empty and each.name in NEEDED
    }
    yield base
    for key in [*(each.name for each in parameters), *common]:
        for value in CHANGED.get(key, []):
            yield {**base, key: value}


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        each for each in inspect.signature(function).parameters.values() if each.kind in plain and each.name != "self"
    ]


def _models(name: str, made: Callable[[], Callable[[Any], Any]]) -> Iterator[Case]:
    """Yield the model on the first kind of input that Keras accepts and computes, if there is one."""
    for shown, (shape, dtype) in INPUTS.items():
        try:
            keras.utils.set_random_seed(0)
            inputs = keras.Input(shape, dtype=dtype)
            model = keras.Model(inputs, made()(inputs))
            if not model.outputs or any(output is inputs for output in model.outputs):
                continue
            model(np.ones((2, *shape), dtype), training=False)
        except Exception:
            continue
        generator = np.random.default_rng(1)
        for variable in model.trainable_variables:
            variable.assign(variable + generator.uniform(0.1, 0.4, variable.shape))
        yield f"{name} on {shown}", model
        return


def _layer(kind: Any, options: dict[str, Any]) -> Callable[[Any], Any]:
    inner = {"layer": lambda: keras.layers.LSTM(3), "cell": lambda: keras.layers.GRUCell(3)}
    needs = [each.name for each in _parameters(kind.__init__) if each.name in inner]
    layer = kind(**{key: inner[key]() for key in needs}, **options)
    takes = list(inspect.signature(kind.call).parameters)
    if "value" in takes:
        return lambda x: layer(x, x)
    return (lambda x: layer([x, x * 2.0])) if _merges(kind) else layer


def _merges(kind: Any) -> bool:
    merging = (keras.layers.Add, keras.layers.Concatenate, keras.layers.Attention, keras.layers.AdditiveAttention)
    return issubclass(
        kind, tuple(base for each in merging for base in each.__mro__[:2] if base is not keras.layers.Layer)
    )


def _shown(options: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in options.items())


if __name__ == "__main__":
    main()
