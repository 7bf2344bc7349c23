"""What to say to someone who has interrupted a command: what is kept, and how it goes on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

RESUMED = ("train", "run")
KEPT = {
    "convert": "Files that were finished are whole, but not all of them are listed: run the same command again.",
    "verify": "Nothing was written; what an earlier one found stays.",
    "profile": "Of what this one has measured nothing was written; earlier measurements stay.",
    "compare": "Nothing was written.",
    "devices": "Nothing was written.",
    "report": "Pages that were finished are whole: run the same command again for all of them.",
    "sensitivity": "Nothing was written.",
    "zoo": "Nothing was written.",
    "pack": "No packed file was written.",
    "unpack": "No file was written.",
    "inspect": "Nothing was written.",
    "kernels": "Files that were finished are whole: run the same command again for all of them.",
    "doctor": "Nothing was written.",
}


def what_is_kept(arguments: Sequence[str]) -> str:
    """Return the sentence for the command line `arguments`."""
    command = next((word for word in arguments if word in (*RESUMED, *KEPT)), "")
    if command not in RESUMED:
        return KEPT.get(command, "")
    resume = () if "--resume" in arguments else ("--resume",)
    return f"Finished epochs are kept; go on with: {shlex.join(('edgecompress', *arguments, *resume))}"
