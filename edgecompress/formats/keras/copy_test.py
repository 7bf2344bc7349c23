"""What of a model file is copied for Keras, and what a file cannot smuggle past the reader that judges it."""

import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgecompress.environment import load_tf_keras
from edgecompress.errors import ModelFileError
from edgecompress.formats.keras.file import copy_checked, read_keras
from edgecompress.formats.keras.file_test import small_model
from edgecompress.formats.keras.opening import open_keras


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The small model as each Keras saves it, by name."""
    libraries = {"2": load_tf_keras()}
    import keras

    libraries["3"] = keras
    folder = tmp_path_factory.mktemp("files")
    paths = {f"{flavour}.{suffix}": folder / f"{flavour}.{suffix}" for flavour in "23" for suffix in ("h5", "keras")}
    models = {flavour: small_model(library) for flavour, library in libraries.items()}
    for name, path in paths.items():
        models[name[0]].save(path)
    return paths


def arrays_of(root):
    found = {}
    root.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


@pytest.mark.parametrize("name", ["2.h5", "2.keras", "3.h5", "3.keras"])
def test_a_model_without_code_is_copied(files, tmp_path, name):
    checked = copy_checked(files[name], tmp_path)
    assert checked.code == () and checked.keras_version[0] == name[0]
    copy = tmp_path / checked.name
    assert read_keras(copy).layers == read_keras(files[name]).layers
    with open_keras(files[name]) as stored, open_keras(copy) as copied:
        here, there = arrays_of(stored.weights.root), arrays_of(copied.weights.root)
    assert {key: array.tobytes() for key, array in there.items()} == {
        key: array.tobytes() for key, array in here.items() if "optimizer" not in key
    }


def test_a_copy_has_nothing_but_the_model(tmp_path):
    """Neither settings of training, nor optimizers, nor whatever else somebody put in."""
    model = small_model(load_tf_keras())
    model.compile("adam", "mse")
    model.train_on_batch(np.zeros((1, 8, 8, 3)), np.zeros((1, 4)))
    for suffix in ("h5", "keras"):
        model.save(tmp_path / f"m.{suffix}")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["more"] = h5py.ExternalLink("/etc/passwd", "x")
    with zipfile.ZipFile(tmp_path / "m.keras", "a") as archive:
        archive.writestr("../../evil", b"x")
        archive.writestr("assets/layers/x/vocabulary.txt", b"x")
    (tmp_path / "h5").mkdir()
    copied = tmp_path / "h5" / copy_checked(tmp_path / "m.h5", tmp_path / "h5").name
    with h5py.File(copied) as file:
        assert set(file) == {"model_weights"}
        assert set(file.attrs) == {"model_config", "keras_version", "backend"}
        assert "compile_config" not in file.attrs["model_config"]
    copied = tmp_path / "h5" / copy_checked(tmp_path / "m.keras", tmp_path / "h5").name
    with zipfile.ZipFile(copied) as archive:
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
    with open_keras(copied) as stored:
        assert not [name for name in arrays_of(stored.weights.root) if "optimizer" in name]
    assert sorted(path.name for path in (tmp_path / "h5").iterdir()) == ["model.h5", "model.keras"]


def evil(config):
    """Return the config with its last layer replaced by one that is code."""
    config = json.loads(json.dumps(config))
    config["config"]["layers"][-1] = {"class_name": "Lambda", "config": {"name": "evil"}, "inbound_nodes": []}
    return config


def hdf5(files, path, change):
    """Write a model behind a user block that looks like an archive, with its config changed."""
    with h5py.File(files["2.h5"]) as source, h5py.File(path, "w", userblock_size=512) as copy:
        source.copy("model_weights", copy)
        copy.attrs["model_config"] = json.dumps(change(json.loads(source.attrs["model_config"]))).encode()
        copy.attrs["keras_version"] = source.attrs["keras_version"]
    content = path.read_bytes()
    return b"PK\x03\x04" + content[4:]


def archive(files, path, change):
    with zipfile.ZipFile(files["2.keras"]) as source, zipfile.ZipFile(path, "w") as copy:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                content = json.dumps(change(json.loads(content))).encode()
            copy.writestr(name, content)
    return path.read_bytes()


def test_a_file_with_two_configs_is_loaded_by_the_one_that_was_judged(files, tmp_path):
    """The readers of Keras look at the name and at the end of a file, and at 512 bytes, for what it is."""
    good = lambda config: config  # noqa: E731
    contents = {
        "good.h5": hdf5(files, tmp_path / "part", evil) + archive(files, tmp_path / "part", good),
        "good.keras": files["2.h5"].read_bytes() + archive(files, tmp_path / "part", evil),
        "evil.h5": hdf5(files, tmp_path / "part", good) + archive(files, tmp_path / "part", evil),
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert h5py.is_hdf5(path) and zipfile.is_zipfile(path)
        checked = copy_checked(path, tmp_path)
        assert [code.layer for code in checked.code] == (["evil"] if path.stem == "evil" else []), name
        if checked.name:
            copy = tmp_path / checked.name
            assert b"Lambda" not in copy.read_bytes()
            assert h5py.is_hdf5(copy) != zipfile.is_zipfile(copy)


@pytest.mark.parametrize("name", ["2.h5", "2.keras", "3.keras"])
@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual"])
def test_no_weight_of_any_kind_leads_out_of_the_file(files, tmp_path, name, kind):
    """Not only kernels, whose shapes the summary compares: a bias can carry out what another file holds as well."""
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["bias"] = np.zeros(4, np.float32)
    path = Path(shutil.copy(files[name], tmp_path / f"m{files[name].suffix}"))
    weights = path
    if path.suffix == ".keras":
        weights = tmp_path / "model.weights.h5"
        with zipfile.ZipFile(path) as archive:
            weights.write_bytes(archive.read(weights.name))
            others = {other: archive.read(other) for other in archive.namelist() if other != weights.name}
    with h5py.File(weights, "r+") as file:
        found = []
        file.visititems(lambda name, item: found.append(name) if getattr(item, "shape", None) == (4,) else None)
        place, leaf = found[0].rpartition("/")[::2]
        del file[found[0]]
        if kind == "external link":
            file[place][leaf] = h5py.ExternalLink(str(secret), "bias")
        elif kind == "soft link":
            file[place][leaf] = h5py.SoftLink("/" + found[1])
        elif kind == "external storage":
            file[place].create_dataset(leaf, (4,), np.float32, external=[(str(secret), 0, 16)])
        else:
            layout = h5py.VirtualLayout((4,), np.float32)
            layout[:] = h5py.VirtualSource(str(secret), "bias", (4,))
            file[place].create_virtual_dataset(leaf, layout)
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            for other, content in others.items():
                archive.writestr(other, content)
            archive.write(weights, weights.name)
    with pytest.raises(ModelFileError, match=r"outside the file|link to another place"):
        copy_checked(path, tmp_path)


def test_a_member_that_is_there_twice_is_judged_as_it_is_loaded(files, tmp_path):
    path = Path(shutil.copy(files["2.keras"], tmp_path / "m.keras"))
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", json.dumps(evil(config)))
    assert [code.layer for code in copy_checked(path, tmp_path).code] == ["evil"]


def test_a_saved_model_is_no_model_file(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    for path in (tmp_path, tmp_path / "saved_model.pb"):
        with pytest.raises(ModelFileError, match=r"expected|neither"):
            copy_checked(path, tmp_path)
