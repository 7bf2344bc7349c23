import shutil
from pathlib import Path

import numpy as np
import pytest

from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.errors import ArchitectureError, ModelFileError
from edgecompress.tfmot.wrapping.translating import enter
from edgecompress.zoo import find
from edgecompress.zoo.weights import load_weights

WIDTH, RESOLUTION = 0.25, 128


def build(**options):
    return find("mobilenet_v1").build(**{"width": WIDTH, "resolution": RESOLUTION, **options})


@pytest.fixture(scope="module")
def theirs():
    """Keras's own network with random weights and random statistics, in place of the ImageNet ones."""
    keras = load_tf_keras()
    model = keras.applications.MobileNet((RESOLUTION, RESOLUTION, 3), alpha=WIDTH, weights=None)
    generator = np.random.default_rng(3)
    model.set_weights([generator.uniform(0.1, 1, weight.shape) for weight in model.weights])
    return model


@pytest.fixture(scope="module")
def saved(theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for name in ("model.h5", "model.keras"):
        theirs.save(folder / name)
    for name in ("only.h5", "only.weights.h5"):
        theirs.save_weights(folder / name)
    return folder


def same_weights(ours, theirs, without=()):
    return [
        layer.name
        for layer in theirs.layers
        if layer.weights and layer.name not in without
        for mine, other in zip(ours.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True)
        if not np.array_equal(mine, other)
    ] == []


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "only.h5", "only.weights.h5"])
def test_each_kind_of_file_loads_bit_for_bit(saved, theirs, name):
    model = build()
    assert load_weights(model, str(saved / name)) == ()
    assert same_weights(model, theirs)


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_files_of_keras_3_load(tmp_path, name):
    import keras as keras_3

    theirs = keras_3.applications.MobileNet((RESOLUTION, RESOLUTION, 3), alpha=WIDTH, weights=None)
    theirs.save(tmp_path / name)
    model = build()
    assert load_weights(model, str(tmp_path / name)) == ()
    assert same_weights(model, theirs)


@pytest.mark.parametrize("name", ["model.h5", "only.weights.h5"])
def test_other_classes_keep_a_fresh_head_and_say_so(saved, theirs, name):
    model = build(classes=10)
    fresh = model.get_layer("conv_preds").get_weights()[0]
    (note,) = load_weights(model, str(saved / name))
    assert (note.layer, note.action) == ("conv_preds", "fresh weights")
    assert "1000" in note.reason
    assert np.array_equal(model.get_layer("conv_preds").get_weights()[0], fresh)
    assert same_weights(model, theirs, without=("conv_preds",))


def test_every_layer_that_does_not_fit_is_named_and_nothing_is_changed(saved):
    model = build(channels=1, width=0.5)
    before = model.get_weights()
    with pytest.raises(ModelFileError, match="does not fit") as caught:
        load_weights(model, str(saved / "model.h5"))
    for layer in model.layers:
        if layer.weights:
            assert f"{layer.name} has" in caught.value.message
    assert all(np.array_equal(now, then) for now, then in zip(model.get_weights(), before, strict=True))


def test_weights_from_a_model_with_pruning_wrappers(tmp_path):
    lenet = find("lenet_5").build(classes=10)
    load_tfmot().sparsity.keras.prune_low_magnitude(enter(lenet, method="a test")).save(tmp_path / "pruned.h5")
    other = find("lenet_5").build(classes=10)
    assert load_weights(other, str(tmp_path / "pruned.h5")) == ()
    assert same_weights(other, lenet)


def test_files_that_hold_no_weights(saved, tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    cut = tmp_path / "cut.h5"
    cut.write_bytes((saved / "model.h5").read_bytes()[:5000])
    for path in (tmp_path / "text.h5", cut, tmp_path / "missing.h5"):
        with pytest.raises(ModelFileError, match=path.name):
            load_weights(build(), str(path))


def test_imagenet_weights_are_taken_from_keras_cache(saved, theirs, tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".keras" / "models").mkdir(parents=True)
    shutil.copy(saved / "only.h5", tmp_path / ".keras" / "models" / "mobilenet_2_5_128_tf.h5")
    model = build(classes=10)
    assert [note.layer for note in load_weights(model, "imagenet")] == ["conv_preds"]
    assert same_weights(model, theirs, without=("conv_preds",))


@pytest.mark.parametrize(
    ("width", "resolution", "name"),
    [
        (1.0, 224, "mobilenet_1_0_224_tf.h5"),
        (0.75, 96, "mobilenet_7_5_128_tf.h5"),
        (0.5, 170, "mobilenet_5_0_160_tf.h5"),
    ],
)
def test_offline_the_file_its_place_and_its_origin_are_named(tmp_path, monkeypatch, width, resolution, name):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # the discard port: nobody answers
    with pytest.raises(ArchitectureError, match=name) as caught:
        load_weights(build(width=width, resolution=resolution), "imagenet")
    assert str(tmp_path / ".keras" / "models" / name) in caught.value.message
    assert f"tensorflow/keras-applications/mobilenet/{name}" in caught.value.hint
    assert not list(Path(tmp_path).rglob("*.h5"))


@pytest.mark.parametrize("options", [{"width": 0.35}, {"channels": 1}, {"shallow": True}])
def test_networks_without_imagenet_weights(options):
    with pytest.raises(ArchitectureError, match="no ImageNet weights"):
        load_weights(build(**options), "imagenet")


def test_other_architectures_have_no_imagenet_weights():
    with pytest.raises(ArchitectureError, match="no ImageNet weights"):
        load_weights(find("lenet_5").build(classes=10), "imagenet")
