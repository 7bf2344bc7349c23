"""Limits that a user states, and what so many images can say of them."""

from __future__ import annotations

from collections.abc import Sequence

from edgecompress.errors import LimitNotMet
from edgecompress.numerics.paired import PairedDrop
from edgecompress.verification.check import ArtifactCheck, Verification
from edgecompress.verification.comparing import Compared

ROUNDING = 1e-9  # of a difference of percentages


def require_drop(verification: Verification, *, max_drop: float) -> list[str]:
    """Raise `LimitNotMet` if a file is more than `max_drop` percentage points below the dense Keras model.

    The drop itself decides. Where its interval leaves open on which side of the limit it is, that is said: in the
    error, or in the sentences that are returned.
    """
    beyond: list[str] = []
    undecided: dict[str, list[str]] = {}  # files by what is said of them, which is often the same
    for check in verification.artifacts:
        doubt = _doubt(check.paired, max_drop)
        if not check.drop <= max_drop + ROUNDING:  # so that what is not a number is beyond it
            beyond.append(f"{check.artifact}: {check.drop:.2f}{doubt}")
        elif doubt:
            said = f"a drop of {check.drop:.2f} is within {max_drop:g} points{doubt}."
            undecided.setdefault(said, []).append(check.artifact)
    if beyond:
        raise LimitNotMet(
            f"The accuracy drop is above {max_drop:g} percentage points ({'; '.join(beyond)}).",
            hint="Train the compressed model longer, keep sensitive layers float, or use more calibration images.",
        )
    return [f"{', '.join(files)}: {said}" for said, files in undecided.items()]


def require_agreement(
    found: Sequence[Compared],
    *,
    max_steps: float | None = None,
    min_argmax: float | None = None,
    with_keras: Sequence[ArtifactCheck] = (),
) -> list[str]:
    """Raise `LimitNotMet` if outputs are more than `max_steps` apart, or agree on less than `min_argmax` % of images.

    The latter holds for files and their Keras models, too. What has no steps cannot be held to a number of them, and
    where nothing was compared no limit was checked: sentences that say so are returned.
    """
    beyond, unchecked = [], []
    if min_argmax is not None:
        beyond += [
            f"{check.artifact} against its Keras model: {check.keras_agreement:.2f} % equal argmax, of at least "
            f"{min_argmax:g} %"
            for check in with_keras
            if check.keras_agreement is not None and not check.keras_agreement >= min_argmax
        ]
    for each in found:
        if max_steps is not None and not each.step:
            unchecked.append(each.title)
        elif max_steps is not None and not each.largest_steps <= max_steps:
            beyond.append(f"{each.title}: {each.largest_steps:g} steps, of at most {max_steps:g}")
        if min_argmax is not None and each.equal_argmax is not None and not each.equal_argmax >= min_argmax:
            beyond.append(f"{each.title}: {each.equal_argmax:.2f} % equal argmax, of at least {min_argmax:g} %")
    if beyond:
        raise LimitNotMet(
            f"Outputs that should be equal are too far apart ({'; '.join(beyond)}).",
            hint="Other kernels round in other places: `--kernels xnnpack,builtin,reference` shows by how much.",
        )
    if max_steps is not None and not found:
        return ["Nothing was compared in steps: that takes both formats of a precision, `--kernels` or `--on`."]
    listed = ", ".join(unchecked)
    return [f"Not quantized, so that there are no steps to hold to a limit: {listed}."] if listed else []


def _doubt(paired: PairedDrop | None, limit: float) -> str:
    """Say that the drop may be on either side of the limit, and how many images would tell; nothing if it cannot be."""
    if paired is None or not paired.low <= limit < paired.high:
        return ""
    needed = paired.images_to_tell(limit)
    given = f"with {paired.images:,} samples " if paired.images else ""
    return f", but {given}one cannot tell: it is between {paired.low:.2f} and {paired.high:.2f}" + (
        f"; about {needed:,} would tell" if needed else ""
    )
