"""Whether the files still compute what the model did: accuracy, agreement with Keras, and parity between formats."""

from edgecompress.verification.accuracy import Accuracy, accuracy_of, packed, unpacked
from edgecompress.verification.check import CHUNK, DENSE, ArtifactCheck, KernelCheck, Parity, Verification, verify
from edgecompress.verification.comparing import Compared, best, compare, output_step, output_steps
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
    "accuracy_of",
    "best",
    "compare",
    "output_step",
    "output_steps",
    "packed",
    "require_agreement",
    "require_drop",
    "unpacked",
    "verify",
]
