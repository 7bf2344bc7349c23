"""What a network is asked for, what its training minimizes, and how right its answers are."""

from __future__ import annotations

from edgecompress.tasks.scoring import decisions, rightness
from edgecompress.tasks.task import LOSSES, ONE_CLASS, Kind, Task, find_loss, headed

__all__ = ["LOSSES", "ONE_CLASS", "Kind", "Task", "decisions", "find_loss", "headed", "rightness"]
