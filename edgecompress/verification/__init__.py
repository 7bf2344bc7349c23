"""Whether the files still compute what the model did: accuracy, agreement with Keras, and parity between formats."""

from edgecompress.verification.accuracy import Accuracy, accuracy, accuracy_of, flags_of, packed_flags, right_flags
from edgecompress.verification.check import CHUNK, DENSE, ArtifactCheck, KernelCheck, Parity, Verification, verify
from edgecompress.verification.comparing import Compared, compare, output_step, output_steps
from edgecompress.verification.limits import require_agreement, require_drop

__all__ = [
    "CHUNK",
    "DENSE",
    "Accuracy",
    "ArtifactCheck",
    "Compared",
    "KernelCheck",
    "Parity",
    "Verification",
    "accuracy",
    "accuracy_of",
    "compare",
    "flags_of",
    "output_step",
    "output_steps",
    "packed_flags",
    "require_agreement",
    "require_drop",
    "right_flags",
    "verify",
]
