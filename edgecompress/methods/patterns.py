"""Patterns of layer names: regular expressions that must match a whole name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgecompress.errors import MethodError
from edgecompress.methods.protocol import Model
from edgecompress.suggest import suggest


def require_pattern(pattern: str, owner: str) -> None:
    """Raise `MethodError` where `pattern`, which `owner` was given, is not a regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise MethodError(
            f"{owner} got '{pattern}', which is not a regular expression: {error}.", hint="An example is 'conv_pw_.*'."
        ) from error


def require_match(pattern: str, owner: str, model: Model, *, more: Sequence[str] = ()) -> None:
    """Raise `MethodError`, with near names, where no layer's whole name matches the pattern that `owner` was given.

    `more` are names that layers had before.
    """
    names = [layer.name for layer in model.layers] + list(more)
    if not any(re.fullmatch(pattern, name) for name in names):
        raise MethodError(
            f"No layer of '{model.name}' matches the pattern '{pattern}' of {owner}.",
            hint=f"The pattern must match a layer's whole name. {suggest(pattern, names)}",
        )
