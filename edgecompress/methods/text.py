"""Methods as text: `NAME(option=value, layers="...", epochs=3)`, of literals only, and `A() & B()`, trained as one."""

from __future__ import annotations

import ast
from typing import Any

from edgecompress.errors import MethodError

LONGEST = 10_000  # characters
EXAMPLE = "Write it as 'magnitude_pruning(sparsity=0.9, layers=\"conv_.*\", epochs=3)', or the name alone."


def read_methods(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the name and the figures of each method that is written as a call; nothing of the text is run.

    Raises:
        MethodError: one is no name, and no call of one with literals by name.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError(f"it has {len(text)} characters")
        node, others = ast.parse(text.strip(), mode="eval").body, list[ast.expr]()
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
            others.insert(0, node.right)
            node = node.left
        return [_call(each) for each in (node, *others)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or "it is nested too deeply"
        raise MethodError(f"'{_short(text)}' is no method: {reason}.", hint=EXAMPLE) from error


def _call(node: ast.expr) -> tuple[str, dict[str, Any]]:
    if isinstance(node, ast.Name):
        return node.id, {}
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError("it is neither a name nor a name with options in parentheses")
    if node.args:
        raise ValueError(f"'{ast.unparse(node.args[0])}' stands without the name of its option")
    figures: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError(f"'**{ast.unparse(keyword.value)}' is no option")
        if keyword.arg in figures:
            raise ValueError(f"{keyword.arg} is given twice")
        figures[keyword.arg] = _literal(keyword.arg, keyword.value)
    return node.func.id, figures


def _literal(name: str, value: ast.expr) -> Any:
    try:
        found = ast.literal_eval(value)
    except (ValueError, TypeError):
        found = None
    if not _is_plain(found):
        written = _short(ast.unparse(value))
        raise ValueError(f"{name} is '{written}', and a number, a text in quotes or a list was expected")
    return found


def _is_plain(value: Any) -> bool:
    """Whether a recipe can hold it: no set, which has no order, no bytes, and nothing that stands for nothing."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return isinstance(value, bool | int | float | str)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
