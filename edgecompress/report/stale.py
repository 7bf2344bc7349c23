"""What a verification says of the files that a run has now: figures of an earlier file are no figures of this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecompress.runs.folder import RunFolder
from edgecompress.storage import sha256_of
from edgecompress.values import Artifact
from edgecompress.verification import Verification


def current_verification(run: RunFolder, artifacts: Sequence[Artifact], found: Verification) -> Verification | None:
    """Return what holds of these artifacts and of the Keras models that lie in the run; None if nothing does."""
    listed = {(artifact.path, artifact.sha256) for artifact in artifacts}
    checks = tuple(check for check in found.artifacts if (check.artifact, check.sha256) in listed)
    known = {(check.variant, check.target) for check in checks}
    paths = {check.artifact for check in checks}
    models = [name for name in found.keras if _is_same(run, name, found.keras_sha256.get(name, ""))]
    if not checks and not models:
        return None
    return replace(
        found,
        keras={name: found.keras[name] for name in models},
        keras_right={name: right for name, right in found.keras_right.items() if name in models},
        artifacts=checks,
        parity=tuple(
            each
            for each in found.parity
            if {(each.variant, f"{form}:{each.precision.split()[0]}") for form in ("tflite", "onnx")} <= known
        ),
        kernels=tuple(each for each in found.kernels if each.artifact in paths),
    )


def _is_same(run: RunFolder, variant: str, sha256: str) -> bool:
    path = run.model(variant)
    return path.is_file() and sha256_of(path) == sha256
