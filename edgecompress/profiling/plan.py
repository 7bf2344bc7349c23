"""What to measure with, and how precisely."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The protocol's figures; a round is one process an artifact, until all are precise or one is at the cap."""

    runner: str = "auto"
    python: str = ""  # the device's, for the Python runner; empty: the one that devices.toml names, or `python3`
    threads: tuple[int, ...] = (1,)
    cores: str = "all"  # or "prime", "big", "mid", "little", a mask
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()  # of inputs that leave an axis free, by their names
    processes: int = 3
    min_runs: int = 50
    min_seconds: float = 1.0
    max_seconds: float = 10.0
    half_width: float = 0.02  # of the median's 95 % interval, as a fraction of it
    seed: int = 0
    repeats: int = 2  # of a round in which the clock fell, or the device had other work
    cool_down_s: float = 120.0  # at most, before such a repeat
    busy_pause_s: float = 2.0  # before a repeat of a round in which the device had other work
    with_samples: bool = False  # keep each inference in the timeline
