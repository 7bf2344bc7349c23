"""A recipe in words, subject by subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecompress.recipes import CompressSection, MethodSection, Recipe


def title(recipe: Recipe) -> str:
    """Return what was trained on what."""
    return f"{recipe.model.name} on {recipe.data.name}"


def in_words(recipe: Recipe) -> dict[str, str]:
    """Return the recipe's choices as phrases: model, data, training, each method, conversion."""
    model, train, convert = recipe.model, recipe.train, recipe.convert
    chosen = {
        "resolution": model.resolution,
        "channels": model.channels,
        "weights": model.weights,
        "new head": model.new_head or None,
        "input range": model.input_range and " to ".join(f"{end:g}" for end in model.input_range),
        **model.options,
    }
    words = {
        "Model": f"{model.name}{_options(chosen)}",
        "Data": recipe.data.name,
        "Training": f"{_epochs(train.epochs)}, batches of {train.batch_size}, peak learning rate "
        f"{train.learning_rate:g} after {_epochs(train.warmup_epochs)} of warm-up, seed {train.seed}",
    }
    for number, section in enumerate(recipe.compress, start=1):
        words[f"Method {number}"] = _method(section)
    kept_float = f", layers that match {convert.keep_float} stay float" if convert.keep_float else ""
    words["Conversion"] = (
        f"to {', '.join(convert.targets)}; inputs and outputs of int8 files {convert.io}, ranges from "
        f"{convert.calibration} training images{kept_float}{', zeros stored sparsely' if convert.sparse else ''}"
    )
    return words


def _method(section: CompressSection) -> str:
    if section.epochs is None or section.learning_rate is None:
        training = "without training"
    else:
        training = f"{_epochs(section.epochs)}, peak learning rate {section.learning_rate:g}"
    if not section.together:
        return f"{section.method}{_options(section.options)}, {training}{_where(section)}"
    every = "; ".join(f"{each.method}{_options(each.options)}{_where(each)}" for each in section.methods)
    return f"trained together, {training}: {every}"


def _where(section: MethodSection) -> str:
    return f", only layers that match {section.layers}" if section.layers else ""


def _options(options: Mapping[str, Any]) -> str:
    given = [f"{name} {value}" for name, value in options.items() if value not in (None, "")]
    return f" ({', '.join(given)})" if given else ""


def _epochs(count: float) -> str:
    return f"{count:g} epoch{'' if count == 1 else 's'}"
