"""Files of Larq compute here what they computed in Larq; what has no equal is refused by the names of both.

The files are made by scripts/larq_testdata.py, in an environment that has Larq.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgecompress.environment import load_tf_keras
from edgecompress.errors import ModelFileError, UnsupportedModelError
from edgecompress.formats.keras.allowed.names import LARQ_CLASSES
from edgecompress.formats.keras.file import read_keras
from edgecompress.keras_bridge.keras3_file import save_keras3
from edgecompress.loading import load_model, load_noted
from edgecompress.tfmot.keras2_file import save_keras2
from edgecompress.tfmot.stand_ins.larq import stand_ins
from edgecompress.tfmot.stand_ins.translation import translate

FOLDER = Path(__file__).parent / "testdata"
NETWORKS = ("tutorial", "quicknet", "bireal", "mixture")


def assert_same_as_larq(model, network: str) -> None:
    """Compare outputs with Larq's.

    No value that a sign is taken of is nearer to 0 than 2e-4, except exact zeros; the values are at most about 2^5, so
    that what another order of float32 sums changes, a few 2^-24 of them, flips no sign. Behind the last exact sums, at
    most 2^8 roundings of 2^-24 are left on the way to an output.
    """
    with np.load(FOLDER / f"larq_{network}.npz") as stored:
        found, expected = model.predict(stored["images"], verbose=0), stored["outputs"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2.0**-16 * np.abs(expected).max())


def edited(network: str, tmp_path: Path, change) -> Path:
    """Return a copy of an .h5 file in which `change` has altered the list of layers of the config."""
    path = Path(shutil.copy(FOLDER / f"larq_{network}.h5", tmp_path))
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config["config"]["layers"])
        file.attrs["model_config"] = json.dumps(config)
    return path


def with_option(key: str, value, index: int = 1):
    return lambda layers: layers[index]["config"].update({key: value})


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_it_computes_what_larq_computed(network: str, suffix: str) -> None:
    assert_same_as_larq(load_model(FOLDER / f"larq_{network}.{suffix}"), network)


@pytest.mark.parametrize("network", NETWORKS)
def test_its_layers_are_counted_without_loading_it(network: str) -> None:
    summary = read_keras(FOLDER / f"larq_{network}.keras")
    model = load_model(FOLDER / f"larq_{network}.keras")
    assert sum(layer.parameters for layer in summary.layers) == sum(
        int(np.prod(weight.shape)) for weight in model.trainable_weights
    )
    assert all(len(layer.output_shape) > 1 and layer.weight_bits in (None, 32) for layer in summary.layers)


def test_larq_is_not_imported(monkeypatch) -> None:
    assert "larq" not in sys.modules  # by any module above
    monkeypatch.setitem(sys.modules, "larq", None)  # an import of it fails
    model = load_model(FOLDER / "larq_tutorial.keras")
    assert type(model.get_layer("quant_dense")).__name__ == "BinaryDense"


def test_the_quantizers_say_how_a_layer_is_trained() -> None:
    model = load_model(FOLDER / "larq_bireal.h5")
    layer = model.get_layer("quant_conv2d")
    assert (layer.scaled, layer.binary_inputs, layer.input_gradient) == (True, True, "approximate")
    first, second = (
        load_model(FOLDER / "larq_tutorial.h5").get_layer(name) for name in ("quant_conv2d", "quant_dense")
    )
    assert (first.scaled, first.binary_inputs) == (False, False)
    assert (second.scaled, second.binary_inputs, second.input_gradient) == (False, True, "ste")


def test_a_translated_model_is_one_of_edgecompress(tmp_path: Path) -> None:
    model, path = load_model(FOLDER / "larq_mixture.h5"), tmp_path / "model.keras"
    save_keras3(model, path)
    back = load_model(path)
    assert [type(layer) for layer in back.layers] == [type(layer) for layer in model.layers]
    assert_same_as_larq(back, "mixture")


def test_files_of_older_versions_have_other_names(tmp_path: Path) -> None:
    def rename(layers) -> None:
        for layer in layers:
            if layer["class_name"] in LARQ_CLASSES:
                layer["class_name"] = f"Larq>{layer['class_name']}"
                layer["config"]["kernel_quantizer"] = "ste_sign"
                if layer["config"]["input_quantizer"]:
                    layer["config"]["input_quantizer"] = {"class_name": "Larq>SteSign", "config": {"clip_value": 1.0}}
                layer["config"]["kernel_constraint"] = {"class_name": "Larq>WeightClip", "config": {"clip_value": 1}}

    path = edited("tutorial", tmp_path, rename)
    assert_same_as_larq(load_model(path), "tutorial")
    assert read_keras(path).layers == tuple(
        layer if not layer.kind.startswith("Quant") else type(layer)(**{**vars(layer), "kind": f"Larq>{layer.kind}"})
        for layer in read_keras(FOLDER / "larq_tutorial.h5").layers
    )


def test_every_class_that_is_not_taken_for_code_has_a_stand_in() -> None:
    assert set(stand_ins()) == {f"{package}{name}" for name in LARQ_CLASSES for package in ("", "Larq>")}


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("kernel_quantizer", "ste_tern", "'quant_conv2d' .* has the kernel_quantizer 'ste_tern'"),
        ("kernel_quantizer", {"module": "larq.quantizers", "class_name": "DoReFa", "config": {}}, "'DoReFa'"),
        ("kernel_quantizer", {"class_name": "NoOp", "config": {"precision": 1}}, "'NoOp'"),
        ("input_quantizer", "ste_heaviside", "the input_quantizer 'ste_heaviside'"),
        ("input_quantizer", "magnitude_aware_sign", "the input_quantizer 'magnitude_aware_sign'"),
        (
            "input_quantizer",
            {"module": "mine", "class_name": "Mine", "config": {}, "registered_name": "M>Mine"},
            "Mine",
        ),
        ("activation", {"class_name": "SteSign", "config": {}}, "'quant_conv2d' .* inside"),
        # What no version of Larq has written:
        ("input_quantizer", 7, "'int'"),
        ("input_quantizer", True, "'bool'"),
        ("input_quantizer", [["SteSign"]], "'list'"),
        ("kernel_quantizer", {}, "'NoneType'"),
        ("kernel_quantizer", {"class_name": {"class_name": "SteSign"}}, "'dict'"),
        ("kernel_quantizer", {"class_name": "x" * 1_000_000}, "'x{60}'"),
        ("kernel_quantizer", "Larq>" * 1000, "'Larq>"),
        ("depthwise_quantizer", "os.system", "'os.system'"),
        ("name", {"class_name": "SteSign"}, "cannot be (rebuilt|put together)"),
        ("__class__", "int", "cannot be (rebuilt|put together)"),
        ("parts", 1, "cannot be (rebuilt|put together)"),
    ],
)
def test_what_has_no_equal_is_refused(key: str, value, told: str, tmp_path: Path) -> None:
    path = edited("tutorial", tmp_path, with_option(key, value))
    with pytest.raises((UnsupportedModelError, ModelFileError), match=told) as caught:
        load_model(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("value", [-1.0, 2, 0.5, "1", [1.0] * 1000, {"a": [1]}, None, float("nan"), 10**400])
@pytest.mark.parametrize(("network", "layer"), [("quicknet", "quant_conv2d"), ("mixture", "quant_depthwise_conv2d")])
def test_paddings_are_by_0_or_by_1(value, network: str, layer: str, tmp_path: Path) -> None:
    def change(layers) -> None:
        next(each for each in layers if each["config"]["name"] == layer)["config"]["pad_values"] = value

    with pytest.raises(UnsupportedModelError, match=f"'{layer}' .* pad"):
        load_model(edited(network, tmp_path, change))


@pytest.mark.parametrize("kind", ["QuantConv1D", "QuantConv2DTranspose", "Larq>QuantLocallyConnected2D", "DoReFa"])
def test_other_layers_of_larq_are_refused(kind: str, tmp_path: Path) -> None:
    path = edited("tutorial", tmp_path, lambda layers: layers[-1].update(class_name=kind))
    with pytest.raises((UnsupportedModelError, ModelFileError), match=f"'activation' \\({kind.removeprefix('Larq>')}"):
        load_model(path)


def test_a_layer_inside_a_wrapper_is_refused() -> None:
    keras = load_tf_keras()
    steps = keras.Input((2, 5))
    inner = stand_ins()["QuantDense"](units=3, kernel_quantizer="ste_sign")
    model = keras.Model(steps, keras.layers.TimeDistributed(inner, name="outer")(steps))
    with pytest.raises(UnsupportedModelError, match=r"'outer' .* inside"):
        translate(model)


def test_channels_come_last() -> None:
    keras = load_tf_keras()
    image = keras.Input((3, 8, 8))
    layer = stand_ins()["QuantConv2D"](
        name="first", filters=4, kernel_size=3, data_format="channels_first", kernel_quantizer="ste_sign"
    )
    with pytest.raises(UnsupportedModelError, match=r"'first' .* channels first"):
        translate(keras.Model(image, layer(image)))


def test_a_model_without_larq_is_left_as_it_is(tmp_path: Path) -> None:
    keras = load_tf_keras()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    save_keras2(model, tmp_path / "model.h5")
    assert isinstance(load_noted(tmp_path / "model.h5").model, keras.Model)
