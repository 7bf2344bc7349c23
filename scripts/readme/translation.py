"""What is translated between the two Kerases, as the tables of the code list it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from readme.cells import read, table


def translation() -> dict[str, str]:
    """Return each table as Markdown, by the name that its place in docs/keras.md has."""
    from edgecompress.tfmot.to_keras2 import layers as to_keras2
    from edgecompress.tfmot.to_keras2 import operations as operations_to_keras2
    from edgecompress.tfmot.to_keras3 import layers as to_keras3
    from edgecompress.tfmot.to_keras3 import operations as operations_to_keras3

    return {
        "to_keras2": _layers(to_keras2.LAYERS, to_keras2.NOTHING_AT_INFERENCE),
        "operations_to_keras2": _names(operations_to_keras2.OPERATIONS),
        "to_keras3": _layers(to_keras3.LAYERS, to_keras3.NOTHING_AT_INFERENCE),
        "operations_to_keras3": _names(operations_to_keras3.OPERATIONS),
        "both_ways": _both_ways(),
    }


def _both_ways() -> str:
    """How many calls of Keras 3's public layers and operations came out equal, there and back."""
    rows = []
    for kind, ways in read("keras3_translation.json")["counts"].items():
        for way, found in ways.items():
            calls, equal, refused = sum(found.values()), found["equal"], found.get("refused", 0)
            rows.append([f"{kind}, {way}", f"{calls:,}", f"{equal:,}", f"{refused:,}", f"{calls - equal - refused}"])
    return table(["", "calls", "equal", "refused by name", "wrong, or refused in others' words"], rows)


def _layers(rules: Mapping[str, Any], nothing: tuple[str, ...]) -> str:
    """A row a class: what is taken over, what is understood at one value alone, and what has no effect afterwards."""
    rows = [
        [
            f"`{kind}`",
            ", ".join(f"`{key}`" for key in (*rule.same, *rule.renamed)),
            ", ".join(f"`{key}={value!r}`" for key, value in rule.only.items()),
            ", ".join(f"`{key}`" for key in rule.without_effect),
        ]
        for kind, rule in sorted(rules.items())
    ]
    rows.append([", ".join(f"`{kind}`" for kind in sorted(nothing)), "left out: nothing at inference", "", ""])
    return table(["layer", "options", "only at", "without effect once trained"], rows)


def _names(operations: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(operations))
