"""What a file says about itself: preprocessing and target, embedded in TFLite and ONNX under one key."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from edgecompress.convert.targets import Target
from edgecompress.storage import to_json
from edgecompress.values import Preprocessing

METADATA_KEY = "edgecompress.json"


def embed_json(preprocessing: Preprocessing | None, target: Target) -> str:
    """Return the text that is embedded: compact JSON with the keys `target` and `preprocessing`."""
    value = json.loads(to_json(preprocessing)) if preprocessing else None
    return json.dumps({"target": str(target), "preprocessing": value}, separators=(",", ":"))


def embedded_preprocessing(metadata: dict[str, str]) -> Preprocessing | None:
    """Read the preprocessing out of a file's metadata; None if there is none, or none of that form."""
    try:
        value = json.loads(metadata.get(METADATA_KEY, "null"))
        return TypeAdapter(Preprocessing).validate_python(value["preprocessing"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
