"""What of a Keras config is code, decided before Keras sees it; and the config as Keras may then see it.

Keras turns every `class_name` into an object, imports the `module` beside it, and looks names of functions up, wherever
in a config they stand. So everything that is not in `names` is code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from edgecompress.formats.keras.allowed.functions import NODE_OPERATIONS, TENSOR_FUNCTIONS
from edgecompress.formats.keras.allowed.names import (
    ACTIVATIONS,
    CODE_LAYERS,
    ELSEWHERE,
    LARQ_CLASSES,
    LARQ_QUANTIZERS,
    LOOKED_UP,
    OBJECTS,
    REGISTERED,
)
from edgecompress.formats.keras.config import check_bounds

# The parts of both Keras that hold nothing by a known name but what is meant; a test looks at all of them.
_KERAS_MODULE = re.compile(
    r"(?!.*(test|benchmark))(tf_)?keras(\.src|\.api)?(\.(layers|engine|models|ops|initializers|regularizers|constraints|activations"
    r"|dtype_policies|mixed_precision|quantizers)(\.[a-z0-9_]+)*)?"
)
_FUNCTION_LAYERS = ("TFOpLambda", "SlicingOpLambda")
_METHOD_LAYERS = ("ClassMethod", "InstanceMethod", "InstanceProperty")
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Code:
    """Something in a config that is not known to compute on tensors and to do nothing else."""

    layer: str
    what: str
    loadable: bool = True  # False: nobody here has anything by that name, so that trust would not help


def code_in(config: dict[str, Any]) -> tuple[Code, ...]:
    """Return what in a model config is code, in the order of the config."""
    return judge(config)[1]


def judge(config: dict[str, Any]) -> tuple[dict[str, Any], tuple[Code, ...]]:
    """Return a model config without what edgecompress never loads, and what of the rest is code.

    Never loaded are settings of training, the quantizers of Larq's layers beyond their names, and the module of a class
    that is found by its registered name.

    Raises:
        ModelFileError: it is nested too deeply, or holds too many values.
    """
    check_bounds(config)
    found: dict[Code, None] = {}
    return _clean(config, "", "", found), tuple(found)


def _clean(value: Any, key: str, layer: str, found: dict[Code, None]) -> Any:
    """Copy a value that stands at a key of a layer's config; what is code is added to `found`."""
    if isinstance(value, list | tuple):
        return [_clean(each, key, layer, found) for each in value]
    if isinstance(value, str):
        ending = next((ending for ending in LOOKED_UP if key.endswith(ending)), None)
        if ending and value not in LOOKED_UP[ending] and value not in LARQ_CLASSES:
            found[Code(layer, f"the {ending} {_shown(value)}", loadable=False)] = None
        return value
    if not isinstance(value, dict):
        return value
    layer = layer if key == "dtype" else _layer_name(value) or layer  # a type has a name, too
    kept = {inner: each for inner, each in value.items() if inner != "compile_config"}
    if "class_name" in value:
        code = _code(value, layer)
        if code:
            found[code] = None
        elif _is_registered(value) and not _is_kerass(value):
            kept.pop("module", None)
    copy = {}
    for inner, each in kept.items():
        if inner == "config" and isinstance(each, dict) and _is_larqs(value):
            each = {name: _class_of(part) if name in LARQ_QUANTIZERS else part for name, part in each.items()}
        copy[inner] = _clean(each, inner, layer, found)
    return copy


