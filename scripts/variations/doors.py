"""Files that name code (18), and folders in the place of files (14): all are to be refused, and to do nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from variations.variation import FLOAT, Variation


def _edited(edit: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Edit the config of a model in a file of either format."""

    def change(path: Path) -> None:
        if path.suffix == ".h5":
            import h5py

            with h5py.File(path, "r+") as file:
                config = json.loads(file.attrs["model_config"])
                edit(config)
                file.attrs["model_config"] = json.dumps(config)
            return
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(parts["config.json"])
        edit(config)
        parts["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)

    return change


def _layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in config["config"]["layers"] if each["config"].get("name") == name)


def _calls(function: str, *arguments: Any, **options: Any) -> Callable[[dict[str, Any]], None]:
    """Have a TFOpLambda layer call another function, of constants."""

    def edit(config: dict[str, Any]) -> None:
        layer = next(each for each in config["config"]["layers"] if each["class_name"] == "TFOpLambda")
        layer["config"]["function"] = function
        if arguments:
            layer["inbound_nodes"] = [["_CONSTANT_VALUE", -1, arguments[0], options]]

    return edit


def _sets(layer: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: _layer(config, layer)["config"].update(fields)


def _is(layer: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: _layer(config, layer).update(fields)


SYSTEM = {"class_name": "function", "config": "system", "module": "os", "registered_name": "system"}
LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wEAAA==", "defaults": None, "closure": None}}
WRITING = {"name": "d", "function": "io.write_file"}
METHOD = {"name": "d", "cls_ref": "os", "method_name": "system"}
NODE = {"name": "d", "node_def": {"op": "WriteFile", "name": "d"}, "constants": {}}
IN_LAMBDA = {"name": "d", "function": LAMBDA, "function_type": "lambda"}
WRAPPED = {
    "name": "d",
    "layer": {"class_name": "Lambda", "module": "keras.layers", "config": {**IN_LAMBDA, "name": "in"}},
}
TOUCH = {"class_name": "system", "module": "os", "config": {"command": "touch written.txt"}}
POPEN = {"class_name": "Popen", "module": "subprocess", "config": {"args": ["touch", "written.txt"]}}
EXEC = {"class_name": "exec", "module": "builtins", "config": {"source": "1"}}
GET_FILE = {"class_name": "function", "config": "get_file", "module": "keras.utils", "registered_name": "get_file"}
Edit = Callable[[dict[str, Any]], None]
DOORS: dict[str, tuple[str, Edit]] = {  # which Keras has them, and the edit
    "io.write_file": ("2", _calls("io.write_file", "written.txt", contents="hello")),
    "io.read_file": ("2", _calls("io.read_file", "/etc/hostname")),
    "raw_ops.WriteFile": ("2", _calls("raw_ops.WriteFile", "written.txt", contents="hello")),
    "print": ("2", _calls("print")),
    "py_function": ("2", _calls("py_function")),
    "debugging.assert_near": ("2", _calls("debugging.assert_near", 1.0, y=1.0)),
    "keras.models.load_model": ("2", _calls("keras.models.load_model", "other.h5")),
    "keras.utils.get_file": ("2", _calls("keras.utils.get_file", "name", origin="http://localhost:1/x")),
    "a function with dots": ("2", _calls("math.__class__.add")),
    "a slicing layer of another function": ("2", _is("d", class_name="SlicingOpLambda", config=WRITING)),
    "a class method": ("2", _is("d", class_name="ClassMethod", config=METHOD)),
    "a TensorFlow operation": ("2", _is("d", class_name="TensorFlowOpLayer", config=NODE)),
    "a Lambda layer": ("23", _is("d", class_name="Lambda", config=IN_LAMBDA)),
    "another module": ("23", _is("d", module="os", class_name="system", registered_name=None)),
    "a registered class": ("23", _is("d", class_name="Custom>Evil", registered_name="Custom>Evil")),
    "an activation of os": ("23", _sets("d", activation=SYSTEM)),
    "an activation by a lambda": ("23", _sets("d", activation=LAMBDA)),
    "an initializer of os": ("23", _sets("d", kernel_initializer=TOUCH)),
    "a regularizer of subprocess": ("23", _sets("d", kernel_regularizer=POPEN)),
    "a constraint of builtins": ("23", _sets("d", bias_constraint=EXEC)),
    "a dtype policy of os": ("3", _sets("d", dtype=TOUCH)),
    "a wrapper around code": ("23", _is("d", class_name="TimeDistributed", config=WRAPPED)),
    "a module of PyTorch": ("3", _is("d", class_name="TorchModuleWrapper", config={"name": "d", "module": "AAAA"})),
    "a SavedModel inside": ("3", _is("d", class_name="TFSMLayer", config={"name": "d", "filepath": "/tmp/x"})),
    "a function of keras.utils": ("3", _sets("d", activation=GET_FILE)),
}


def _doors_network(keras: Any) -> Any:
    keras.utils.set_random_seed(3)
    x = keras.Input((4,), name="given")
    return keras.Model(x, keras.layers.Dense(2, name="d")(x) + 1.0)


@dataclass(frozen=True)
class Doors:
    """Files that name code: none may be converted, or do anything."""

    def variations(self) -> Iterator[Variation]:
        """Yield every door in every Keras and file format that has it."""
        for name, (which, edit) in DOORS.items():
            for keras in which:
                for ending in ("h5", "keras"):
                    yield Variation(
                        "18", name, _doors_network, keras=keras, ending=ending, targets=FLOAT[:1], change=_edited(edit),
                        must_be_refused=True, says=("layer in (",),
                    )  # fmt: skip


@dataclass(frozen=True)
class Folders:
    """SavedModels, which are no files: they are to be refused as what they are."""

    def variations(self) -> Iterator[Variation]:
        """Yield one of each Keras."""
        for keras in "23":
            yield Variation(
                "14", "a SavedModel", _doors_network, keras=keras, ending="folder", says=("SavedModel",),
                must_be_refused=True,
            )  # fmt: skip


TABLES = (Doors(), Folders())
