"""The installed LiteRT has just these operators and versions."""

from __future__ import annotations

import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgecompress.convert.tflite.rules.versions import NEWEST
from edgecompress.testing.tflite_files import model_table, pack


def resolves(kind: str, version: int) -> bool:
    """Whether LiteRT opens a file without operators that names one of a kind and version."""
    model = model_table([], [], outputs=[])
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
    model.operatorCodes = [code]
    try:
        Interpreter(model_content=pack(model))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("kind", [kind for kind in vars(schema.BuiltinOperator) if kind.isupper()])
def test_the_newest_version(kind: str) -> None:
    if kind in ("CUSTOM", "DELEGATE"):
        return
    newest = NEWEST.get(kind, 0)
    assert newest == 0 or resolves(kind, newest)
    assert not resolves(kind, newest + 1)