def _code(value: dict[str, Any], layer: str) -> Code | None:
    """Return what is wrong with an object, if anything; what is in its config is another matter."""
    kind, module = value["class_name"], value.get("module")
    config = value.get("config")
    fields = config if isinstance(config, dict) else {}
    if not isinstance(kind, str):
        return Code(layer, "an object whose class has no name")
    if kind == "function":
        return None if _is_activation(value) else Code(layer, f"the function {_shown(config)} of {_shown(module)}")
    if kind in _FUNCTION_LAYERS:
        if not _is_kerass(value, {*_FUNCTION_LAYERS}):
            return _unknown(value, layer)
        function = fields.get("function")
        known = isinstance(function, str) and function in TENSOR_FUNCTIONS
        return None if known else Code(layer, f"the TensorFlow function {_shown(function)}")
    if kind == "TensorFlowOpLayer":
        node = fields.get("node_def")
        operation = node.get("op") if isinstance(node, dict) else None
        known = _is_kerass(value, {kind}) and isinstance(operation, str) and operation in NODE_OPERATIONS
        return None if known else Code(layer, f"the TensorFlow operation {_shown(operation)}")
    if kind in _METHOD_LAYERS:
        called = [fields[key] for key in ("cls_ref", "cls_symbol", "method_name", "attr_name") if key in fields]
        return Code(layer, f"the method {_shown('.'.join(map(str, called)))}")
    return None if _is_kerass(value) or _is_registered(value) else _unknown(value, layer)


def _unknown(value: dict[str, Any], layer: str) -> Code:
    kind, module = value["class_name"], value.get("module")
    last = kind.rpartition(">")[2]
    if last in CODE_LAYERS:
        return Code(layer, CODE_LAYERS[last])
    if module is None:
        return Code(layer, f"the class {_shown(kind)}", loadable=False)
    return Code(layer, f"the class {_shown(kind)} of {_shown(module)}")


def _is_kerass(value: dict[str, Any], known: frozenset[str] | set[str] = OBJECTS) -> bool:
    """Return whether the object is a known one of Keras's own, under no other name and of no other module."""
    kind, module = value["class_name"], value.get("module")
    if not isinstance(kind, str) or value.get("registered_name") not in (None, kind):
        return False
    if not isinstance(module, str):
        return module is None and kind in known
    return (kind in known and _KERAS_MODULE.fullmatch(module) is not None) or (module, kind) in ELSEWHERE


def _is_registered(value: dict[str, Any]) -> bool:
    """Return whether the object is one that edgecompress has, by whichever of its two names Keras looks it up."""
    return all(_bare(name) in REGISTERED for name in _lookup_names(value))


def _is_larqs(value: dict[str, Any]) -> bool:
    return "class_name" in value and all(_bare(name) in LARQ_CLASSES for name in _lookup_names(value))


def _lookup_names(value: dict[str, Any]) -> tuple[Any, Any]:
    return value["class_name"], value.get("registered_name", value["class_name"])


def _bare(name: Any) -> Any:
    return re.sub("^(Larq|Custom)>", "", name) if isinstance(name, str) else None


def _is_activation(value: dict[str, Any]) -> bool:
    name, module = value.get("config"), value.get("module", "builtins")
    return (
        isinstance(name, str)
        and name in ACTIVATIONS
        and value.get("registered_name") in (None, name, "function")
        and isinstance(module, str)
        and (module == "builtins" or _KERAS_MODULE.fullmatch(module) is not None)
    )


def _layer_name(value: dict[str, Any]) -> str:
    config = value.get("config")
    name = config.get("name") if isinstance(config, dict) and "class_name" in value else None
    return _printable(name) if isinstance(name, str) else ""


def _class_of(quantizer: Any) -> str | None:
    """Return the name of a quantizer, or of the type of what is stored in its place."""
    name = quantizer.get("class_name") if isinstance(quantizer, dict) else quantizer
    return name if quantizer is None or isinstance(name, str) else type(name).__name__


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else f"of type {type(value).__name__}"
    return _printable(text)


def _printable(text: str) -> str:
    """Return what a file says as it can be printed: it may hold control characters, and megabytes of them."""
    if len(text) <= _SHOWN_CHARACTERS and text.isprintable():
        return text
    shown = "".join(each if each.isprintable() else "?" for each in text[:_SHOWN_CHARACTERS])
    return shown + ("..." if len(text) > _SHOWN_CHARACTERS else "")
