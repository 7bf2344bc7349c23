"""What is wrong with a recipe, in words."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from edgecompress.recipes.sections import Recipe
from edgecompress.suggest import suggest


def explained(error: ValidationError) -> str:
    """Return the first fault in a sentence; of an unknown key, the nearest known one."""
    first = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")  # a typo explains the rest
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section: Any = Recipe.model_fields[str(first["loc"][0])].annotation if len(first["loc"]) > 1 else Recipe
        known = list(getattr(section, "model_fields", {}))
        return f"unknown key '{where}'. {suggest(str(first['loc'][-1]), known)}"
    return f"{where or 'value'}: {first['msg']}, got {first.get('input')!r}."
